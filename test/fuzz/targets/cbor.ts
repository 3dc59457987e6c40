/** Strict CBOR (PROTOCOL §7.1), and the notation in which it is shown. */
import { type CborValue, decodeCbor, encodeCbor, MAX_DEPTH, scanCbor } from '../../../src/wire/cbor.ts';
import { diagnostic } from '../../../src/wire/diagnostic.ts';
import { check, same, type Target } from '../target.ts';

const MAX_SHOWN = 64;

export const cbor: Target = {
  name: 'cbor',
  seeds: () =>
    [
      null,
      [true, false, undefined, -1, 23, 24, 256, 65_536, 2 ** 32, -(2 ** 40), 0.1, 1.5, Number.NaN],
      { a: 'text', ö: new Uint8Array(30), b: { c: [] } },
      [[[[[[[[]]]]]]]],
      ['😀'.repeat(20), 'x'.repeat(300), new Uint8Array(300)],
      Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`key ${i}`, i])),
    ].map((value) => encodeCbor(value)),
  work: { base: 2_000, perByte: 100 },
  memory: { base: 64 * 1024 + 4096, perByte: 16 },
  run(input) {
    const before = input.slice();
    const problem = scanCbor(input);
    const decoded = decodeCbor(input);
    same(input, before, 'an input was changed');
    check(decoded.ok === (problem === null), `the scan says "${problem}", and decoding does not`);
    if (!decoded.ok) {
      check(/^[a-z]/.test(decoded.reason), 'a refusal says why');
      check(decoded.reason !== 'it cannot be decoded', 'the scan let through what cannot be decoded');
      return;
    }
    const { value } = decoded;
    const size = measure(value, 0, input);
    check(size <= input.length, `${input.length} bytes became ${size}`);
    const again = encodeCbor(value);
    expectSame(decodeCbor(again), value);
    // Floats have several forms, and integers as keys of objects an order of their own.
    if (isFixedForm(value) && !input.some(mayBeginFloat))
      same(again, input, 'there are two encodings of one value');
    const shown = diagnostic(value, MAX_SHOWN);
    check(shown.length <= MAX_SHOWN + 1, 'what is shown is longer than it may be');
    check(!/[\p{Cc}\u2028\u2029\p{Surrogate}]/u.test(shown), 'what is shown has control characters');
  },
};

/** How many items and bytes there are, at least as many as were in the encoding. */
function measure(value: CborValue, depth: number, input: Uint8Array): number {
  check(depth <= MAX_DEPTH, 'it is nested deeper than allowed');
  if (value instanceof Uint8Array) {
    check(value.buffer !== input.buffer, 'bytes share the memory of the datagram');
    check(value.buffer.byteLength <= Math.max(value.length, 64 * 1024), 'bytes hold more memory than theirs');
    return 1 + value.length;
  }
  if (typeof value === 'string') return 1 + Buffer.byteLength(value);
  if (Array.isArray(value))
    return (value as readonly CborValue[]).reduce<number>(
      (sum, item) => sum + measure(item, depth + 1, input),
      1,
    );
  if (typeof value !== 'object' || value === null) {
    check(['undefined', 'boolean', 'number', 'object'].includes(typeof value), `there is a ${typeof value}`);
    return 1;
  }
  check(Object.getPrototypeOf(value) === Object.prototype, 'a map has another prototype');
  return Object.entries(value).reduce(
    (sum, [key, item]) => sum + 1 + Buffer.byteLength(key) + measure(item, depth + 1, input),
    1,
  );
}

function mayBeginFloat(byte: number): boolean {
  return byte >= 0xf9 && byte <= 0xfb;
}

function isFixedForm(value: CborValue): boolean {
  if (typeof value === 'number')
    return Number.isInteger(value) && value >= 0 && value < 2 ** 32 && !Object.is(value, -0);
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return true;
  if (Array.isArray(value)) return value.every(isFixedForm);
  return Object.entries(value).every(([key, item]) => !/^\d+$/.test(key) && isFixedForm(item));
}

function expectSame(decoded: ReturnType<typeof decodeCbor>, value: CborValue): void {
  check(decoded.ok, 'what was encoded is refused');
  check(equal(decoded.value, value), 'it is another value after one more encoding');
}

/** But for −0, which the encoder writes as the integer 0. */
export function equal(a: CborValue, b: CborValue): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a === b || (Number.isNaN(a) && Number.isNaN(b));
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  if (a instanceof Uint8Array || b instanceof Uint8Array)
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [Object.entries(a), Object.entries(b)];
  return (
    left.length === right.length &&
    left.every(
      ([key, item]) =>
        Object.hasOwn(b, key) && equal(item as CborValue, (b as Record<string, CborValue>)[key]),
    )
  );
}
