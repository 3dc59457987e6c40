/** BLAKE2b as crypto_generichash: unkeyed, or keyed as the protocol's key derivation (PROTOCOL §2). */
import { put, putAll, release, room, take, wasm } from './sodium.ts';

/** BLAKE2b of the concatenated parts, `length` bytes long (16 to 64). */
export function blake2b(length: number, ...parts: Uint8Array[]): Uint8Array {
  return hash(length, null, parts);
}

/** Keyed BLAKE2b; the key is 16 to 64 bytes. */
export function keyedBlake2b(length: number, key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  return hash(length, key, parts);
}

function hash(length: number, key: Uint8Array | null, parts: Uint8Array[]): Uint8Array {
  const out = room(length);
  const input = putAll(parts);
  wasm._crypto_generichash(out, length, input.address, input.length, 0, key ? put(key) : 0, key?.length ?? 0);
  const digest = take(out, length);
  release();
  return digest;
}
