/**
 * Loaded before a program (`node --import`): the pages of randomness that it draws are known to whoever knows the function
 * below, so that a test finds in its memory whatever was ever drawn. Nothing of them is kept here.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** As src/transport/random.ts draws it. */
const PAGE_BYTES = 4096;

/** Byte `at` of page `page`. */
export function knownByte(page, at) {
  let word = Math.imul(page + 1, 0x9e3779b1) ^ Math.imul((at >> 2) + 1, 0x85ebca6b);
  for (const factor of [0x7feb352d, 0x846ca68b]) {
    word = Math.imul(word ^ (word >>> 16), factor);
    word ^= word >>> 15;
  }
  return (word >>> ((at & 3) * 8)) & 255;
}

if (process.env.UDP_TOOL_KNOWN_RANDOM === 'yes') {
  let pages = 0;
  const { randomFillSync } = crypto;
  crypto.randomFillSync = (bytes) => {
    if (bytes.length !== PAGE_BYTES) return randomFillSync(bytes);
    for (let i = 0; i < PAGE_BYTES; i++) bytes[i] = knownByte(pages, i);
    pages++;
    return bytes;
  };
  syncBuiltinESMExports();
}
