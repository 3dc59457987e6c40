import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, toHex } from '../../src/bytes.ts';
import { type CborValue, decodeCbor, encodeCbor, MAX_DEPTH, scanCbor } from '../../src/wire/cbor.ts';

/** Any text without lone surrogates or a leading byte order mark, of up to a few hundred bytes. */
const text = fc
  .oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary', minLength: 20, maxLength: 100 }),
  )
  .filter((value) => !value.startsWith('\ufeff'));
const leaf = fc.oneof(
  fc.constantFrom(null, undefined, true, false),
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 70_000 }),
  // The encoder writes −0 as the integer 0.
  fc.double().map((number) => (Object.is(number, -0) ? 0 : number)),
  text,
  fc.uint8Array({ maxLength: 300 }),
);
const key = text.filter((value) => value !== '__proto__');
/** Everything in the profile. */
const value = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: MAX_DEPTH, withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 30 }),
    fc.dictionary(key, tie('value'), { maxKeys: 30, noNullPrototype: true }),
  ),
})).value;

/** An encoding with a few bytes changed, inserted, removed or cut off. */
const edit = fc.record({
  at: fc.nat(2 ** 16),
  kind: fc.constantFrom('change', 'flip', 'insert', 'remove', 'cut'),
  byte: fc.oneof(
    fc.nat(255),
    fc.constantFrom(0x18, 0x1b, 0x5f, 0x7f, 0x81, 0x9b, 0xa1, 0xc1, 0xf7, 0xf8, 0xf9, 0xff),
  ),
});
const mutated = fc.tuple(value, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([original, edits]) => {
  let bytes = [...encodeCbor(original)];
  for (const { at, kind, byte } of edits) {
    const i = at % (bytes.length + 1);
    if (kind === 'change') bytes[i] = byte;
    else if (kind === 'flip') bytes[i] = (bytes[i] ?? 0) ^ (1 << (byte & 7));
    else if (kind === 'insert') bytes.splice(i, 0, byte);
    else if (kind === 'remove') bytes.splice(i, 1);
    else bytes = bytes.slice(0, i);
  }
  return Uint8Array.from(bytes);
});

/** What is accepted means the same after any number of encodings; what is refused is refused without a throw. */
function expectStable(bytes: Uint8Array): void {
  const first = decodeCbor(bytes);
  if (!first.ok) {
    expect(first.reason).toMatch(/^[a-z]/);
    return;
  }
  const again = encodeCbor(first.value);
  const second = decodeCbor(again);
  expect(second).toEqual({ ok: true, value: withoutMinusZero(first.value) });
  if (second.ok) expect(toHex(encodeCbor(second.value))).toBe(toHex(again));
}

function withoutMinusZero(of: CborValue): CborValue {
  if (of === 0) return 0;
  if (Array.isArray(of)) return of.map(withoutMinusZero);
  if (of === null || typeof of !== 'object' || of instanceof Uint8Array) return of;
  return Object.fromEntries(Object.entries(of).map(([name, inner]) => [name, withoutMinusZero(inner)]));
}

describe('everything in the profile', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(value, (original) => {
        expect(decodeCbor(encodeCbor(original))).toStrictEqual({ ok: true, value: original });
      }),
      { numRuns: 1000 },
    );
  });

  test('is refused with a byte too few or too many', () => {
    fc.assert(
      fc.property(value, fc.nat(255), (original, byte) => {
        const bytes = encodeCbor(original);
        expect(scanCbor(bytes.subarray(0, -1))).toBe('it ends too early');
        expect(scanCbor(concat(bytes, Uint8Array.of(byte)))).toBe('bytes follow the item');
      }),
    );
  });
});

describe('other bytes', () => {
  test('mutated encodings', () => {
    fc.assert(fc.property(mutated, expectStable), { numRuns: 3000 });
  });

  test('random bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), expectStable), { numRuns: 3000 });
  });

  test('every string of one and of two bytes', () => {
    for (let a = 0; a < 256; a++) {
      expectStable(Uint8Array.of(a));
      for (let b = 0; b < 256; b++) expectStable(Uint8Array.of(a, b));
    }
  });
});

describe('one bad item spoils the whole, wherever it stands', () => {
  const hex = (bytes: string): Uint8Array => Uint8Array.from(Buffer.from(bytes, 'hex'));
  const bad = fc.constantFrom('c000', 'd9d9f700', 'f0', 'f8ff', '9fff', '1817', '3b001fffffffffffff', '61ff');
  const good = fc.constantFrom('00', '60', 'f7', 'f93c00', '3b001ffffffffffffe', '62c3bc', '40');
  const wrapper = fc.constantFrom<(item: Uint8Array) => Uint8Array>(
    (item) => concat(hex('81'), item),
    (item) => concat(hex('83f5'), item, hex('6161')),
    (item) => concat(hex('a16161'), item),
    (item) => concat(hex('a2616101616b'), item),
    (item) => concat(hex('a2616b'), item, hex('6161f6')),
  );
  const wrap = (item: string, wrappers: ((inner: Uint8Array) => Uint8Array)[]) =>
    wrappers.reduce((inner, around) => around(inner), hex(item));
  const wrappers = fc.array(wrapper, { maxLength: MAX_DEPTH });

  test('refused', () => {
    fc.assert(
      fc.property(bad, wrappers, (item, around) => {
        expect(scanCbor(wrap(item, around))).toBe(scanCbor(hex(item)));
        expect(scanCbor(wrap(item, around))).not.toBeNull();
      }),
    );
  });

  test('a good one in its place is accepted', () => {
    fc.assert(
      fc.property(good, wrappers, (item, around) => {
        expect(scanCbor(wrap(item, around))).toBeNull();
      }),
    );
  });
});
