/** One session: its counters, its window, what it seals and opens. PROTOCOL.md §4.5, §4.6, §6.1. */
import { join } from './bytes.ts';
import {
  BOX2,
  FULL,
  HEADER,
  type OpenParts,
  open,
  type SessionKeys,
  sessionHeader,
  TYPE,
} from './handshake.ts';
import { box, unbox } from './keys.ts';
import { envelope, type Message, messagesOf } from './messages.ts';

const WINDOW = 2016;
const ROOM_IN_OPEN = 1073;
const ROOM_IN_DATA = 1192;

/** A DATA of streams may be that long (§8.6). */
const LARGEST = 16_384;
const MINUTE_MS = 60_000;
const LIFE_MS = 120 * MINUTE_MS;
const IDLE_MS = { initiator: 14 * MINUTE_MS, responder: 15 * MINUTE_MS };
const LAST_COUNTER = 2 ** 48 - 1;

type Role = 'initiator' | 'responder';
type Dropped = 'bad-box' | 'replayed' | 'bad-envelope' | 'bad-header' | 'expired';
export type Received =
  /** `newest`: with a counter above all before. */
  { readonly messages: readonly Message[]; readonly newest: boolean } | { readonly dropped: Dropped };

/** The counters of one direction that came. */
class Window {
  #highest = -1;
  readonly #seen = new Set<number>();

  isNewest(counter: number): boolean {
    return counter > this.#highest;
  }

  accepts(counter: number): boolean {
    return this.isNewest(counter) || (counter >= this.#highest - WINDOW && !this.#seen.has(counter));
  }

  mark(counter: number): void {
    this.#seen.add(counter);
    if (counter > this.#highest) this.#highest = counter;
    for (const old of this.#seen) if (old < this.#highest - WINDOW) this.#seen.delete(old);
  }
}

/** The counter of an OPEN or DATA; undefined if its header is none. */
export function counterOf(datagram: Uint8Array): number | undefined {
  if (datagram.subarray(9, 18).some((byte) => byte !== 0)) return undefined; // 7 reserved, and 2^48 is the end
  return datagram.subarray(18, HEADER).reduce((sum, byte) => sum * 256 + byte, 0);
}

/** What is found wrong with a datagram by looking: the first six reasons of §11, in their order. */
export function refusedBySight(datagram: Uint8Array, fromPort: number): string | undefined {
  const [type = 0] = datagram;
  const lengths: Partial<Record<number, number>> = {
    [TYPE.hello]: FULL,
    [TYPE.retry]: 46,
    [TYPE.challenge]: FULL,
  };
  if (fromPort === 0) return 'bad-source';
  if (datagram.length < 41) return 'too-short';
  if (datagram.length > (type === TYPE.data ? LARGEST : FULL)) return 'too-long';
  if (type < TYPE.hello || type > TYPE.data) return 'unknown-type';
  const ofSession = type === TYPE.open || type === TYPE.data;
  if (type === TYPE.open ? datagram.length < 160 : !ofSession && datagram.length !== lengths[type])
    return 'bad-length';
  return ofSession && counterOf(datagram) === undefined ? 'bad-header' : undefined;
}

export class Session {
  readonly keys: SessionKeys;
  readonly #role: Role;
  readonly #window = new Window();
  readonly #begunAt: number;
  #heardAt: number;
  /** A session that was replaced. */
  #endsAt = Number.POSITIVE_INFINITY;
  #counter = 0;

  constructor(role: Role, keys: SessionKeys, now = performance.now()) {
    this.#role = role;
    this.keys = keys;
    this.#begunAt = now;
    this.#heardAt = now;
  }

  isOver(now: number): boolean {
    const idle = now >= this.#heardAt + IDLE_MS[this.#role];
    return idle || now >= this.#begunAt + LIFE_MS || now >= this.#endsAt || this.#counter > LAST_COUNTER;
  }

  /** Receives until then, and no longer. */
  endAt(time: number): void {
    this.#endsAt = time;
  }

  get heardAt(): number {
    return this.#heardAt;
  }

  /** A DATA, with the next counter. */
  data(messages: readonly Message[]): Uint8Array {
    const { sid, csid, c2s, s2c } = this.keys;
    const [receiver, key] = this.#role === 'initiator' ? [sid, c2s] : [csid, s2c];
    const header = sessionHeader(TYPE.data, receiver, this.#counter++);
    return join(header, box(key, header, envelope(messages, ROOM_IN_DATA)));
  }

  /** An OPEN, with the next counter of the same row. */
  open(parts: Omit<OpenParts, 'keys'>, messages: readonly Message[]): Uint8Array {
    return open({ ...parts, keys: this.keys }, this.#counter++, envelope(messages, ROOM_IN_OPEN));
  }

  /** DATA, or an OPEN whose session lives; its receiver was looked up already. */
  receive(datagram: Uint8Array, now = performance.now()): Received {
    const counter = counterOf(datagram);
    if (counter === undefined) return { dropped: 'bad-header' };
    if (this.isOver(now)) return { dropped: 'expired' };
    if (!this.#window.accepts(counter)) return { dropped: 'replayed' };
    const key = this.#role === 'initiator' ? this.keys.s2c : this.keys.c2s;
    const sealed = datagram.subarray(datagram[0] === TYPE.open ? BOX2 : HEADER);
    const plain = unbox(key, datagram.subarray(0, HEADER), sealed);
    if (plain === undefined) return { dropped: 'bad-box' };
    const newest = this.#window.isNewest(counter);
    this.#window.mark(counter);
    this.#heardAt = now;
    const messages = messagesOf(plain);
    return messages ? { messages, newest } : { dropped: 'bad-envelope' };
  }
}
