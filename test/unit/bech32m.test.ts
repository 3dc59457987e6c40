/** bech32m against an implementation of its own, and BIP 350's examples. */
import { bech32m } from '@scure/base';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { decodeBech32m, encodeBech32m } from '../../src/crypto/bech32m.ts';

const textOf = (ascii: Uint8Array): string => Buffer.from(ascii).toString('latin1');

/** As the other implementation has it; null where it throws. */
function byTheOther(text: string): ReturnType<typeof decodeBech32m> {
  try {
    const { prefix, bytes } = bech32m.decodeToBytes(text);
    return { prefix, bytes: Uint8Array.from(bytes) };
  } catch {
    return null;
  }
}

const printable = fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code));

describe('bech32m', () => {
  test('encodes and decodes bytes as another implementation does', () => {
    const prefixes = fc.constantFrom('udp', 'udp-secret-key-', 'a', '1', '?');
    fc.assert(
      fc.property(prefixes, fc.uint8Array({ maxLength: 40 }), (prefix, bytes) => {
        const text = bech32m.encodeFromBytes(prefix, bytes);
        expect(textOf(encodeBech32m(prefix, bytes))).toBe(text);
        expect(decodeBech32m(utf8(text))).toEqual({ prefix, bytes });
        expect(decodeBech32m(utf8(text.toUpperCase()))).toEqual({ prefix, bytes });
      }),
    );
  });

  test('takes and refuses what another implementation does', () => {
    const { length } = bech32m.encodeFromBytes('udp', new Uint8Array(32));
    const change = fc.tuple(fc.nat(length - 1), fc.oneof(printable, fc.constant(''), fc.constant('é')));
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.array(change), (bytes, changes) => {
        const letters = [...bech32m.encodeFromBytes('udp', bytes)];
        for (const [at, letter] of changes) letters[at] = letter;
        const text = letters.join('');
        expect(decodeBech32m(utf8(text))).toEqual(byTheOther(text));
      }),
    );
  });

  // BIP 350, "Test vectors for Bech32m", those that hold whole bytes or none; and its invalid ones.
  test.each([
    'A1LQFN3A',
    'a1lqfn3a',
    'split1checkupstagehandshakeupstreamerranterredcaperredlc445v',
    '\u00201xj0phk',
    '\u007f1g6xzxy',
    '\u00801vctc34',
    'an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4',
    'qyrz8wqd2c9m',
    '1qyrz8wqd2c9m',
    'y1b0jsk6g',
    'lt1igcx5c0',
    'in1muywd',
    'mm1crxm3i',
    'au1s5cgom',
    'M1VUXWEZ',
    '16plkw9',
    '1p2gdwpf',
    'A1lqfn3a',
  ])('%j is judged alike', (text) => {
    expect(decodeBech32m(utf8(text))).toEqual(byTheOther(text));
  });

  test('refuses bits beyond the last byte that are not zero', () => {
    const text = bech32m.encode('udp', [31]);
    expect(decodeBech32m(utf8(text))).toBeNull();
    expect(decodeBech32m(utf8(bech32m.encode('udp', [31, 31])))).toBeNull();
    expect(decodeBech32m(utf8(bech32m.encode('udp', [31, 28])))?.bytes).toEqual(Uint8Array.of(255));
  });
});
