/** Values that peers send, as JSON can have them. */
import type { CborValue } from './wire/cbor.ts';

/** For `JSON.stringify`: bytes as base64; numbers that JSON lacks as their names. */
export function jsonReplacer(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return value;
}

/** What JSON can have of a value, through and through; `undefined`, which has no place in it, as null. */
export function jsonSafe(value: CborValue): unknown {
  return value === undefined ? null : JSON.parse(JSON.stringify(value, jsonReplacer));
}
