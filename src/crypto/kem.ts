/** ML-KEM-768 (FIPS 203) in its deterministic forms: the randomness is the caller's. */
import { put, releaseKem, room, take, wasm } from './sodium.ts';

export const KEM_PUBLIC_KEY_BYTES = 1184;
export const KEM_SECRET_KEY_BYTES = 2400;
export const KEM_CIPHERTEXT_BYTES = 1088;
export const KEM_SECRET_BYTES = 32;
/** Randomness for a keypair: d ‖ z of FIPS 203, §7.1. */
export const KEM_KEYPAIR_SEED_BYTES = 64;
/** Randomness for an encapsulation: m of FIPS 203, §7.2. */
export const KEM_ENCAPSULATION_SEED_BYTES = 32;

export interface KemKeyPair {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

export function kemKeyPair(seed: Uint8Array): KemKeyPair {
  const publicKey = room(KEM_PUBLIC_KEY_BYTES);
  const secretKey = room(KEM_SECRET_KEY_BYTES);
  wasm._crypto_kem_mlkem768_seed_keypair(publicKey, secretKey, put(seed));
  const pair = {
    publicKey: take(publicKey, KEM_PUBLIC_KEY_BYTES),
    secretKey: take(secretKey, KEM_SECRET_KEY_BYTES),
  };
  releaseKem();
  return pair;
}

/** Null when the public key is not one (FIPS 203, §7.2, modulus check). */
export function kemEncapsulate(
  publicKey: Uint8Array,
  seed: Uint8Array,
): { ciphertext: Uint8Array; secret: Uint8Array } | null {
  const ciphertext = room(KEM_CIPHERTEXT_BYTES);
  const secret = room(KEM_SECRET_BYTES);
  const failed = wasm._crypto_kem_mlkem768_enc_deterministic(ciphertext, secret, put(publicKey), put(seed));
  const result = failed
    ? null
    : { ciphertext: take(ciphertext, KEM_CIPHERTEXT_BYTES), secret: take(secret, KEM_SECRET_BYTES) };
  releaseKem();
  return result;
}

/** A forged ciphertext gives a secret that nobody else has (implicit rejection), never a failure. */
export function kemDecapsulate(ciphertext: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const out = room(KEM_SECRET_BYTES);
  wasm._crypto_kem_mlkem768_dec(out, put(ciphertext), put(secretKey));
  const secret = take(out, KEM_SECRET_BYTES);
  releaseKem();
  return secret;
}
