/** The hashes of src/, noted where a key comes out of them. */
import * as hash from '../../../src/crypto/hash.ts';
import { ledger } from './ledger.ts';

const LABEL_MIX = 'udp-tool/1 mix';

export function blake2b(length: number, ...parts: Uint8Array[]): Uint8Array {
  const digest = hash.blake2b(length, ...parts);
  // The one hash without a key that is a secret: `P` of PROTOCOL §5.1.
  const [label] = parts;
  if (label?.length === LABEL_MIX.length && Buffer.from(label).toString('latin1') === LABEL_MIX)
    ledger.secret(digest);
  return digest;
}

export function keyedBlake2b(length: number, key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  ledger.secret(key);
  const digest = hash.keyedBlake2b(length, key, ...parts);
  ledger.secret(digest);
  return digest;
}
