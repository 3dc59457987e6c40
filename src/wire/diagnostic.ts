/** CBOR values as a person reads them: the diagnostic notation of RFC 8949 §8, cut where it gets long. */
import { toHex } from '../bytes.ts';
import type { CborValue } from './cbor.ts';

/** Bytes of a byte string that are shown. */
const MAX_SHOWN_BYTES = 16;
/** What a reader does not see, or what turns the line around for him; JSON escapes other control characters itself. */
const UNSEEN = /[\u007f-\u009f\u2028\u2029\p{Cf}]/gu;
const ELLIPSIS = '…';

/** @param maxLength in characters of the notation, without the ellipsis that tells of more */
export function diagnostic(value: CborValue, maxLength: number): string {
  const out: Out = { text: '', maxLength };
  write(value, out);
  return cut(out.text, maxLength);
}

interface Out {
  text: string;
  readonly maxLength: number;
}

/** Ends soon after there is enough: a value may be much longer than what is shown of it. */
function write(value: CborValue, out: Out): void {
  if (typeof value === 'string') out.text += quote(value, out.maxLength);
  else if (value instanceof Uint8Array) out.text += bytesText(value);
  else if (Array.isArray(value))
    writeAll(value as readonly CborValue[], '[', ']', out, (item) => write(item, out));
  else if (typeof value === 'object' && value !== null) {
    writeAll(Object.entries(value), '{', '}', out, ([key, item]) => {
      out.text += `${quote(key, out.maxLength)}: `;
      write(item, out);
    });
  } else out.text += String(value);
}

function writeAll<T>(
  items: readonly T[],
  opening: string,
  closing: string,
  out: Out,
  writeOne: (item: T) => void,
): void {
  out.text += opening;
  for (const [i, item] of items.entries()) {
    if (out.text.length > out.maxLength) return;
    if (i > 0) out.text += ', ';
    writeOne(item);
  }
  out.text += closing;
}

function bytesText(bytes: Uint8Array): string {
  if (bytes.length <= MAX_SHOWN_BYTES) return `h'${toHex(bytes)}'`;
  return `h'${toHex(bytes.subarray(0, MAX_SHOWN_BYTES))}${ELLIPSIS}' (${bytes.length} bytes)`;
}

function quote(text: string, maxLength: number): string {
  return JSON.stringify(cut(text, maxLength)).replace(
    UNSEEN,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

function cut(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  return text.slice(0, maxLength).replace(/[\ud800-\udbff]$/, '') + ELLIPSIS;
}
