/**
 * Loaded before a program (`node --import`): its randomness is known to whoever knows the function below, so that a test
 * finds in its memory whatever was ever drawn. Each call has a stream of its own; nothing of it is kept here.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

let calls = 0;

/** Byte `at` of what call `call` draws. */
export function knownByte(call, at) {
  let word = Math.imul(call + 1, 0x9e3779b1) ^ Math.imul((at >> 2) + 1, 0x85ebca6b);
  for (const factor of [0x7feb352d, 0x846ca68b]) {
    word = Math.imul(word ^ (word >>> 16), factor);
    word ^= word >>> 15;
  }
  return (word >>> ((at & 3) * 8)) & 255;
}

function fill(bytes) {
  const call = calls++;
  for (let i = 0; i < bytes.length; i++) bytes[i] = knownByte(call, i);
  return bytes;
}

if (process.env.UDP_TOOL_KNOWN_RANDOM === 'yes') {
  crypto.randomFillSync = fill;
  crypto.randomBytes = (length) => fill(Buffer.alloc(length));
  syncBuiltinESMExports();
}
