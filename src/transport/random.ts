import { randomFillSync } from 'node:crypto';
import { keyBytes } from '../bytes.ts';

const POOL_BYTES = 4096;
const pool = new Uint8Array(POOL_BYTES);
let used = POOL_BYTES;

/** Uniform bytes of the system's cryptographic source, drawn by the page: a call of it costs more than its bytes. */
export function random(length: number): Uint8Array {
  if (length > POOL_BYTES) return randomFillSync(new Uint8Array(length));
  if (used + length > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = keyBytes(length);
  bytes.set(pool.subarray(used, used + length));
  pool.fill(0, used, used + length);
  used += length;
  return bytes;
}
