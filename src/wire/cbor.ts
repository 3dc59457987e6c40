/**
 * The strict CBOR profile (PROTOCOL §7.1): a scan that accepts one canonical shape only, then cbor-x.
 *
 * cbor-x alone accepts tags, dates, sets, duplicate keys and bad UTF-8, and overflows the stack on deep nesting;
 * nothing reaches it here that the scan has not walked through.
 */
import { Encoder } from 'cbor-x/index-no-eval';
import { UdpToolError } from '../errors.ts';

/** What an envelope, a request's arguments or an answer can hold. */
export type CborValue =
  | null
  | undefined
  | boolean
  | number
  | string
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue };

/** Arrays and maps within each other, at most; an envelope's own two levels count. */
export const MAX_DEPTH = 8;

const codec = new Encoder({
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true, // without it, map lengths are not minimal
  tagUint8Array: false,
  copyBuffers: true, // a decoded byte string does not keep its datagram alive
  // A key of the options that cbor-x's types lack; the scan bounds integers to what a number holds exactly.
  ...{ int64AsNumber: true },
});

/**
 * @param value may be anything: what came from a command or a caller
 * @param maxBytes what is obviously longer is refused before it is encoded
 * @throws UdpToolError `not-cbor` for what the profile cannot carry: dates, bigints, functions, promises, instances of
 *   classes, cycles, lone surrogates, nesting below {@link MAX_DEPTH} less `outerDepth`; `too-large`
 */
export function encodeCbor(
  value: unknown,
  outerDepth = 0,
  maxBytes: number = Number.POSITIVE_INFINITY,
): Uint8Array {
  let problem: string | null;
  const room: Room = { bytes: maxBytes };
  try {
    problem = unsendable(value, MAX_DEPTH - outerDepth, room);
    if (problem === null) return encodeTrusted(value as CborValue);
  } catch (cause) {
    throw new UdpToolError('not-cbor', 'That value cannot be sent: it cannot even be read.', { cause }); // a getter threw
  }
  if (room.bytes < 0) throw tooLarge(maxBytes);
  throw new UdpToolError('not-cbor', `That value cannot be sent: it holds ${problem}.`, {
    hint: 'Send null, booleans, numbers, text, bytes, arrays and plain objects; a date as its text.',
  });
}

/** What a value is refused with that has more bytes than that, encoded. */
export function tooLarge(maxBytes: number): UdpToolError {
  return new UdpToolError('too-large', `That value has more than ${maxBytes} bytes, encoded.`);
}

/** What is left for a value, counted low: a head as one byte, a character as one. */
interface Room {
  bytes: number;
}

/** What in a value the profile cannot carry, or null. cbor-x itself would send much of it as something else. */
function unsendable(value: unknown, depth: number, room: Room): string | null {
  if (!take(1, room)) return TOO_MUCH;
  switch (typeof value) {
    case 'undefined':
    case 'boolean':
    case 'number':
      return null;
    case 'string':
      return unsendableText(value, room);
    case 'object':
      break;
    default:
      return `a ${typeof value}`;
  }
  if (value === null) return null;
  if (value instanceof Uint8Array) return take(value.length, room) ? null : TOO_MUCH;
  if (depth === 0) return 'itself, or is nested too deeply';
  if (Array.isArray(value)) return firstProblem(value, (item) => unsendable(item, depth - 1, room));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return `a ${value.constructor?.name ?? 'class'}`;
  return firstProblem(Object.entries(value), ([key, item]) =>
    key === '__proto__'
      ? 'the key __proto__'
      : (unsendableText(key, room) ?? unsendable(item, depth - 1, room)),
  );
}

const TOO_MUCH = 'too much';

function take(bytes: number, room: Room): boolean {
  room.bytes -= bytes;
  return room.bytes >= 0;
}

function unsendableText(text: string, room: Room): string | null {
  if (!take(text.length, room)) return TOO_MUCH;
  if (LONE_SURROGATE.test(text)) return 'text with half a character (a lone surrogate)';
  return text.startsWith(BYTE_ORDER_MARK) ? 'text that begins with a byte order mark' : null;
}

const LONE_SURROGATE = /\p{Surrogate}/u;
const BYTE_ORDER_MARK = '\ufeff';

function firstProblem<T>(items: readonly T[], problemOf: (item: T) => string | null): string | null {
  for (const item of items) {
    const problem = problemOf(item);
    if (problem !== null) return problem;
  }
  return null;
}

/** For values that this program built itself and knows to be within the profile. */
export function encodeTrusted(value: CborValue): Uint8Array {
  return new Uint8Array(codec.encode(value)); // a copy: the encoder uses its buffer again
}

/** The value, or null (inside `ok: false`) with the reason why the bytes are refused. */
export function decodeCbor(
  bytes: Uint8Array,
  maxDepth: number = MAX_DEPTH,
): { ok: true; value: CborValue } | { ok: false; reason: string } {
  const problem = scanCbor(bytes, maxDepth);
  if (problem !== null) return { ok: false, reason: problem };
  try {
    return { ok: true, value: codec.decode(bytes) as CborValue };
  } catch {
    // Not reached as far as is known; but what comes from the network must not throw.
    return { ok: false, reason: 'it cannot be decoded' };
  }
}

const MAX_SAFE_HIGH_WORD = 0x1fffff;

/** Walks one item and its contents; the reason why it is refused, or null. */
export function scanCbor(bytes: Uint8Array, maxDepth: number = MAX_DEPTH): string | null {
  const scan = new Scan(bytes);
  const problem = scan.item(maxDepth);
  if (problem !== null) return problem;
  return scan.position === bytes.length ? null : 'bytes follow the item';
}

class Scan {
  position = 0;
  /** The argument of the head last read: a length, a count or an integer's magnitude. */
  #argument = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  item(depth: number): string | null {
    const initial = this.#bytes[this.position];
    if (initial === undefined) return 'it ends too early';
    const major = initial >> 5;
    if (major === 7) return this.#simpleOrFloat(initial & 0x1f);
    if (major === 6) return 'tags are not allowed';
    const problem = this.#head(initial & 0x1f);
    if (problem !== null) return problem;
    switch (major) {
      case 0:
        return null;
      case 1: // −1 − argument: the smallest safe integer is −(2^53 − 1)
        return this.#argument >= Number.MAX_SAFE_INTEGER ? 'an integer is beyond 2^53' : null;
      case 2:
        return this.#skip(this.#argument);
      case 3:
        return this.#text(this.#argument);
      case 4:
        return this.#array(depth, this.#argument);
      default:
        return this.#map(depth, this.#argument);
    }
  }

  #head(info: number): string | null {
    this.position++;
    if (info < 24) {
      this.#argument = info;
      return null;
    }
    if (info === 31) return 'lengths must be definite';
    if (info > 27) return 'a reserved length is used';
    const width = 1 << (info - 24);
    if (this.position + width > this.#bytes.length) return 'it ends too early';
    if (width === 8 && this.#uint(4) > MAX_SAFE_HIGH_WORD) return 'an integer is beyond 2^53';
    this.#argument = this.#uint(width);
    this.position += width;
    // What fits into half the width, or into the initial byte, belongs there.
    const smallest = width === 1 ? 24 : 2 ** (4 * width);
    return this.#argument < smallest ? 'an integer or length is not in its shortest form' : null;
  }

  /** The next bytes as a number; beyond 2^53 it is not exact. */
  #uint(width: number): number {
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + (this.#bytes[this.position + i] as number);
    return value;
  }

  #simpleOrFloat(info: number): string | null {
    if (info >= 20 && info <= 23) return this.#skip(1); // false, true, null, undefined
    if (info >= 25 && info <= 27) return this.#skip(1 + (1 << (info - 24))); // half, single, double
    return 'only false, true, null, undefined and floats are allowed of the simple values';
  }

  #skip(length: number): string | null {
    this.position += length;
    return this.position > this.#bytes.length ? 'it ends too early' : null;
  }

  #text(length: number): string | null {
    const start = this.position;
    const problem = this.#skip(length);
    if (problem !== null) return problem;
    for (let i = start; i < this.position; i++) {
      if ((this.#bytes[i] as number) >= 0x80)
        return unicodeProblem(this.#bytes.subarray(start, this.position));
    }
    return null;
  }

  #array(depth: number, count: number): string | null {
    if (depth === 0) return 'it is nested too deeply';
    for (let i = 0; i < count; i++) {
      const problem = this.item(depth - 1);
      if (problem !== null) return problem;
    }
    return null;
  }

  #map(depth: number, count: number): string | null {
    if (depth === 0) return 'it is nested too deeply';
    const keys = new Set<string>();
    for (let i = 0; i < count; i++) {
      const initial = this.#bytes[this.position];
      if (initial === undefined) return 'it ends too early';
      if (initial >> 5 !== 3) return 'map keys must be text';
      const start = this.position;
      const problem = this.item(0);
      if (problem !== null) return problem;
      // Heads are minimal, so equal keys have equal bytes.
      const key = latin1.decode(this.#bytes.subarray(start, this.position));
      if (keys.has(key)) return 'a map key stands twice';
      // Keys that an object in this language would not hold as its own.
      if (key === PROTO_KEY) return 'the map key __proto__ is not allowed';
      keys.add(key);
      const valueProblem = this.item(depth - 1);
      if (valueProblem !== null) return valueProblem;
    }
    return null;
  }
}

/** With its head: a text of nine bytes. */
const PROTO_KEY = '\x69__proto__';
const latin1 = new TextDecoder('latin1');
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function unicodeProblem(text: Uint8Array): string | null {
  // A decoder that strips it stands between the scan and the value: refused rather than lost.
  if (text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf) return 'a text begins with a byte order mark';
  try {
    strictUtf8.decode(text);
    return null;
  } catch {
    return 'a text is not valid UTF-8';
  }
}
