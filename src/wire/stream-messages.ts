/** Messages of streams (PROTOCOL §8.6): what is asked for, its bytes in pieces, and which datagrams came. */
import { type CborValue, encodeTrusted } from './cbor.ts';
import { beginArray, endArray, frontOf, putUint } from './cbor-heads.ts';

export const StreamMessageType = { ACK: 12, ASK: 13, STREAM: 14, LAST: 15, RESET: 16, STOP: 17 } as const;

/** An ACK tells of so many ranges at most: the newest. */
export const MAX_ACK_RANGES = 32;
/** What stands before the bytes of a STREAM or LAST, at most: array, type, stream, offset, head of the bytes. */
export const MAX_PIECE_HEAD_BYTES: number = 1 + 1 + 5 + 5 + 3;
const MAX_SUBJECT_ITEMS = 16;
const RESET_CODE = /^[a-z][a-z-]{0,31}$/;
const MAX_UINT32 = 2 ** 32 - 1;
/** A session's counters end there (PROTOCOL §6.2). */
const MAX_COUNTER = 2 ** 48 - 1;
/** Ten minutes: more is nonsense. */
const MAX_DELAY_US = 600_000_000;

/** What a stream is asked to give: text, bytes and integers, of which the first says what kind it is. */
export type StreamSubject = readonly CborValue[];

interface Ack {
  readonly type: typeof StreamMessageType.ACK;
  /** Microseconds from the arrival of the newest of them to this message. */
  readonly delayUs: number;
  /** Counters of datagrams that came: the first and the last of each run of them, the newest run first. */
  readonly ranges: readonly number[];
}

export interface Ask {
  readonly type: typeof StreamMessageType.ASK;
  readonly stream: number;
  readonly subject: StreamSubject;
}

export interface Piece {
  readonly type: typeof StreamMessageType.STREAM | typeof StreamMessageType.LAST;
  readonly stream: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

interface Reset {
  readonly type: typeof StreamMessageType.RESET;
  readonly stream: number;
  readonly code: string;
}

interface Stop {
  readonly type: typeof StreamMessageType.STOP;
  readonly stream: number;
}

/** Whether a message makes its datagram one that is to be acknowledged. */
export function elicitsAck({ type }: { readonly type: number }): boolean {
  return type > StreamMessageType.ACK && type <= StreamMessageType.STOP;
}

export type StreamMessage = Ack | Ask | Piece | Reset | Stop;

export function isStreamMessage(message: { readonly type: number }): message is StreamMessage {
  return message.type >= StreamMessageType.ACK && message.type <= StreamMessageType.STOP;
}

/** @param ranges as in {@link Ack} */
export function encodeAck(delayUs: number, ranges: readonly number[]): Uint8Array {
  // Differences are short: the largest is told, and then by turns how many follow each other and how many lack.
  const runs: number[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    const [first = 0, last = 0] = [ranges[i], ranges[i + 1]];
    if (i > 0) runs.push((ranges[i - 2] ?? 0) - last - 2);
    runs.push(last - first);
  }
  const delay = Math.min(Math.round(delayUs), MAX_DELAY_US);
  return encodeTrusted([StreamMessageType.ACK, ranges[1] ?? 0, delay, runs]);
}

export function encodeAsk(stream: number, subject: StreamSubject): Uint8Array {
  return encodeTrusted([StreamMessageType.ASK, stream, subject]);
}

export function encodeReset(stream: number, code: string): Uint8Array {
  return encodeTrusted([StreamMessageType.RESET, stream, code]);
}

export function encodeStop(stream: number): Uint8Array {
  beginArray(2);
  putUint(StreamMessageType.STOP);
  return endUint(stream);
}

/** What stands before so many bytes of a stream, in the envelope. */
export function encodePieceHead(stream: number, offset: number, length: number, isLast: boolean): Uint8Array {
  beginArray(4);
  putUint(isLast ? StreamMessageType.LAST : StreamMessageType.STREAM);
  putUint(stream);
  putUint(offset);
  return frontOf(length);
}

function endUint(value: number): Uint8Array {
  putUint(value);
  return endArray(NOTHING);
}

const NOTHING = new Uint8Array(0);

/** The message in a decoded array of one of these types, or null for a shape that is none. */
export function parseStreamMessage(type: CborValue, fields: readonly CborValue[]): StreamMessage | null {
  if (type === StreamMessageType.ACK) return parseAck(fields);
  const [stream, ...rest] = fields;
  if (!isUint(stream, MAX_UINT32)) return null;
  switch (type) {
    case StreamMessageType.ASK: {
      const [subject] = rest;
      if (rest.length !== 1 || !Array.isArray(subject) || subject.length > MAX_SUBJECT_ITEMS) return null;
      return typeof subject[0] === 'string' ? { type, stream, subject } : null;
    }
    case StreamMessageType.STREAM:
    case StreamMessageType.LAST: {
      const [offset, bytes] = rest;
      if (rest.length !== 2 || !isUint(offset, MAX_UINT32) || !(bytes instanceof Uint8Array)) return null;
      if (bytes.length === 0 && type === StreamMessageType.STREAM) return null;
      return { type, stream, offset, bytes };
    }
    case StreamMessageType.RESET: {
      const [code] = rest;
      if (rest.length !== 1 || typeof code !== 'string' || !RESET_CODE.test(code)) return null;
      return { type, stream, code };
    }
    case StreamMessageType.STOP:
      return rest.length === 0 ? { type, stream } : null;
    default:
      return null;
  }
}

function parseAck(fields: readonly CborValue[]): Ack | null {
  const [largest, delayUs, runs] = fields;
  if (fields.length !== 3 || !isUint(largest, MAX_COUNTER) || !isUint(delayUs, MAX_DELAY_US)) return null;
  if (!Array.isArray(runs) || runs.length % 2 === 0 || runs.length > 2 * MAX_ACK_RANGES - 1) return null;
  const ranges: number[] = [];
  let high = largest;
  for (const [i, run] of runs.entries()) {
    if (!isUint(run, MAX_COUNTER)) return null;
    if (i % 2 === 1) {
      high -= run + 2;
      continue;
    }
    if (high < 0 || run > high) return null;
    ranges.push(high - run, high);
    high -= run;
  }
  return { type: StreamMessageType.ACK, delayUs, ranges };
}

function isUint(value: CborValue, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;
}
