/** The plaintext of OPEN and DATA: a CBOR array of messages, padded (PROTOCOL §7). */
import { allocate } from '../bytes.ts';
import { type CborValue, decodeCbor } from './cbor.ts';
import { type Message, parseMessage } from './messages.ts';

/** Envelopes are padded to a multiple of this, so that small requests and answers look alike. */
export const PADDING_BLOCK_BYTES = 64;
const PADDING_MARK = 0x80;
/** The longest head of an array of {@link MAX_MESSAGES} items. */
const MAX_ARRAY_HEAD_BYTES = 2;
const MAX_MESSAGES = 255;

/** The longest message that fits into an envelope of `capacity` bytes by itself. */
export function maxMessageBytes(capacity: number): number {
  return capacity - 1 - 1;
}

/** How many of the encoded messages, from `from` on, fit into one envelope of at most `capacity` bytes. */
export function countFitting(messages: readonly Uint8Array[], from: number, capacity: number): number {
  let used = 1;
  let count = 0;
  while (from + count < messages.length && count < MAX_MESSAGES) {
    const head = count + 1 < 24 ? 1 : MAX_ARRAY_HEAD_BYTES;
    used += (messages[from + count] as Uint8Array).length;
    if (used + head > capacity) break;
    count++;
  }
  return count;
}

/**
 * The padded plaintext of an envelope with these encoded messages; it is at most `capacity` bytes long.
 * @param count how many messages these are, where some are of several parts
 */
export function packEnvelope(
  messages: readonly Uint8Array[],
  capacity: number,
  count: number = messages.length,
): Uint8Array {
  let length = count < 24 ? 1 : MAX_ARRAY_HEAD_BYTES;
  for (const message of messages) length += message.length;
  const padded = Math.ceil((length + 1) / PADDING_BLOCK_BYTES) * PADDING_BLOCK_BYTES;
  const plaintext = allocate(Math.min(padded, capacity));
  let offset = 0;
  if (count < 24) {
    plaintext[offset++] = 0x80 | count;
  } else {
    plaintext[offset++] = 0x98;
    plaintext[offset++] = count;
  }
  for (const message of messages) {
    plaintext.set(message, offset);
    offset += message.length;
  }
  plaintext[offset] = PADDING_MARK;
  return plaintext;
}

/** The messages, in order; null when any part of the plaintext is not as PROTOCOL §7 and §8 have it. */
export function unpackEnvelope(plaintext: Uint8Array): Message[] | null {
  let end = plaintext.length;
  while (end > 0 && plaintext[end - 1] === 0) end--;
  if (end === 0 || plaintext[end - 1] !== PADDING_MARK) return null;
  const decoded = decodeCbor(plaintext.subarray(0, end - 1));
  if (!decoded.ok || !Array.isArray(decoded.value)) return null;
  const items = decoded.value as readonly CborValue[];
  if (items.length > MAX_MESSAGES) return null;
  const messages: Message[] = [];
  for (const item of items) {
    const message = parseMessage(item);
    if (message === null) return null;
    messages.push(message);
  }
  return messages;
}
