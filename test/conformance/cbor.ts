/** The strict CBOR of PROTOCOL.md §7.1: what is not exactly so is no value. */
import { join } from './bytes.ts';

export type Value =
  | null
  | undefined
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value };

const fatal = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class NotStrict extends Error {}

/** One item of at most `depth` levels, and nothing behind it. */
export function decode(bytes: Uint8Array, depth: number): Value {
  const [value, end] = decodeFirst(bytes, depth);
  if (end !== bytes.length) throw new NotStrict('something behind the item');
  return value;
}

/** The first item, and where it ends. */
function decodeFirst(bytes: Uint8Array, depth: number): readonly [value: Value, end: number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const take = (length: number): number => {
    if (length > bytes.length - at) throw new NotStrict('cut short');
    at += length;
    return at - length;
  };

  function argument(low: number): number {
    if (low < 24) return low;
    if (low > 27) throw new NotStrict('an indefinite length');
    const length = 2 ** (low - 24);
    const start = take(length);
    let value = 0;
    for (let i = start; i < at; i++) value = value * 256 + (bytes[i] ?? 0);
    const least = low === 24 ? 24 : 2 ** (4 * length);
    if (value < least) throw new NotStrict('not in its shortest form');
    if (!Number.isSafeInteger(value)) throw new NotStrict('an integer beyond 2^53 - 1');
    return value;
  }

  function text(length: number): string {
    const start = take(length);
    let result: string;
    try {
      result = fatal.decode(bytes.subarray(start, at));
    } catch {
      throw new NotStrict('no UTF-8');
    }
    if (result.startsWith('\ufeff')) throw new NotStrict('a byte order mark');
    return result;
  }

  function item(levels: number): Value {
    const first = bytes[take(1)] ?? 0;
    const [major, low] = [first >> 5, first & 31];
    if (major === 7) return simple(low);
    if (major === 6) throw new NotStrict('a tag');
    const n = argument(low);
    if (major === 0) return n;
    if (major === 1) {
      if (!Number.isSafeInteger(-1 - n)) throw new NotStrict('an integer beyond 2^53 - 1');
      return -1 - n;
    }
    if (major === 2) {
      const start = take(n);
      return bytes.slice(start, at);
    }
    if (major === 3) return text(n);
    if (levels === 0) throw new NotStrict('too deep');
    if (n > bytes.length - at) throw new NotStrict('cut short');
    if (major === 4) {
      const list: Value[] = [];
      while (list.length < n) list.push(item(levels - 1));
      return list;
    }
    const map: Record<string, Value> = {};
    for (let i = 0; i < n; i++) {
      const key = item(0);
      if (typeof key !== 'string') throw new NotStrict('a key that is no text');
      if (key === '__proto__' || Object.hasOwn(map, key)) throw new NotStrict('a key that may not be');
      map[key] = item(levels - 1);
    }
    return map;
  }

  function simple(low: number): Value {
    if (low === 20) return false;
    if (low === 21) return true;
    if (low === 22) return null;
    if (low === 23) return undefined;
    if (low === 25) return half(view.getUint16(take(2)));
    if (low === 26) return view.getFloat32(take(4));
    if (low === 27) return view.getFloat64(take(8));
    throw new NotStrict('a simple value');
  }

  const value = item(depth);
  return [value, at];
}

function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
}

/** The shortest form; numbers that are no integers as floats of 64 bits. */
export function encode(value: Value): Uint8Array {
  if (value === false) return Uint8Array.of(0xf4);
  if (value === true) return Uint8Array.of(0xf5);
  if (value === null) return Uint8Array.of(0xf6);
  if (value === undefined) return Uint8Array.of(0xf7);
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && !Object.is(value, -0))
      return value < 0 ? head(1, -1 - value) : head(0, value);
    const bytes = new Uint8Array(9);
    bytes[0] = 0xfb;
    new DataView(bytes.buffer).setFloat64(1, value);
    return bytes;
  }
  if (typeof value === 'string') {
    const bytes = join(value);
    return join(head(3, bytes.length), bytes);
  }
  if (value instanceof Uint8Array) return join(head(2, value.length), value);
  if (Array.isArray(value)) return join(head(4, value.length), ...value.map(encode));
  const entries = Object.entries(value);
  return join(head(5, entries.length), ...entries.flatMap(([key, inner]) => [encode(key), encode(inner)]));
}

function head(major: number, n: number): Uint8Array {
  const first = major << 5;
  if (n < 24) return Uint8Array.of(first | n);
  const size = n < 2 ** 8 ? 0 : n < 2 ** 16 ? 1 : n < 2 ** 32 ? 2 : 3;
  const bytes = new Uint8Array(1 + 2 ** size);
  bytes[0] = first | (24 + size);
  for (let i = bytes.length - 1, rest = n; i > 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}
