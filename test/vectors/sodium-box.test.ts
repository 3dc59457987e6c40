// crypto_box against the example of NaCl's documentation, which libsodium's own tests carry on (sodium-box.json).
import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/bytes.ts';
import { open, seal, sharedKey } from '../../src/crypto/box.ts';
import { SecretKey } from '../../src/crypto/keys.ts';
import vector from './sodium-box.json' with { type: 'json' };

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const base64url = (text: string): string => Buffer.from(text, 'hex').toString('base64url');

/** X25519 by Node's OpenSSL, which shares no code with libsodium. */
function x25519(secretKey: string, publicKey: string, ownPublicKey: string): string {
  const curve = { kty: 'OKP', crv: 'X25519' };
  const own = { ...curve, d: base64url(secretKey), x: base64url(ownPublicKey) };
  const peer = { ...curve, x: base64url(publicKey) };
  return diffieHellman({
    privateKey: createPrivateKey({ key: own, format: 'jwk' }),
    publicKey: createPublicKey({ key: peer, format: 'jwk' }),
  }).toString('hex');
}

const { aliceSecretKey, alicePublicKey, bobSecretKey, bobPublicKey } = vector;
const nonce = hex(vector.nonce);
const firstKey = hex(vector.firstKey);

describe('the example of NaCl', () => {
  test('is X25519 as Node has it', () => {
    expect(x25519(aliceSecretKey, bobPublicKey, alicePublicKey)).toBe(vector.x25519);
    expect(x25519(bobSecretKey, alicePublicKey, bobPublicKey)).toBe(vector.x25519);
  });

  test('public keys follow from secret keys', () => {
    const publicKeyOf = (secret: string) => toHex(SecretKey.fromBytes(hex(secret)).publicKey().bytes);
    expect(publicKeyOf(aliceSecretKey)).toBe(alicePublicKey);
    expect(publicKeyOf(bobSecretKey)).toBe(bobPublicKey);
  });

  test('both sides have the same first key', () => {
    expect(toHex(sharedKey(hex(bobPublicKey), hex(aliceSecretKey)) ?? hex(''))).toBe(vector.firstKey);
    expect(toHex(sharedKey(hex(alicePublicKey), hex(bobSecretKey)) ?? hex(''))).toBe(vector.firstKey);
  });

  test.each([
    ['131 bytes', vector.message, vector.box],
    ['nothing', '', vector.emptyBox],
  ])('a box of %s is sealed and opened', (_, message, box) => {
    expect(toHex(seal(hex(message), nonce, firstKey))).toBe(box);
    expect(open(hex(box), nonce, firstKey)).toEqual(hex(message));
  });
});
