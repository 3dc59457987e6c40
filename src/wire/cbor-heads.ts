/**
 * Arrays of small items without cbor-x, which takes several times as long for the front of a request
 * (docs/performance.md). Heads are in their shortest form (RFC 8949 §4.2.1), as the strict profile has it.
 */

import { allocate } from '../bytes.ts';

/** More than a REQUEST has before its arguments: 1 + 1 + 2 + 5 + 7 + 2 + 64 bytes. */
const MAX_FRONT_BYTES = 96;
const front = new Uint8Array(MAX_FRONT_BYTES);
let used = 0;

/** Begins an array of so many items, 23 at most. */
export function beginArray(count: number): void {
  used = 0;
  front[used++] = 0x80 | count;
}

/** An integer from 0 to 2^32 − 1. */
export function putUint(value: number): void {
  putHead(0x00, value);
}

export function putBytes(bytes: Uint8Array): void {
  putHead(0x40, bytes.length);
  front.set(bytes, used);
  used += bytes.length;
}

export function putAscii(text: string): void {
  putHead(0x60, text.length);
  for (let i = 0; i < text.length; i++) front[used++] = text.charCodeAt(i);
}

/** The array, its last item being encoded already. */
export function endArray(lastItem: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(used + lastItem.length);
  for (let i = 0; i < used; i++) bytes[i] = front[i] as number;
  bytes.set(lastItem, used);
  return bytes;
}

/** What was put in, then the head of a byte string of that length, which is to follow. */
export function frontOf(length: number): Uint8Array {
  putHead(0x40, length);
  const bytes = allocate(used);
  for (let i = 0; i < used; i++) bytes[i] = front[i] as number;
  return bytes;
}

function putHead(major: number, argument: number): void {
  if (argument < 24) {
    front[used++] = major | argument;
    return;
  }
  const width = argument < 2 ** 8 ? 1 : argument < 2 ** 16 ? 2 : 4;
  front[used++] = major | (width === 1 ? 24 : width === 2 ? 25 : 26);
  for (let shift = 8 * (width - 1); shift >= 0; shift -= 8) front[used++] = argument >>> shift;
}
