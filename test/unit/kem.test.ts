// Data: NIST's ACVP vectors for FIPS 203, and one of C2SP's CCTV (test/vectors/ml-kem-768.json).
import { describe, expect, test } from 'vitest';
import { concat, toHex } from '../../src/bytes.ts';
import {
  KEM_CIPHERTEXT_BYTES,
  KEM_ENCAPSULATION_SEED_BYTES,
  KEM_KEYPAIR_SEED_BYTES,
  KEM_PUBLIC_KEY_BYTES,
  KEM_SECRET_BYTES,
  KEM_SECRET_KEY_BYTES,
  kemDecapsulate,
  kemEncapsulate,
  kemKeyPair,
} from '../../src/crypto/kem.ts';
import { wasm } from '../../src/crypto/sodium.ts';
import { Prng } from '../support/prng.ts';
import vectors from '../vectors/ml-kem-768.json' with { type: 'json' };

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const random = new Prng(768).bytes;

function encapsulate(publicKey: Uint8Array, seed: Uint8Array) {
  const result = kemEncapsulate(publicKey, seed);
  if (result === null) throw new Error('refused');
  return result;
}

describe('FIPS 203, NIST’s vectors', () => {
  test.each(vectors.keyGen)('keypair $tcId', ({ d, z, ek, dk }) => {
    const pair = kemKeyPair(hex(d + z));
    expect(toHex(pair.publicKey)).toBe(ek);
    expect(toHex(pair.secretKey)).toBe(dk);
  });

  test.each(vectors.encapsulation)('encapsulation $tcId', ({ ek, m, c, k }) => {
    const { ciphertext, secret } = encapsulate(hex(ek), hex(m));
    expect(toHex(ciphertext)).toBe(c);
    expect(toHex(secret)).toBe(k);
  });

  test.each(vectors.decapsulation)('decapsulation $tcId: $reason', ({ d, z, c, k }) => {
    expect(toHex(kemDecapsulate(hex(c), kemKeyPair(hex(d + z)).secretKey))).toBe(k);
  });

  test.each(vectors.encapsulationKeyCheck)('public key $tcId: passes $testPassed', ({ ek, testPassed }) => {
    expect(kemEncapsulate(hex(ek), random(32)) !== null).toBe(testPassed);
  });
});

test('a public key whose matrix takes unusually many random bytes (CCTV)', () => {
  const { ek, m, K } = vectors.unlucky;
  expect(toHex(encapsulate(hex(ek), hex(m)).secret)).toBe(K);
});

describe('round trip', () => {
  test('both sides have the same secret, another one each time', () => {
    const secrets = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { publicKey, secretKey } = kemKeyPair(random(KEM_KEYPAIR_SEED_BYTES));
      const { ciphertext, secret } = encapsulate(publicKey, random(KEM_ENCAPSULATION_SEED_BYTES));
      expect(toHex(kemDecapsulate(ciphertext, secretKey))).toBe(toHex(secret));
      secrets.add(toHex(secret));
    }
    expect(secrets.size).toBe(20);
  });

  test('the same randomness gives the same bytes', () => {
    const [seed, m] = [random(KEM_KEYPAIR_SEED_BYTES), random(KEM_ENCAPSULATION_SEED_BYTES)];
    const pair = kemKeyPair(seed);
    expect(kemKeyPair(seed)).toEqual(pair);
    expect(encapsulate(pair.publicKey, m)).toEqual(encapsulate(pair.publicKey, m));
    expect(encapsulate(pair.publicKey, random(32))).not.toEqual(encapsulate(pair.publicKey, m));
  });

  test('lengths', () => {
    const { publicKey, secretKey } = kemKeyPair(random(KEM_KEYPAIR_SEED_BYTES));
    const { ciphertext, secret } = encapsulate(publicKey, random(KEM_ENCAPSULATION_SEED_BYTES));
    const lengths = [publicKey, secretKey, ciphertext, secret].map((bytes) => bytes.length);
    expect(lengths).toEqual([
      KEM_PUBLIC_KEY_BYTES,
      KEM_SECRET_KEY_BYTES,
      KEM_CIPHERTEXT_BYTES,
      KEM_SECRET_BYTES,
    ]);
    expect(lengths).toEqual([1184, 2400, 1088, 32]);
  });
});

describe('a public key that is none', () => {
  const Q = 3329;
  const COEFFICIENTS = 768;
  const { publicKey } = kemKeyPair(random(64));

  /** The key with one of its 12-bit coefficients replaced. */
  function withCoefficient(index: number, coefficient: number): Uint8Array {
    const copy = publicKey.slice();
    const at = 3 * (index >> 1);
    const middle = copy[at + 1] as number;
    if (index % 2 === 0) copy.set([coefficient & 0xff, (middle & 0xf0) | (coefficient >> 8)], at);
    else copy.set([(middle & 0x0f) | ((coefficient & 0x0f) << 4), coefficient >> 4], at + 1);
    return copy;
  }

  test('a coefficient of q or more is refused at every place', () => {
    for (let index = 0; index < COEFFICIENTS; index++) {
      expect(kemEncapsulate(withCoefficient(index, Q), random(32))).toBeNull();
    }
    for (const index of [0, 1, 383, 767]) {
      for (const coefficient of [Q + 1, 3584, 4095]) {
        expect(kemEncapsulate(withCoefficient(index, coefficient), random(32))).toBeNull();
      }
    }
  });

  test('q − 1 is accepted', () => {
    for (const index of [0, 1, 2, 383, 384, 766, 767]) {
      expect(kemEncapsulate(withCoefficient(index, Q - 1), random(32))).not.toBeNull();
    }
  });

  test('all ones', () => {
    expect(kemEncapsulate(new Uint8Array(KEM_PUBLIC_KEY_BYTES).fill(0xff), random(32))).toBeNull();
  });
});

describe('implicit rejection', () => {
  const { publicKey, secretKey } = kemKeyPair(random(64));
  const { ciphertext, secret } = encapsulate(publicKey, random(32));
  const forged = ciphertext.slice();
  forged[500] = (forged[500] as number) ^ 1;

  test('a changed ciphertext gives another secret, always the same one', () => {
    const rejection = kemDecapsulate(forged, secretKey);
    expect(toHex(rejection)).not.toBe(toHex(secret));
    expect(rejection).toEqual(kemDecapsulate(forged, secretKey));
    expect(rejection.some((byte) => byte !== 0)).toBe(true);
  });

  test('which depends on the ciphertext and on the secret key’s z', () => {
    const otherZ = concat(secretKey.subarray(0, -32), random(32));
    const again = forged.slice();
    again[501] = (again[501] as number) ^ 1;
    const rejections = [
      kemDecapsulate(forged, secretKey),
      kemDecapsulate(again, secretKey),
      kemDecapsulate(forged, otherZ),
    ];
    expect(new Set(rejections.map(toHex)).size).toBe(3);
    expect(toHex(kemDecapsulate(ciphertext, otherZ))).toBe(toHex(secret));
  });

  test('every changed byte of the ciphertext', () => {
    for (let at = 0; at < KEM_CIPHERTEXT_BYTES; at += 7) {
      const changed = ciphertext.slice();
      changed[at] = (changed[at] as number) ^ 0x80;
      expect(toHex(kemDecapsulate(changed, secretKey))).not.toBe(toHex(secret));
    }
  });
});

describe('nothing stays in the memory of libsodium', () => {
  /** Whether any 8 bytes of it, from 8 to 8, are anywhere in the WebAssembly module's memory. */
  function remains(secret: Uint8Array): boolean {
    const heap = Buffer.from(wasm.HEAPU8.buffer, wasm.HEAPU8.byteOffset, wasm.HEAPU8.byteLength);
    for (let at = 0; at < secret.length; at += 8) {
      if (heap.indexOf(secret.subarray(at, at + 8)) >= 0) return true;
    }
    return false;
  }

  test('of seeds, secret keys and secrets', () => {
    const [seed, m] = [random(64), random(32)];
    const { publicKey, secretKey } = kemKeyPair(seed);
    // The public key, which the secret key contains, is left out of the search.
    const secretParts = [secretKey.subarray(0, 1152), secretKey.subarray(-32)];
    expect([seed, ...secretParts].map(remains)).toEqual([false, false, false]);
    const { ciphertext, secret } = encapsulate(publicKey, m);
    expect([m, secret].map(remains)).toEqual([false, false]);
    kemDecapsulate(ciphertext, secretKey);
    expect([m, secret, ...secretParts].map(remains)).toEqual([false, false, false, false]);
  });
});
