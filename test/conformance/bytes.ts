/** Bytes and text, as PROTOCOL.md §2 writes them. */

const utf8 = new TextEncoder();

/** `parts` one behind the other; text is its bytes. */
export function join(...parts: readonly (Uint8Array | string | readonly number[])[]): Uint8Array {
  const all = parts.map((part) => (typeof part === 'string' ? utf8.encode(part) : Uint8Array.from(part)));
  const whole = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
export const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** `value` in `length` bytes, the most significant first. */
export function bigEndian(value: number | bigint, length: number): Uint8Array {
  return unhex(
    BigInt(value)
      .toString(16)
      .padStart(2 * length, '0'),
  );
}

/** Cuts `bytes` into fields of those lengths, which must be all of it. */
export function fields<const L extends readonly number[]>(
  bytes: Uint8Array,
  ...lengths: L
): { -readonly [K in keyof L]: Uint8Array } | undefined {
  if (bytes.length !== lengths.reduce((sum, length) => sum + length, 0)) return undefined;
  let at = 0;
  return lengths.map((length) => bytes.slice(at, (at += length))) as { -readonly [K in keyof L]: Uint8Array };
}
