/** The 24 clear bytes in front of every datagram, which are the nonce of its box (PROTOCOL §4.1). */

import { idAt } from '../bytes.ts';

export const HEADER_BYTES = 24;
/** IPv6's minimum link MTU (1,280) less its header (40) and UDP's (8): such a datagram fragments nowhere. */
export const MAX_DATAGRAM_BYTES = 1232;
/** A DATA that holds a whole datagram of another session may be so much longer (PROTOCOL §10.4). */
export const MAX_RELAY_DATAGRAM_BYTES = 1400;
/** Streams alone may use more, on a path that has carried it (PROTOCOL §8.6). */
export const MAX_BULK_DATAGRAM_BYTES = 16_384;

export const DatagramType = { HELLO: 1, RETRY: 2, CHALLENGE: 3, OPEN: 4, DATA: 5 } as const;
export type DatagramType = (typeof DatagramType)[keyof typeof DatagramType];

const RECEIVER_OFFSET = 1;
/** Of what follows the receiver: random bytes in a handshake datagram. */
export const REST_OFFSET = 9;
const COUNTER_OFFSET = 16;
/** Random bytes behind the receiver in the header of a handshake datagram. */
export const HANDSHAKE_RANDOM_BYTES = HEADER_BYTES - REST_OFFSET;
/** A counter at or above this is dropped; a sender stops before (PROTOCOL §6.2). */
export const COUNTER_LIMIT = 2 ** 48;

export function handshakeHeader(type: DatagramType, receiver: Uint8Array, random: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = type;
  header.set(receiver, RECEIVER_OFFSET);
  header.set(random, REST_OFFSET);
  return header;
}

export function sessionHeader(type: DatagramType, receiver: Uint8Array, counter: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = type;
  header.set(receiver, RECEIVER_OFFSET);
  let rest = counter;
  for (let i = HEADER_BYTES - 1; i >= COUNTER_OFFSET; i--) {
    header[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return header;
}

/** The receiver field as a table key; the datagram must be at least a header long. */
export function receiverOf(datagram: Uint8Array): bigint {
  return idAt(datagram, RECEIVER_OFFSET);
}

/** The counter of a session datagram, or null where a reserved byte is not zero or the counter is out of range. */
export function counterOf(datagram: Uint8Array): number | null {
  for (let i = REST_OFFSET; i < COUNTER_OFFSET; i++) if (datagram[i] !== 0) return null;
  let counter = 0;
  for (let i = COUNTER_OFFSET; i < HEADER_BYTES; i++) counter = counter * 256 + (datagram[i] as number);
  return counter < COUNTER_LIMIT ? counter : null;
}
