/** Envelopes and the shapes of messages: PROTOCOL.md §7 and §8. */
import { join } from './bytes.ts';
import { decode, encode, type Value } from './cbor.ts';

export type Message = readonly Value[];

export const T = {
  ping: 0,
  pong: 1,
  close: 2,
  pathChallenge: 3,
  pathResponse: 4,
  request: 5,
  response: 6,
  error: 7,
  pending: 8,
  part: 9,
  more: 10,
  instance: 11,
  ack: 12,
  ask: 13,
  stream: 14,
  last: 15,
  reset: 16,
  stop: 17,
  relay: 18,
} as const;

type Check = (value: Value) => boolean;

const integer =
  (least: number, most: number): Check =>
  (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
const bytes =
  (least: number, most: number): Check =>
  (value) =>
    value instanceof Uint8Array && value.length >= least && value.length <= most;
const matches =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === 'string' && pattern.test(value);
const list =
  (least: number, most: number, of: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length >= least && value.length <= most && value.every(of);

const any: Check = () => true;
const u32 = integer(0, 2 ** 32 - 1);
const id = integer(1, 2 ** 32 - 1);
const lane = integer(0, 255);
const data8 = bytes(8, 8);
const name = matches(/^[a-z][a-z0-9._-]{0,63}$/);
const code = matches(/^[a-z][a-z-]{0,31}$/);
const text: Check = (value) => typeof value === 'string' && join(value).length <= 512;
const subject: Check = (value) =>
  list(1, 16, any)(value) && Array.isArray(value) && typeof value[0] === 'string';
/** They begin and end with those that came. */
const runs: Check = (value) =>
  list(1, 63, integer(0, 2 ** 48 - 1))(value) && Array.isArray(value) && value.length % 2 === 1;
const counter = integer(0, 2 ** 48 - 1);

/** What follows the type, by type. */
const SHAPES: readonly (readonly Check[])[] = [
  [u32],
  [u32],
  [],
  [data8],
  [data8],
  [lane, id, bytes(6, 6), name, list(0, 1024, any)],
  [lane, id, any],
  [lane, id, code, text],
  [lane, id],
  [lane, id, u32, u32, bytes(0, 1152)],
  [lane, id, data8],
  [data8],
  [counter, integer(0, 600_000_000), runs],
  [u32, subject],
  [u32, u32, bytes(1, 16_384)],
  [u32, u32, bytes(0, 16_384)],
  [u32, code],
  [u32],
  [u32, bytes(0, 1232)],
];

function isPart([, , index, count, piece]: Message): boolean {
  const [i, n] = [Number(index), Number(count)];
  const { length } = piece as Uint8Array;
  return n >= 2 && n <= 57 && i < n && (i === n - 1 ? length >= 1 : length === 1152);
}

function isMessage(value: Value): value is Message {
  if (!Array.isArray(value)) return false;
  const [type, ...rest] = value as Message;
  const shape = typeof type === 'number' ? SHAPES[type] : undefined;
  if (shape?.length !== rest.length || !shape.every((check, i) => check(rest[i]))) return false;
  return type !== T.part || isPart(rest);
}

/** The messages of an envelope; undefined if it is not as §7 and §8 have it. */
export function messagesOf(envelope: Uint8Array): readonly Message[] | undefined {
  let end = envelope.length;
  while (end > 0 && envelope[end - 1] === 0) end--;
  if (envelope[end - 1] !== 0x80) return undefined;
  try {
    const value = decode(envelope.subarray(0, end - 1), 8);
    if (!Array.isArray(value) || value.length > 255 || !value.every(isMessage)) return undefined;
    return value;
  } catch {
    return undefined;
  }
}

/** Padded to a multiple of 64 bytes, or to what fits. */
export function envelope(messages: readonly Message[], room: number): Uint8Array {
  const body = join(encode(messages), [0x80]);
  return join(
    body,
    new Uint8Array(Math.max(0, Math.min(Math.ceil(body.length / 64) * 64, room) - body.length)),
  );
}
