/**
 * libsodium as WebAssembly, called on a scratch area of its own heap.
 *
 * The functions of libsodium-wrappers allocate for every argument, free without wiping, and throw to report a
 * forged box. Here arguments go into one scratch area that is zeroed after every call, so that neither keys nor
 * plaintext stay behind there, and a failure is a return value. What a function leaves on the module's own stack is
 * out of reach; see `forgetEncapsulation` for the one case that matters.
 */
import sodium from 'libsodium-wrappers';
import { allocate } from '../bytes.ts';

/** The part of the WebAssembly module that this project uses; addresses are byte offsets into `HEAPU8`. */
interface Wasm {
  HEAPU8: Uint8Array;
  _malloc(length: number): number;
  _crypto_scalarmult_base(publicKey: number, secretKey: number): number;
  _crypto_box_beforenm(out: number, publicKey: number, secretKey: number): number;
  // WebAssembly has no 64-bit integers at its JavaScript border: a length is two words, low and high.
  _crypto_box_easy_afternm(
    out: number,
    message: number,
    length: number,
    high: 0,
    nonce: number,
    key: number,
  ): number;
  _crypto_box_open_easy_afternm(
    out: number,
    box: number,
    length: number,
    high: 0,
    nonce: number,
    key: number,
  ): number;
  _crypto_generichash(
    out: number,
    outLength: number,
    input: number,
    length: number,
    high: 0,
    key: number,
    keyLength: number,
  ): number;
  _crypto_kem_mlkem768_seed_keypair(publicKey: number, secretKey: number, seed: number): number;
  _crypto_kem_mlkem768_enc_deterministic(
    ciphertext: number,
    secret: number,
    publicKey: number,
    seed: number,
  ): number;
  _crypto_kem_mlkem768_dec(secret: number, ciphertext: number, secretKey: number): number;
}

await sodium.ready;
export const wasm: Wasm = (sodium as unknown as { libsodium: Wasm }).libsodium;

/** Larger than any call needs: a box of a datagram that the kernel fragments, or an ML-KEM key with its ciphertext. */
const SCRATCH_BYTES = 160 * 1024;
const scratchStart = wasm._malloc(SCRATCH_BYTES);
let scratchEnd = scratchStart;
/** What is longer is not worth a place in a slab. */
const SMALL_BYTES = 2048;

function reserve(length: number): number {
  const address = scratchEnd;
  // Aligned to 8, as a C allocator would give it.
  scratchEnd = address + ((length + 7) & ~7);
  if (scratchEnd > scratchStart + SCRATCH_BYTES) {
    scratchEnd = address;
    release();
    throw new RangeError('more than the scratch area of the cryptography holds');
  }
  return address;
}

/** Reserves room for a result. */
export const room = reserve;

/** Copies an argument in and gives its address. */
export function put(bytes: Uint8Array): number {
  const address = reserve(bytes.length);
  wasm.HEAPU8.set(bytes, address);
  return address;
}

/** Copies bytes to a place that is reserved already. */
export function putAt(address: number, bytes: Uint8Array): void {
  wasm.HEAPU8.set(bytes, address);
}

/** Copies arguments in one behind the other, as one; they leave no copy elsewhere. */
export function putAll(parts: readonly Uint8Array[]): { address: number; length: number } {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const address = reserve(length);
  let offset = address;
  for (const part of parts) {
    wasm.HEAPU8.set(part, offset);
    offset += part.length;
  }
  return { address, length };
}

/** Copies a result out. */
export function take(address: number, length: number): Uint8Array {
  return wasm.HEAPU8.slice(address, address + length);
}

/** Copies out what is short-lived and no key. */
export function takeShortLived(address: number, length: number): Uint8Array {
  if (length > SMALL_BYTES) return take(address, length); // which is not zeroed before it is filled
  const bytes = allocate(length);
  bytes.set(wasm.HEAPU8.subarray(address, address + length));
  return bytes;
}

/** Zeroes everything since the last release. Every function that calls `put` or `room` ends with this. */
export function release(): void {
  wasm.HEAPU8.fill(0, scratchStart, scratchEnd);
  scratchEnd = scratchStart;
}
