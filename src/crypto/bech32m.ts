/** bech32m (BIP 350), from bytes to bytes: a secret key's text never becomes a string, which nobody can wipe. */
import { keyBytes } from '../bytes.ts';

const SYMBOLS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < SYMBOLS.length; i++) {
  VALUES[SYMBOLS.charCodeAt(i)] = i;
  VALUES[SYMBOLS.toUpperCase().charCodeAt(i)] = i;
}
const SEPARATOR = 0x31; // "1"
const CHECKSUM_SYMBOLS = 6;
const CHECKSUM = 0x2bc830a3;
/** BIP 173: beyond, the checksum promises less. */
const MAX_SYMBOLS = 90;

/** ASCII, in lower case. */
export function encodeBech32m(prefix: string, bytes: Uint8Array): Uint8Array {
  const data = Math.ceil((bytes.length * 8) / 5);
  const start = prefix.length + 1;
  const text = keyBytes(start + data + CHECKSUM_SYMBOLS);
  for (let i = 0; i < prefix.length; i++) text[i] = prefix.charCodeAt(i);
  text[prefix.length] = SEPARATOR;
  let bits = 0;
  let held = 0;
  let at = start;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    for (held += 8; held >= 5; held -= 5) text[at++] = symbol(bits >> (held - 5));
    bits &= 31; // of which `held` bits count
  }
  if (held > 0) text[at++] = symbol(bits << (5 - held));
  let sum = checksumOf(prefix, text, start, at);
  for (let i = 0; i < CHECKSUM_SYMBOLS; i++) sum = step(sum);
  sum ^= CHECKSUM;
  for (let i = CHECKSUM_SYMBOLS - 1; i >= 0; i--) text[at++] = symbol(sum >> (5 * i));
  return text;
}

/** Null for what is none. The prefix comes in lower case. */
export function decodeBech32m(text: Uint8Array): { prefix: string; bytes: Uint8Array } | null {
  const separator = text.lastIndexOf(SEPARATOR);
  const end = text.length - CHECKSUM_SYMBOLS;
  if (text.length > MAX_SYMBOLS || separator < 1 || end <= separator) return null;
  const isPrintable = text.every((letter) => letter > 32 && letter < 127);
  if (!isPrintable || (text.some(isLower) && text.some(isUpper))) return null;
  const prefix = String.fromCharCode(...text.subarray(0, separator)).toLowerCase();
  const start = separator + 1;
  for (let i = start; i < text.length; i++) if (valueAt(text, i) < 0) return null;
  if (checksumOf(prefix, text, start, text.length) !== CHECKSUM) return null;
  const bytes = keyBytes(((end - start) * 5) >> 3);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = start; i < end; i++) {
    bits = (bits << 5) | valueAt(text, i);
    held += 5;
    if (held < 8) continue;
    held -= 8;
    bytes[at++] = bits >> held;
    bits &= 0xff >> (8 - held);
  }
  const isWhole = held < 5 && (bits & (0xff >> (8 - held))) === 0;
  if (!isWhole) bytes.fill(0);
  return isWhole ? { prefix, bytes } : null;
}

/** Of the prefix, and of the text's symbols from `start` to `end`. */
function checksumOf(prefix: string, text: Uint8Array, start: number, end: number): number {
  let sum = 1;
  for (let i = 0; i < prefix.length; i++) sum = step(sum) ^ (prefix.charCodeAt(i) >> 5);
  sum = step(sum);
  for (let i = 0; i < prefix.length; i++) sum = step(sum) ^ (prefix.charCodeAt(i) & 31);
  for (let i = start; i < end; i++) sum = step(sum) ^ valueAt(text, i);
  return sum;
}

function step(sum: number): number {
  const top = sum >>> 25;
  let next = (sum & 0x1ffffff) << 5;
  if (top & 1) next ^= 0x3b6a57b2;
  if (top & 2) next ^= 0x26508e6d;
  if (top & 4) next ^= 0x1ea119fa;
  if (top & 8) next ^= 0x3d4233dd;
  if (top & 16) next ^= 0x2a1462b3;
  return next;
}

function symbol(bits: number): number {
  return SYMBOLS.charCodeAt(bits & 31);
}

function valueAt(text: Uint8Array, at: number): number {
  return VALUES[text[at] as number] as number;
}

function isLower(letter: number): boolean {
  return letter >= 0x61 && letter <= 0x7a;
}

function isUpper(letter: number): boolean {
  return letter >= 0x41 && letter <= 0x5a;
}
