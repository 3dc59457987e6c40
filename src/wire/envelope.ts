/** The plaintext of OPEN and DATA: a CBOR array of messages, padded (PROTOCOL §7). */
import { allocate } from '../bytes.ts';
import { type CborValue, decodeCbor } from './cbor.ts';
import { MAX_BULK_DATAGRAM_BYTES } from './header.ts';
import { type Message, parseMessage } from './messages.ts';
import { type Piece, StreamMessageType } from './stream-messages.ts';

/** Envelopes are padded to a multiple of this, so that small requests and answers look alike. */
export const PADDING_BLOCK_BYTES = 64;
const PADDING_MARK = 0x80;
/** The longest head of an array of {@link MAX_MESSAGES} items. */
const MAX_ARRAY_HEAD_BYTES = 2;
const MAX_MESSAGES = 255;
/** Envelopes of streams are many and large: one buffer for all, which is zeroed after each (see `packEnvelope`). */
const bulk = new Uint8Array(MAX_BULK_DATAGRAM_BYTES);
const BULK_BYTES = 4096;

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
 * The padded plaintext of an envelope with these encoded messages; it is at most `capacity` bytes long. The caller
 * zeroes it once it is sealed, and before he packs another one.
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
  const size = Math.min(padded, capacity);
  const plaintext = size < BULK_BYTES ? allocate(size) : bulk.subarray(0, size);
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

/**
 * An envelope of one STREAM or LAST and nothing else, as most datagrams of a transfer are, without the general way of
 * decoding it (docs/performance.md). Its bytes are those of the plaintext, not a copy. Null for any other envelope, also
 * for one that is none: {@link unpackEnvelope} tells.
 */
export function unpackPiece(plaintext: Uint8Array): Piece | null {
  if (plaintext[0] !== ARRAY_OF_1 || plaintext[1] !== ARRAY_OF_4) return null;
  const type = plaintext[2];
  if (type !== StreamMessageType.STREAM && type !== StreamMessageType.LAST) return null;
  head.at = 3;
  const stream = readHead(plaintext, UINT);
  const offset = readHead(plaintext, UINT);
  const length = readHead(plaintext, BYTE_STRING);
  if (stream < 0 || offset < 0 || length <= 0) return null;
  const end = head.at + length;
  if (plaintext[end] !== PADDING_MARK) return null;
  for (let i = end + 1; i < plaintext.length; i++) if (plaintext[i] !== 0) return null;
  return { type, stream, offset, bytes: plaintext.subarray(head.at, end) };
}

const ARRAY_OF_1 = 0x81;
const ARRAY_OF_4 = 0x84;
const UINT = 0x00;
const BYTE_STRING = 0x40;
/** Where {@link readHead} is. */
const head = { at: 0 };

/** The argument of a head of that kind, of 32 bits at most and in its shortest form; −1 for anything else. */
function readHead(bytes: Uint8Array, kind: number): number {
  const initial = bytes[head.at++] ?? 0xff;
  const info = initial - kind;
  if (info >= 0 && info < 24) return info;
  const width = info === 24 ? 1 : info === 25 ? 2 : info === 26 ? 4 : 0;
  if (width === 0) return -1;
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[head.at++] ?? Number.NaN);
  return value >= (width === 1 ? 24 : 2 ** (4 * width)) ? value : -1;
}
