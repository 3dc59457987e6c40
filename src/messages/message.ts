/** A message between two machines, and its form on disk. */
import type { PublicKey } from '../crypto/keys.ts';
import { UdpToolError } from '../errors.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../wire/cbor.ts';

/** Of UTF-8; with what is around it, one answer. */
export const MAX_TEXT_BYTES = 60_000;
export const MESSAGE_ID: RegExp = /^[0-9a-f]{32}$/;

export interface Message {
  /** 16 random bytes in hexadecimal: the same message, however often it is sent. */
  readonly id: string;
  /** The other machine. */
  readonly peer: PublicKey;
  readonly text: string;
  /** What the clock of its sender said, in milliseconds since 1970; for people alone, since clocks are wrong. */
  readonly writtenAt: number;
}

/** @throws UdpToolError `bad-usage`, `too-large` */
export function checkText(text: string): void {
  if (text === '') throw new UdpToolError('bad-usage', 'A message holds some text.');
  // A part may not begin with one (PROTOCOL §7.1), so a text could not be cut anywhere.
  if (text.includes('\ufeff')) {
    throw new UdpToolError('bad-usage', 'A message holds no byte order marks (U+FEFF), which nobody sees.');
  }
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > MAX_TEXT_BYTES) {
    throw new UdpToolError(
      'too-large',
      `The message has ${bytes} bytes; one carries ${MAX_TEXT_BYTES} at most.`,
    );
  }
}

/** Whether a message may hold that. */
export function isText(text: string): boolean {
  try {
    checkText(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether that can be shown as a time. */
export function isTime(at: number): boolean {
  return !Number.isNaN(new Date(at).getTime());
}

/** With its peer and id, so that one file cannot take the place of another. */
export function encodeMessage({ id, peer, text, writtenAt }: Message): Uint8Array {
  return encodeCbor([id, peer.bytes, text, writtenAt]);
}

/** Null for what is not the message with that id and peer. */
export function decodeMessage(bytes: Uint8Array, id: string, peer: PublicKey): Message | null {
  const decoded = decodeCbor(bytes);
  if (!decoded.ok || !Array.isArray(decoded.value)) return null;
  const [storedId, storedPeer, text, writtenAt] = decoded.value as readonly CborValue[];
  if (storedId !== id || !(storedPeer instanceof Uint8Array) || typeof text !== 'string') return null;
  if (Buffer.compare(storedPeer, peer.bytes) !== 0 || typeof writtenAt !== 'number') return null;
  return { id, peer, text, writtenAt };
}
