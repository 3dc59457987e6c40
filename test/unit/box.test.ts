import { createHash, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto';
import sodium from 'libsodium-wrappers';
import { afterEach, describe, expect, test } from 'vitest';
import { concat, toHex } from '../../src/bytes.ts';
import {
  KEY_BYTES,
  NONCE_BYTES,
  open,
  openWithin,
  seal,
  sealBehind,
  sharedKey,
  TAG_BYTES,
} from '../../src/crypto/box.ts';
import { keyedBlake2b } from '../../src/crypto/hash.ts';
import { PublicKey, SecretKey } from '../../src/crypto/keys.ts';
import { put, release, take, wasm } from '../../src/crypto/sodium.ts';
import { Prng } from '../support/prng.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const random = new Prng(20260101).bytes;
const nonce = random(NONCE_BYTES);
const key = random(KEY_BYTES);

/** Copies of `bytes` with one bit changed, every bit in turn. */
function* flipped(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = bytes.slice();
    copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
    yield copy;
  }
}

describe('sealBehind and openWithin are seal and open, with the nonce in front', () => {
  test.each([0, 1, 63, 64, 65, 1192])('%i bytes', (length) => {
    const plaintext = random(length);
    const datagram = sealBehind(nonce, plaintext, key);
    expect(toHex(datagram)).toBe(toHex(concat(nonce, seal(plaintext, nonce, key))));
    expect(toHex(openWithin(datagram, NONCE_BYTES, key) ?? hex(''))).toBe(toHex(plaintext));
  });

  test('also where something stands between the nonce and the box', () => {
    const plaintext = random(40);
    const datagram = concat(nonce, random(119), seal(plaintext, nonce, key));
    expect(openWithin(datagram, NONCE_BYTES + 119, key)).toEqual(plaintext);
  });

  test('every flipped bit of nonce and box is refused, and a box that is too short', () => {
    const datagram = sealBehind(nonce, random(20), key);
    for (const forged of flipped(datagram)) expect(openWithin(forged, NONCE_BYTES, key)).toBeNull();
    for (let length = NONCE_BYTES; length < NONCE_BYTES + TAG_BYTES; length++) {
      expect(openWithin(datagram.subarray(0, length), NONCE_BYTES, key)).toBeNull();
    }
  });

  test('neither leaves plaintext or key in the heap', () => {
    const plaintext = random(64);
    const freshKey = random(KEY_BYTES);
    openWithin(sealBehind(nonce, plaintext, freshKey), NONCE_BYTES, freshKey);
    const heap = Buffer.from(wasm.HEAPU8.buffer); // a view
    expect(heap.includes(Buffer.from(plaintext))).toBe(false);
    expect(heap.includes(Buffer.from(freshKey))).toBe(false);
  });
});

describe('seal and open', () => {
  test.each([0, 1, 15, 16, 17, 63, 64, 65, 1192, 65_000])('%i bytes come back', (length) => {
    const plaintext = random(length);
    const box = seal(plaintext, nonce, key);
    expect(box.length).toBe(length + TAG_BYTES);
    expect(toHex(open(box, nonce, key) ?? hex(''))).toBe(toHex(plaintext));
  });

  test('are crypto_box_easy and crypto_secretbox_easy of libsodium', () => {
    const alice = sodium.crypto_box_seed_keypair(random(32));
    const bob = sodium.crypto_box_seed_keypair(random(32));
    const shared = sharedKey(bob.publicKey, alice.privateKey) ?? hex('');
    for (const length of [0, 1, 64, 1192]) {
      const plaintext = random(length);
      const expected = sodium.crypto_box_easy(plaintext, nonce, bob.publicKey, alice.privateKey);
      expect(toHex(seal(plaintext, nonce, shared))).toBe(toHex(expected));
      expect(toHex(sodium.crypto_secretbox_easy(plaintext, nonce, shared))).toBe(toHex(expected));
      expect(open(expected, nonce, sharedKey(alice.publicKey, bob.privateKey) ?? hex(''))).toEqual(plaintext);
    }
  });

  test('leave their arguments alone', () => {
    const plaintext = random(50);
    const box = seal(plaintext, nonce, key);
    const before = [plaintext, box, nonce, key].map(toHex);
    open(box, nonce, key);
    seal(plaintext, nonce, key);
    expect([plaintext, box, nonce, key].map(toHex)).toEqual(before);
  });

  test('results are not changed by later calls', () => {
    const first = seal(random(40), nonce, key);
    const before = toHex(first);
    seal(random(40), nonce, key);
    expect(toHex(first)).toBe(before);
  });

  test('work on a part of a larger buffer', () => {
    const around = concat(random(3), seal(hex('c0ffee'), nonce, key), random(5));
    expect(toHex(open(around.subarray(3, -5), nonce, key) ?? hex(''))).toBe('c0ffee');
  });
});

describe('open refuses', () => {
  const plaintext = random(40);
  const box = seal(plaintext, nonce, key);

  test('every changed bit of the box', () => {
    for (const forged of flipped(box)) expect(open(forged, nonce, key)).toBeNull();
  });

  test('every changed bit of the nonce', () => {
    for (const other of flipped(nonce)) expect(open(box, other, key)).toBeNull();
  });

  test('every changed bit of the key', () => {
    for (const other of flipped(key)) expect(open(box, nonce, other)).toBeNull();
  });

  test('a box cut short anywhere, or one byte longer', () => {
    for (let length = 0; length < box.length; length++) {
      expect(open(box.subarray(0, length), nonce, key)).toBeNull();
    }
    expect(open(concat(box, new Uint8Array(1)), nonce, key)).toBeNull();
  });

  test('everything shorter than a tag', () => {
    for (let length = 0; length < TAG_BYTES; length++) {
      expect(open(random(length), nonce, key)).toBeNull();
    }
  });

  test('nothing that it opened before', () => {
    expect(toHex(open(box, nonce, key) ?? hex(''))).toBe(toHex(plaintext));
  });
});

// The points that X25519 takes to zero with every secret key: 0, 1, the two of order 8, p − 1, p and p + 1, each
// also with the bit set that X25519 ignores. Wycheproof's x25519_test.json has the same 14.
const lowOrder = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].flatMap((point) => {
  const ignoredBit = hex(point);
  ignoredBit[31] = (ignoredBit[31] as number) | 0x80;
  return [point, toHex(ignoredBit)];
});

describe('low-order points', () => {
  test.each(lowOrder)('%s', (point) => {
    for (let i = 0; i < 4; i++) expect(sharedKey(hex(point), random(32))).toBeNull();
    expect(() => PublicKey.fromBytes(hex(point))).toThrow(expect.objectContaining({ code: 'bad-key' }));
  });

  test('are 14, and their neighbours are points like any other', () => {
    expect(new Set(lowOrder).size).toBe(14);
    for (const point of [`02${'00'.repeat(31)}`, `eb${'ff'.repeat(30)}7f`, `ef${'ff'.repeat(30)}7f`]) {
      expect(sharedKey(hex(point), random(32))).not.toBeNull();
    }
  });
});

describe('against Node’s X25519', () => {
  test('public keys are the same, and the shared key hides the same secret', () => {
    for (let i = 0; i < 10; i++) {
      const node = generateKeyPairSync('x25519');
      const jwk = node.privateKey.export({ format: 'jwk' });
      const nodePublic = Uint8Array.from(Buffer.from(jwk.x ?? '', 'base64url'));
      const own = SecretKey.fromBytes(Uint8Array.from(Buffer.from(jwk.d ?? '', 'base64url')));
      expect(toHex(own.publicKey().bytes)).toBe(toHex(nodePublic));

      const peer = SecretKey.fromBytes(random(32));
      const x = Buffer.from(peer.publicKey().bytes).toString('base64url');
      const peerPublic = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
      const raw = diffieHellman({ privateKey: node.privateKey, publicKey: peerPublic });
      // crypto_box_beforenm is HSalsa20 of the raw secret: libsodium's scalarmult has that secret.
      expect(toHex(sodium.crypto_scalarmult(peer.expose(), nodePublic))).toBe(raw.toString('hex'));
      expect(sharedKey(nodePublic, peer.expose())).toEqual(sharedKey(peer.publicKey().bytes, own.expose()));
    }
  });
});

test('keyed BLAKE2b is that of RFC 7693, which OpenSSL has unkeyed', () => {
  const expected = createHash('blake2b512').update('abc').digest('hex');
  const parts = [hex('61'), hex(''), hex('6263')];
  expect(toHex(keyedBlake2b(64, hex(''), ...parts))).toBe(expected);
  expect(toHex(keyedBlake2b(64, key, ...parts))).toBe(
    toHex(sodium.crypto_generichash(64, hex('616263'), key)),
  );
});

/** Where any 8 bytes of `secret` are to be found in the whole memory of the WebAssembly module. */
function remains(secret: Uint8Array): number[] {
  const heap = Buffer.from(wasm.HEAPU8.buffer, wasm.HEAPU8.byteOffset, wasm.HEAPU8.byteLength);
  const pieces = Array.from({ length: Math.floor(secret.length / 8) }, (_, i) =>
    secret.subarray(8 * i, 8 * i + 8),
  );
  return pieces.map((piece) => heap.indexOf(piece)).filter((at) => at >= 0);
}

describe('nothing stays in the memory of libsodium', () => {
  afterEach(release);

  test('the search finds what is there', () => {
    const secret = random(32);
    const address = put(secret);
    expect(remains(secret)).toEqual([0, 8, 16, 24].map((offset) => address + offset));
    release();
    expect(remains(secret)).toEqual([]);
    expect(toHex(take(address, 32))).toBe('00'.repeat(32));
  });

  test('after a public key was made', () => {
    const secret = random(32);
    const publicKey = SecretKey.fromBytes(secret).publicKey();
    expect(remains(secret)).toEqual([]);
    expect(remains(publicKey.bytes)).toEqual([]);
  });

  test('after a shared key was made, and after one was refused', () => {
    const secret = random(32);
    const shared = sharedKey(SecretKey.fromBytes(random(32)).publicKey().bytes, secret) ?? hex('');
    sharedKey(hex(lowOrder[2] as string), secret);
    expect([remains(secret), remains(shared)]).toEqual([[], []]);
  });

  test.each([0, 1, 200, 1192])('after a box of %i bytes was sealed, opened and forged', (length) => {
    const boxKey = random(32);
    const plaintext = random(length);
    const box = seal(plaintext, nonce, boxKey);
    expect([remains(boxKey), remains(plaintext)]).toEqual([[], []]);
    expect(open(box, nonce, boxKey)).toEqual(plaintext);
    expect([remains(boxKey), remains(plaintext)]).toEqual([[], []]);
    box[0] = (box[0] as number) ^ 1;
    expect(open(box, nonce, boxKey)).toBeNull();
    expect([remains(boxKey), remains(plaintext)]).toEqual([[], []]);
  });

  test('of the key and the input of a keyed hash', () => {
    const hashKey = random(32);
    const input = random(200);
    keyedBlake2b(64, hashKey, input);
    expect([remains(hashKey), remains(input)]).toEqual([[], []]);
  });
});
