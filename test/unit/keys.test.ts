import { format, inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/bytes.ts';
import { keyPairFromSecret, PresharedKey, PublicKey, SecretKey } from '../../src/crypto/keys.ts';
import { UdpToolError } from '../../src/errors.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

// Alice's keys in NaCl's documentation; the texts were computed by another implementation of BIP 350.
const SECRET_HEX = '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a';
const PUBLIC_HEX = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a';
const SECRET_TEXT = 'UDP-SECRET-KEY-1WURK6ZNNRZJH60QKC9E9RVNXGH05CTU8A0QFJ243WLA628DE9S4QU66W3Q';
const PUBLIC_TEXT = 'udp1s5s0qzvfxzn4gayt0hwtg0hhtgxm7wsdycup4a8t5j5ca25mfe4qd6xez8';

const secretKey = SecretKey.fromBytes(hex(SECRET_HEX));
const publicKey = PublicKey.fromBytes(hex(PUBLIC_HEX));

/** The error a call ends in; it must be ours. */
function errorOf(call: () => unknown): UdpToolError {
  try {
    call();
  } catch (error) {
    if (error instanceof UdpToolError) return error;
    throw error;
  }
  throw new Error('accepted');
}

/** Which of the mistyped texts are taken for a key, or refused for anything but being none. */
function notRefused(parse: (text: string) => unknown, texts: string[]): string[] {
  return texts.filter((text) => {
    try {
      return errorOf(() => parse(text)).code !== 'bad-key';
    } catch {
      return true;
    }
  });
}

describe('text forms', () => {
  test('are what BIP 350 makes of the bytes', () => {
    expect(publicKey.toString()).toBe(PUBLIC_TEXT);
    expect(`${publicKey}`).toBe(PUBLIC_TEXT);
    expect(JSON.stringify({ publicKey })).toBe(`{"publicKey":"${PUBLIC_TEXT}"}`);
    expect(inspect(publicKey)).toBe(`PublicKey(${PUBLIC_TEXT})`);
    expect(secretKey.exportText()).toBe(SECRET_TEXT);
  });

  test('come back as the bytes', () => {
    expect(toHex(PublicKey.parse(PUBLIC_TEXT).bytes)).toBe(PUBLIC_HEX);
    expect(toHex(SecretKey.parse(SECRET_TEXT).expose())).toBe(SECRET_HEX);
  });

  test('may be all upper or all lower case, with white space around them', () => {
    expect(toHex(PublicKey.parse(`\t ${PUBLIC_TEXT.toUpperCase()}\r\n`).bytes)).toBe(PUBLIC_HEX);
    expect(toHex(SecretKey.parse(` ${SECRET_TEXT.toLowerCase()}\n`).expose())).toBe(SECRET_HEX);
  });

  test('of a secret key and its public key belong together', () => {
    expect(secretKey.publicKey().equals(publicKey)).toBe(true);
    expect(keyPairFromSecret(secretKey).publicKey.toString()).toBe(PUBLIC_TEXT);
    expect(publicKey.equals(SecretKey.fromBytes(hex('01'.repeat(32))).publicKey())).toBe(false);
  });
});

describe.each([
  ['a public key', PUBLIC_TEXT, (text: string) => PublicKey.parse(text)],
  ['a secret key', SECRET_TEXT, (text: string) => SecretKey.parse(text)],
])('%s with a mistake', (_name, whole, parse) => {
  const positions = Array.from(whole, (_, at) => at);
  const replaced = (at: number, by: string, length = 1) => whole.slice(0, at) + by + whole.slice(at + length);
  const upper = whole === whole.toUpperCase();
  const alphabet = [...'abcdefghijklmnopqrstuvwxyz0123456789'].map((c) => (upper ? c.toUpperCase() : c));

  test('one changed character at every position', () => {
    for (const at of positions) {
      const others = [...alphabet, '-', ' ', '\0', 'é', '\u212a', ''].filter((c) => c !== whole[at]);
      expect(
        notRefused(
          parse,
          others.map((c) => replaced(at, c)),
        ),
      ).toEqual([]);
    }
  });

  test('one letter in the other case', () => {
    const letters = positions.filter((at) => /[a-z]/i.test(whole[at] as string));
    const swapCase = (c: string) => (upper ? c.toLowerCase() : c.toUpperCase());
    expect(
      notRefused(
        parse,
        letters.map((at) => replaced(at, swapCase(whole[at] as string))),
      ),
    ).toEqual([]);
  });

  test('one character left away, doubled, or swapped with its neighbour', () => {
    const texts = positions.flatMap((at) => [
      replaced(at, ''),
      replaced(at, whole.slice(at, at + 1).repeat(2)),
      replaced(
        at,
        whole
          .slice(at, at + 2)
          .split('')
          .reverse()
          .join(''),
        2,
      ),
    ]);
    expect(
      notRefused(
        parse,
        texts.filter((text) => text !== whole),
      ),
    ).toEqual([]);
  });

  test('a piece of it, two of it, or something else', () => {
    const others = [
      '',
      ' ',
      whole.slice(0, 20),
      whole.slice(20),
      whole + whole,
      `${whole} ${whole}`,
      'hunter2',
    ];
    // Valid bech32m of another program, and our prefix around 31 and 33 bytes.
    others.push(
      'a1lqfn3a',
      'age1s5s0qzvfxzn4gayt0hwtg0hhtgxm7wsdycup4a8t5j5ca25mfe4q7f8umz',
      'udp1s5s0qzvfxzn4gayt0hwtg0hhtgxm7wsdycup4a8t5j5ca25mfc9hqa3j',
      'udp1s5s0qzvfxzn4gayt0hwtg0hhtgxm7wsdycup4a8t5j5ca25mfe4qqclfl2d',
    );
    expect(notRefused(parse, others)).toEqual([]);
  });
});

describe('public and secret mixed up', () => {
  test('a secret key where a public key is wanted', () => {
    const error = errorOf(() => PublicKey.parse(SECRET_TEXT));
    expect(error).toMatchObject({ code: 'bad-key', message: expect.stringContaining('SECRET key') });
  });

  test('a public key where a secret key is wanted', () => {
    const error = errorOf(() => SecretKey.parse(PUBLIC_TEXT));
    expect(error).toMatchObject({ code: 'bad-key', message: expect.stringContaining('public key') });
  });
});

describe('bytes that are no key', () => {
  test.each([0, 1, 31, 33, 64])('%i of them', (length) => {
    const bytes = new Uint8Array(length).fill(9);
    for (const Kind of [PublicKey, SecretKey, PresharedKey]) {
      expect(errorOf(() => Kind.fromBytes(bytes)).code).toBe('bad-key');
    }
  });

  test('zeros', () => {
    for (const Kind of [PublicKey, SecretKey, PresharedKey]) {
      expect(errorOf(() => Kind.fromBytes(new Uint8Array(32))).code).toBe('bad-key');
    }
  });

  test('a low-order point as a public key', () => {
    const error = errorOf(() => PublicKey.fromBytes(hex(`01${'00'.repeat(31)}`)));
    expect(error).toMatchObject({ code: 'bad-key', message: expect.stringContaining('low-order') });
  });
});

describe('keys are copies', () => {
  test('of the bytes they were made from', () => {
    const bytes = hex(SECRET_HEX);
    const keys = [SecretKey.fromBytes(bytes), PresharedKey.fromBytes(bytes)];
    const own = hex(PUBLIC_HEX);
    const key = PublicKey.fromBytes(own);
    bytes.fill(0);
    own.fill(0);
    expect(keys.map((each) => toHex(each.expose()))).toEqual([SECRET_HEX, SECRET_HEX]);
    expect(toHex(key.bytes)).toBe(PUBLIC_HEX);
  });

  test('generate takes 32 bytes of the given randomness', () => {
    const asked: number[] = [];
    const generated = SecretKey.generate((length) => {
      asked.push(length);
      return hex(SECRET_HEX);
    });
    expect(asked).toEqual([32]);
    expect(generated.exportText()).toBe(SECRET_TEXT);
  });

  test('wiping leaves zeros', () => {
    const key = SecretKey.fromBytes(hex(SECRET_HEX));
    const exposed = key.expose();
    key.wipe();
    expect(toHex(exposed)).toBe('00'.repeat(32));
    expect(toHex(key.expose())).toBe('00'.repeat(32));
  });
});

/** Whether `shown` holds any 8 characters of the secret's text, or 4 bytes of it as hex, base64 or a list of numbers. */
function reveals(shown: string): boolean {
  const bytes = hex(SECRET_HEX);
  const needles = [
    ...Array.from({ length: SECRET_TEXT.length - 24 }, (_, i) => SECRET_TEXT.slice(16 + i, 24 + i)),
    ...Array.from({ length: 25 }, (_, i) => toHex(bytes.subarray(i, i + 4))),
    ...[0, 3, 6].map((i) => Buffer.from(bytes.subarray(i, i + 6)).toString('base64')),
    `${bytes[0]},${bytes[1]},${bytes[2]}`,
  ].map((needle) => needle.toLowerCase());
  const text = shown.toLowerCase().replaceAll(/\s/g, '');
  return needles.some((needle) => text.includes(needle));
}

describe('a secret does not show', () => {
  const psk = PresharedKey.fromBytes(hex(SECRET_HEX));
  const holders: [string, unknown][] = [
    ['a secret key', secretKey],
    ['a pre-shared key', psk],
    ['a keypair', keyPairFromSecret(secretKey)],
    ['an array in an object', { deep: [{ psk, secretKey }] }],
    ['a map', new Map([[secretKey, psk]])],
    ['an error’s cause', new Error('failed', { cause: secretKey })],
  ];

  test('the search would find it', () => {
    const exposed = secretKey.expose();
    for (const shown of [
      secretKey.exportText(),
      toHex(exposed),
      inspect(exposed),
      JSON.stringify({ exposed }),
    ]) {
      expect(reveals(shown.replaceAll(/"\d+":/g, ''))).toBe(true);
    }
    expect(reveals(Buffer.from(exposed).toString('base64'))).toBe(true);
  });

  test.each(holders)('in %s', (_, holder) => {
    const everything = { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true };
    const shown = [
      inspect(holder),
      inspect(holder, everything),
      inspect(holder, { ...everything, customInspect: false }),
      format('%s %o %O %j %d', holder, holder, holder, holder, holder),
      JSON.stringify(holder),
      String(holder),
      `${Object.values(holder as object)}`,
    ];
    expect(shown.filter(reveals)).toEqual([]);
  });

  test('but as a word that says so', () => {
    const forms = [inspect(secretKey), JSON.stringify(secretKey), String(secretKey), `${psk}`];
    expect(forms).toEqual(['[secret]', '"[secret]"', '[secret]', '[secret]']);
  });

  const mistyped = `${SECRET_TEXT.slice(0, 40)}2${SECRET_TEXT.slice(41)}`;
  test.each([
    ['a mistyped secret key', () => SecretKey.parse(mistyped)],
    ['a mistyped secret key for a public one', () => PublicKey.parse(mistyped)],
    ['half a secret key', () => SecretKey.parse(SECRET_TEXT.slice(0, 50))],
    ['a secret key for a public one', () => PublicKey.parse(SECRET_TEXT)],
    ['two secret keys', () => SecretKey.parse(`${SECRET_TEXT} ${SECRET_TEXT}`)],
    ['its bytes and one more', () => SecretKey.fromBytes(hex(`${SECRET_HEX}00`))],
    ['a pre-shared key with a byte too few', () => PresharedKey.fromBytes(hex(SECRET_HEX.slice(2)))],
  ])('in the error about %s', (_, call) => {
    const error = errorOf(call);
    const everything = { depth: Number.POSITIVE_INFINITY, showHidden: true };
    const shown = [
      error.message,
      error.hint ?? '',
      error.stack ?? '',
      JSON.stringify(error),
      inspect(error, everything),
    ];
    expect(shown.filter(reveals)).toEqual([]);
  });
});
