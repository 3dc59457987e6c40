// All 81 examples of RFC 8949, Appendix A, in its order and notation; `refused` is this project's own column.
// The bytes are those of github.com/cbor/test-vectors, less f818, which RFC 7049 had and RFC 8949 forbids.
import { describe, expect, test } from 'vitest';
import { type CborValue, decodeCbor, encodeCbor } from '../../src/wire/cbor.ts';
import examples from './rfc8949-appendix-a.json' with { type: 'json' };

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

/** The notation of the accepted examples is JSON, but for what JSON lacks. */
function fromNotation(text: string): CborValue {
  if (text === 'undefined') return undefined;
  if (/^-?Infinity$|^NaN$/.test(text)) return Number(text);
  const bytes = /^h'(.*)'$/.exec(text);
  return bytes ? hex(bytes[1] as string) : (JSON.parse(text) as CborValue);
}

const accepted = examples.filter((example) => example.refused === undefined);
const refused = examples.filter((example) => example.refused !== undefined);

test('the table is whole', () => {
  expect(new Set(examples.map((example) => example.hex)).size).toBe(81);
  expect([accepted.length, refused.length]).toEqual([57, 24]);
});

describe('accepted', () => {
  test.each(accepted)('$hex is $value', ({ hex: bytes, value }) => {
    expect(decodeCbor(hex(bytes))).toStrictEqual({ ok: true, value: fromNotation(value) });
  });

  test.each(accepted)('$value comes back from our own encoding', ({ value }) => {
    const expected = fromNotation(value);
    // The encoder writes −0.0 as the integer 0.
    const result = Object.is(expected, -0) ? 0 : expected;
    expect(decodeCbor(encodeCbor(expected))).toStrictEqual({ ok: true, value: result });
  });

  // Floats, and whole numbers of 33 bits and more, are written as doubles: not always what the RFC prefers.
  const preferred = accepted.filter(({ hex: bytes }) => !/^f[9ab]|^1b/.test(bytes));
  test.each(preferred)('$value is written as $hex', ({ hex: bytes, value }) => {
    expect(encodeCbor(fromNotation(value))).toEqual(hex(bytes));
  });
});

describe('refused', () => {
  test.each(refused)('$hex, $value: $refused', ({ hex: bytes, refused: reason }) => {
    expect(decodeCbor(hex(bytes))).toStrictEqual({ ok: false, reason });
  });
});
