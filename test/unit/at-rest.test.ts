/** What is kept on disk (PROTOCOL §3.4). */
import { expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { AtRestKey } from '../../src/crypto/at-rest.ts';
import { open } from '../../src/crypto/box.ts';
import { keyedBlake2b } from '../../src/crypto/hash.ts';
import { SecretKey } from '../../src/crypto/keys.ts';
import { Prng } from '../support/prng.ts';

const NONCE_BYTES = 24;
const TEXT = utf8('a message');

test('is a random nonce and a box under a key that the secret key gives', () => {
  const secret = new Uint8Array(32).fill(0x11);
  const key = new AtRestKey(SecretKey.fromBytes(secret), new Prng(1).bytes);
  const sealed = key.seal(TEXT);
  expect(sealed.subarray(0, NONCE_BYTES)).toEqual(new Prng(1).bytes(NONCE_BYTES));
  const boxKey = keyedBlake2b(32, secret, utf8('udp-tool/1 at rest'));
  expect(open(sealed.subarray(NONCE_BYTES), sealed.subarray(0, NONCE_BYTES), boxKey)).toEqual(TEXT);
  expect(key.open(sealed)).toEqual(TEXT);
});

test('has another nonce each time', () => {
  const { bytes } = new Prng(1);
  const key = new AtRestKey(SecretKey.generate(bytes), bytes);
  const nonces = Array.from({ length: 100 }, () => key.seal(TEXT).subarray(0, NONCE_BYTES).join());
  expect(new Set(nonces).size).toBe(100);
});

test('does not open under another key, changed, or cut off', () => {
  const { bytes } = new Prng(1);
  const [key, other] = [0, 1].map(() => new AtRestKey(SecretKey.generate(bytes), bytes));
  const sealed = key?.seal(TEXT) ?? new Uint8Array();
  expect(other?.open(sealed)).toBeNull();
  for (let i = 0; i < sealed.length; i++) {
    const changed = sealed.slice();
    changed[i] = (changed[i] as number) ^ 1;
    expect(key?.open(changed)).toBeNull();
    expect(key?.open(sealed.subarray(0, i))).toBeNull();
  }
});
