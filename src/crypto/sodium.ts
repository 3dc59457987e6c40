/**
 * libsodium as WebAssembly, called on a scratch area of its own heap.
 *
 * The functions of libsodium-wrappers allocate for every argument, free without wiping, and throw to report a
 * forged box. Here arguments go into one scratch area that is zeroed after every call, and so is what the call left on
 * the module's own stack, such as the result of X25519 or what an encapsulation drew: neither keys nor plaintext stay
 * behind, and a failure is a return value.
 */
import sodium from 'libsodium-wrappers';
import { allocate, isAllZero, keyBytes } from '../bytes.ts';

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
/**
 * How deep the functions above use the stack: 904 bytes, and 18,480 those of ML-KEM, in libsodium 0.8.4.
 * test/security/secrets.test.ts looks for what lies deeper.
 */
const STACK_BYTES = 2 * 1024;
const KEM_STACK_BYTES = 32 * 1024;
const stackTop = findStack();
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

/** Copies a result out, which may be a secret. */
export function take(address: number, length: number): Uint8Array {
  const bytes = keyBytes(length);
  bytes.set(wasm.HEAPU8.subarray(address, address + length));
  return bytes;
}

/** Copies out what is short-lived and no key. */
export function takeShortLived(address: number, length: number): Uint8Array {
  if (length > SMALL_BYTES) return wasm.HEAPU8.slice(address, address + length); // not zeroed before it is filled
  const bytes = allocate(length);
  bytes.set(wasm.HEAPU8.subarray(address, address + length));
  return bytes;
}

/**
 * Zeroes everything since the last release, and what was called left on the stack. Every function that calls `put` or
 * `room` ends with this.
 */
export function release(): void {
  clear(STACK_BYTES);
}

/** {@link release} after a function of ML-KEM. */
export function releaseKem(): void {
  clear(KEM_STACK_BYTES);
}

function clear(stackBytes: number): void {
  wasm.HEAPU8.fill(0, scratchStart, scratchEnd);
  if (stackTop > 0) wasm.HEAPU8.fill(0, stackTop - stackBytes, stackTop);
  scratchEnd = scratchStart;
}

/**
 * Where the stack begins, which grows down from there: the module does not tell, but a call shows it. 0 where what lies
 * deeper is in use, by another build of libsodium for something else, or by somebody who shares it: it is left alone.
 */
function findStack(): number {
  const before = wasm.HEAPU8.slice(0, scratchStart);
  wasm._crypto_scalarmult_base(scratchStart, scratchStart + 32); // of zeros
  wasm.HEAPU8.fill(0, scratchStart, scratchStart + 32);
  let top = scratchStart;
  while (top > 0 && wasm.HEAPU8[top - 1] === before[top - 1]) top--;
  top = (top + 15) & ~15; // as it is aligned
  const deeper = before.subarray(Math.max(0, top - KEM_STACK_BYTES), Math.max(0, top - STACK_BYTES));
  return deeper.length === KEM_STACK_BYTES - STACK_BYTES && isAllZero(deeper) ? top : 0;
}
