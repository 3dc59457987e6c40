/** The KEM of src/, noted. */
import * as kem from '../../../src/crypto/kem.ts';
import { ledger } from './ledger.ts';

export * from '../../../src/crypto/kem.ts';

export function kemKeyPair(seed: Uint8Array): kem.KemKeyPair {
  const pair = kem.kemKeyPair(seed);
  ledger.secret(pair.secretKey);
  return pair;
}

export function kemEncapsulate(
  publicKey: Uint8Array,
  seed: Uint8Array,
): { ciphertext: Uint8Array; secret: Uint8Array } | null {
  const encapsulated = kem.kemEncapsulate(publicKey, seed);
  ledger.secret(encapsulated?.secret ?? null);
  return encapsulated;
}

export function kemDecapsulate(ciphertext: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const secret = kem.kemDecapsulate(ciphertext, secretKey);
  ledger.secret(secret);
  return secret;
}
