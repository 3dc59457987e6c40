/** The boxes of src/, noted. */
import * as box from '../../../src/crypto/box.ts';
import { ledger } from './ledger.ts';

export * from '../../../src/crypto/box.ts';

/** Half of the time of a schedule would go into those of the static keys, again with each restart. */
const MAX_KNOWN = 2_000;
const known = new Map<string, Uint8Array | null>();

export function sharedKey(publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array | null {
  ledger.secret(secretKey);
  const pair = Buffer.concat([publicKey, secretKey]).toString('latin1');
  if (!known.has(pair)) {
    if (known.size === MAX_KNOWN) known.clear();
    known.set(pair, box.sharedKey(publicKey, secretKey));
  }
  const key = known.get(pair)?.slice() ?? null;
  ledger.secret(key);
  return key;
}

export function seal(plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  ledger.seals(key, nonce);
  return box.seal(plaintext, nonce, key);
}

export function open(sealed: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array | null {
  ledger.secret(key);
  return box.open(sealed, nonce, key);
}

export function sealBehind(header: Uint8Array, plaintext: Uint8Array, key: Uint8Array): Uint8Array {
  ledger.seals(key, header);
  return box.sealBehind(header, plaintext, key);
}

export function openWithin(datagram: Uint8Array, boxOffset: number, key: Uint8Array): Uint8Array | null {
  ledger.secret(key);
  return box.openWithin(datagram, boxOffset, key);
}
