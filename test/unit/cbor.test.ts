import { describe, expect, test } from 'vitest';
import { SecretKey } from '../../src/crypto/keys.ts';
import { type CborValue, decodeCbor, encodeCbor, MAX_DEPTH, scanCbor } from '../../src/wire/cbor.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

const TOO_EARLY = 'it ends too early';
const NOT_SHORTEST = 'an integer or length is not in its shortest form';
const TOO_BIG = 'an integer is beyond 2^53';
const INDEFINITE = 'lengths must be definite';
const RESERVED = 'a reserved length is used';
const TAG = 'tags are not allowed';
const SIMPLE = 'only false, true, null, undefined and floats are allowed of the simple values';
const TOO_DEEP = 'it is nested too deeply';
const KEY_TYPE = 'map keys must be text';
const TWICE = 'a map key stands twice';
const PROTO = 'the map key __proto__ is not allowed';
const BOM = 'a text begins with a byte order mark';
const UTF8 = 'a text is not valid UTF-8';
const TRAILING = 'bytes follow the item';

const refusals: [bytes: string, reason: string, what: string][] = [
  ['', TOO_EARLY, 'nothing'],
  ['18', TOO_EARLY, 'a head without its byte'],
  ['1b 000000ff', TOO_EARLY, 'half of a head'],
  ['42 01', TOO_EARLY, 'half of a byte string'],
  ['62 61', TOO_EARLY, 'half of a text'],
  ['82 01', TOO_EARLY, 'half of an array'],
  ['a1', TOO_EARLY, 'a map without its key'],
  ['a1 6161', TOO_EARLY, 'a map without its value'],
  ['f9 3c', TOO_EARLY, 'half of a half float'],
  ['fb 3ff00000000000', TOO_EARLY, 'most of a double'],
  ['18 17', NOT_SHORTEST, '23 in two bytes'],
  ['38 17', NOT_SHORTEST, '−24 in two bytes'],
  ['19 00ff', NOT_SHORTEST, '255 in three bytes'],
  ['1a 0000ffff', NOT_SHORTEST, '65,535 in five bytes'],
  ['1b 00000000ffffffff', NOT_SHORTEST, '2^32 − 1 in nine bytes'],
  ['58 01 00', NOT_SHORTEST, 'a long head before a byte string'],
  ['78 01 61', NOT_SHORTEST, 'a long head before a text'],
  ['98 01 00', NOT_SHORTEST, 'a long head before an array'],
  ['b8 01 6161 00', NOT_SHORTEST, 'a long head before a map'],
  ['a1 7801 61 00', NOT_SHORTEST, 'a long head before a map key'],
  ['1b 0020000000000000', TOO_BIG, '2^53'],
  ['1b ffffffffffffffff', TOO_BIG, '2^64 − 1'],
  ['3b 001fffffffffffff', TOO_BIG, '−(2^53)'],
  ['3b ffffffffffffffff', TOO_BIG, '−(2^64)'],
  ['5b 0020000000000000', TOO_BIG, 'a byte string of 2^53 bytes'],
  ['5f 41 00 ff', INDEFINITE, 'a byte string in pieces'],
  ['7f 61 61 ff', INDEFINITE, 'a text in pieces'],
  ['9f ff', INDEFINITE, 'an array without its length'],
  ['bf ff', INDEFINITE, 'a map without its length'],
  ['1f', INDEFINITE, 'an integer with an indefinite head'],
  ['1c', RESERVED, 'additional information 28'],
  ['5d', RESERVED, 'additional information 29'],
  ['9e', RESERVED, 'additional information 30'],
  ['c0 60', TAG, 'a date as text'],
  ['c1 00', TAG, 'a date as a number'],
  ['c2 41 01', TAG, 'a big number'],
  ['d9 d9f7 00', TAG, 'self-described CBOR'],
  ['db ffffffffffffffff 00', TAG, 'the last tag of all'],
  ['e0', SIMPLE, 'simple(0)'],
  ['f3', SIMPLE, 'simple(19)'],
  ['f8 18', SIMPLE, 'simple(24), as RFC 7049 had it'],
  ['f8 14', SIMPLE, 'false in two bytes'],
  ['f8 ff', SIMPLE, 'simple(255)'],
  ['fc', SIMPLE, 'additional information 28 of major type 7'],
  ['ff', SIMPLE, 'a break without a beginning'],
  ['a1 00 00', KEY_TYPE, 'a number as a key'],
  ['a1 41 61 00', KEY_TYPE, 'a byte string as a key'],
  ['a1 f6 00', KEY_TYPE, 'null as a key'],
  ['a1 80 00', KEY_TYPE, 'an array as a key'],
  ['a2 6161 00 6161 01', TWICE, 'a key twice'],
  ['a3 60 00 6161 01 60 02', TWICE, 'the empty key twice'],
  ['a1 69 5f5f70726f746f5f5f 00', PROTO, '__proto__'],
  ['63 efbbbf', BOM, 'a byte order mark alone'],
  ['64 efbbbf 61', BOM, 'a byte order mark before a text'],
  ['a1 63 efbbbf 00', BOM, 'a byte order mark as a key'],
  ['61 80', UTF8, 'a stray continuation byte'],
  ['62 c080', UTF8, 'an overlong zero'],
  ['63 e08080', UTF8, 'an overlong zero in three bytes'],
  ['63 eda080', UTF8, 'a lone surrogate'],
  ['66 eda081 edb080', UTF8, 'a pair of surrogates (CESU-8)'],
  ['64 f4908080', UTF8, 'a code point beyond U+10FFFF'],
  ['61 ff', UTF8, 'a byte that UTF-8 never has'],
  ['a1 61 ff 00', UTF8, 'bad UTF-8 in a key'],
  ['00 00', TRAILING, 'two items'],
  ['80 ff', TRAILING, 'a break behind an array'],
];

describe('refused', () => {
  test.each(refusals)('%s (%s): %s', (bytes, reason) => {
    expect(decodeCbor(hex(bytes))).toStrictEqual({ ok: false, reason });
  });

  test.each(refusals.filter(([, reason]) => reason !== TRAILING))(
    '%s within an array and a map',
    (bytes, reason) => {
      expect(scanCbor(hex(`82 00 ${bytes}`))).toBe(reason);
      expect(scanCbor(hex(`a1 6161 ${bytes}`))).toBe(reason);
    },
  );

  test('every prefix of an item', () => {
    const whole = encodeCbor({ a: [1, 1000, 2 ** 20, -1.5, 'ü'], b: new Uint8Array(30), c: { d: null } });
    for (let length = 0; length < whole.length; length++) {
      expect(scanCbor(whole.subarray(0, length))).toBe(TOO_EARLY);
    }
    expect(scanCbor(whole)).toBeNull();
  });
});

describe('the edges of what is accepted', () => {
  const accepted: [bytes: string, value: CborValue][] = [
    ['17', 23],
    ['18 18', 24],
    ['18 ff', 255],
    ['19 0100', 256],
    ['1a 00010000', 65_536],
    ['1a ffffffff', 2 ** 32 - 1],
    ['1b 0000000100000000', 2 ** 32],
    ['1b 001fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['37', -24],
    ['38 18', -25],
    ['3b 001ffffffffffffe', Number.MIN_SAFE_INTEGER],
    ['fb 4340000000000000', 2 ** 53], // a float, which stands for no exact number
    ['64 61 efbbbf', 'a\ufeff'],
    ['63 ed9fbf', '\ud7ff'],
    ['64 f48fbfbf', '\u{10ffff}'],
    ['61 00', '\0'],
    ['a2 6161 00 6141 01', { a: 0, A: 1 }],
  ];
  test.each(accepted)('%s', (bytes, value) => {
    expect(decodeCbor(hex(bytes))).toStrictEqual({ ok: true, value });
  });

  test.each(['constructor', 'toString', 'hasOwnProperty', 'length', '__proto_', '0', ''])(
    'the key "%s" is a key like any other',
    (key) => {
      const decoded = decodeCbor(encodeCbor({ [key]: 1 }));
      expect(decoded.ok && Object.entries(decoded.value as object)).toEqual([[key, 1]]);
    },
  );

  test.each([23, 24, 255, 256, 65_535, 65_536])('%i bytes, characters, items and keys', (count) => {
    const values: CborValue[] = [
      new Uint8Array(count).fill(7),
      'x'.repeat(count),
      'ü'.repeat(count),
      new Array(count).fill(null),
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i])),
    ];
    for (const value of values) expect(decodeCbor(encodeCbor(value))).toStrictEqual({ ok: true, value });
  });

  test('a decoded byte string is a copy', () => {
    const bytes = hex('43 010203');
    const decoded = decodeCbor(bytes);
    bytes.fill(0);
    expect(decoded).toStrictEqual({ ok: true, value: hex('010203') });
  });
});

describe('nesting', () => {
  const nested = (depth: number): Uint8Array => hex(`${'81'.repeat(depth)}00`);

  test(`${MAX_DEPTH} levels and no more`, () => {
    expect(scanCbor(nested(MAX_DEPTH))).toBeNull();
    expect(scanCbor(nested(MAX_DEPTH + 1))).toBe(TOO_DEEP);
    expect(scanCbor(hex(`${'a16161'.repeat(MAX_DEPTH)}00`))).toBeNull();
    expect(scanCbor(hex(`${'a16161'.repeat(MAX_DEPTH + 1)}00`))).toBe(TOO_DEEP);
  });

  test('an empty array or map is a level too', () => {
    expect(scanCbor(hex('80'), 0)).toBe(TOO_DEEP);
    expect(scanCbor(hex('a0'), 0)).toBe(TOO_DEEP);
    expect(scanCbor(hex('00'), 0)).toBeNull();
  });

  test('the levels around a value count when it is encoded', () => {
    expect(() => encodeCbor([[[1]]], MAX_DEPTH - 3)).not.toThrow();
    expect(() => encodeCbor([[[1]]], MAX_DEPTH - 2)).toThrow(expect.objectContaining({ code: 'not-cbor' }));
  });
});

describe('what cannot be encoded', () => {
  const cycle: Record<string, unknown> = {};
  cycle['a'] = [cycle];
  function* generator() {
    yield 1;
  }
  const boom = () => {
    throw new TypeError('boom');
  };
  const unsendable: [what: string, value: unknown][] = [
    ['a date', new Date(0)],
    ['a date within', { at: [new Date(0)] }],
    ['a function', () => 1],
    ['a method', { a() {} }],
    ['a symbol', Symbol('a')],
    ['a cycle', cycle],
    ['a small bigint', 5n],
    ['a bigint of 64 bits', 2n ** 63n],
    ['a bigint of 65 bits', 2n ** 64n],
    ['a lone high surrogate', 'a\ud800b'],
    ['a lone low surrogate', '\udc00'],
    ['a lone surrogate as a key', { '\ud800': 1 }],
    ['a lone surrogate in a long text', `${'x'.repeat(100)}\ud800`],
    ['a lone surrogate in a long key', { [`${'x'.repeat(100)}\ud800`]: 1 }],
    ['a small bigint', 5n],
    ['a bigint that a number would hold', 2n ** 33n],
    ['a large bigint', 2n ** 64n],
    ['a promise', Promise.resolve(1)],
    ['a URL', new URL('http://a/')],
    ['a boxed number', Object(1)],
    ['a buffer', new ArrayBuffer(4)],
    ['an instance of a class', new (class Sensor {})()],
    ['a list that contains itself', selfContaining()],
    ['a byte order mark', '\ufeffa'],
    ['__proto__', JSON.parse('{"__proto__": 1}')],
    ['a map', new Map([['a', 1]])],
    ['a set', new Set([1])],
    ['a regular expression', /a/],
    ['an error', new Error('a')],
    ['words', new Uint16Array(2)],
    ['a generator', generator()],
    ['a throwing getter', Object.defineProperty({}, 'a', { enumerable: true, get: boom })],
  ];
  test.each(unsendable)('%s', (_, value) => {
    expect(() => encodeCbor(value)).toThrow(expect.objectContaining({ code: 'not-cbor' }));
    expect(() => encodeCbor([1, { a: value }])).toThrow(expect.objectContaining({ code: 'not-cbor' }));
    // A failure leaves nothing behind in the encoder.
    expect(encodeCbor({ a: [1] })).toEqual(hex('a1 6161 81 01'));
  });

  test('the bytes of a secret key go nowhere', () => {
    const secretKey = SecretKey.fromBytes(new Uint8Array(32).map((_, i) => i + 100));
    expect(() => encodeCbor([secretKey])).toThrow(expect.objectContaining({ code: 'not-cbor' }));
  });
});

function selfContaining(): unknown {
  const value: unknown[] = [];
  value.push({ value });
  return value;
}

// That none of these runs out of stack, memory or patience is the test.
describe('hostile lengths', () => {
  test.each(['81', 'a16161', '9f', 'bf6161', 'c6', 'd8ff'])('100,000 times %s', (head) => {
    expect(scanCbor(hex(head.repeat(100_000)))).not.toBeNull();
  });

  test.each(['5b', '7b', '9b', 'bb'])('%s with 2^53 − 1 items to come', (head) => {
    expect(scanCbor(hex(`${head} 001fffffffffffff`))).toBe(TOO_EARLY);
    expect(scanCbor(hex(`81 ${head} 001fffffffffffff 6161 00`))).toBe(TOO_EARLY);
  });

  test.each(['5a', '7a', '9a', 'ba'])('%s with 2^32 − 1 items to come', (head) => {
    expect(scanCbor(hex(`${head} ffffffff`))).toBe(TOO_EARLY);
  });

  test('a long text with one bad byte at its end', () => {
    expect(scanCbor(hex(`7a 00100000 ${'61'.repeat(2 ** 20 - 1)}ff`))).toBe(UTF8);
  });
});
