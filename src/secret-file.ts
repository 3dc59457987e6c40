/** Files that hold a secret: read and written as bytes that can be wiped, and never as strings. */
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { keyBytes } from './bytes.ts';
import { hasSystemCode } from './errors.ts';

/** Much more than a key with what its owner notes beside it. */
const MAX_SECRET_FILE_BYTES = 64 * 1024;
const HASH_SIGN = 0x23;
const HEX_DIGITS = '0123456789abcdef';

/**
 * The bytes of a file with a secret, to be wiped by the caller: no string, and no buffer that Node keeps. Null where
 * there is none.
 */
export async function readSecret(path: string): Promise<Uint8Array | null> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (cause) {
    if (hasSystemCode(cause, 'ENOENT')) return null;
    throw cause;
  }
  try {
    const bytes = keyBytes(MAX_SECRET_FILE_BYTES);
    for (let length = 0; ; ) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      length += bytesRead;
      if (bytesRead === 0) return bytes.subarray(0, length);
    }
  } finally {
    await file.close();
  }
}

/** The first line that says something and is no comment. */
export function keyLine(text: Uint8Array): Uint8Array {
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf(0x0a, start);
    const end = newline < 0 ? text.length : newline;
    const line = text.subarray(start, end);
    if (line[0] !== HASH_SIGN && line.some((letter) => letter > 0x20)) return line;
    start = end + 1;
  }
  return text.subarray(text.length);
}

/** What 64 digits of hex stand for, white space behind them or not. Null for anything else. */
export function ofHexText(text: Uint8Array): Uint8Array | null {
  const digits = text.subarray(0, 64);
  if (digits.length < 64 || text.subarray(64).some((letter) => letter > 0x20)) return null;
  const bytes = keyBytes(32);
  for (const [i, letter] of digits.entries()) {
    const digit = HEX_DIGITS.indexOf(String.fromCharCode(letter).toLowerCase());
    if (digit < 0) return null;
    bytes[i >> 1] = ((bytes[i >> 1] as number) << 4) | digit;
  }
  return bytes;
}

/** Writes a file that must not exist, for its owner alone, down to the disk. */
export async function writeNew(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for (const part of parts) await file.writeFile(part);
    await file.sync();
  } catch (error) {
    await unlink(path).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
}
