/** One session: its counters, its window, what it seals and opens. PROTOCOL.md §4.5, §4.6, §6.1. */
import { join } from './bytes.ts';
import { BOX2, HEADER, type OpenParts, open, type SessionKeys, sessionHeader, TYPE } from './handshake.ts';
import { box, unbox } from './keys.ts';
import { envelope, type Message, messagesOf } from './messages.ts';

const WINDOW = 2016;
const ROOM_IN_OPEN = 1073;
const ROOM_IN_DATA = 1192;

type Dropped = 'bad-box' | 'replayed' | 'bad-envelope' | 'bad-header' | 'bad-length' | 'unknown-session';
export type Received = { readonly messages: readonly Message[] } | { readonly dropped: Dropped };

/** The counters of one direction that came. */
class Window {
  #highest = -1;
  readonly #seen = new Set<number>();

  accepts(counter: number): boolean {
    return counter > this.#highest || (counter >= this.#highest - WINDOW && !this.#seen.has(counter));
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

export class Session {
  readonly keys: SessionKeys;
  readonly #initiating: boolean;
  readonly #window = new Window();
  #counter = 0;

  constructor(role: 'initiator' | 'responder', keys: SessionKeys) {
    this.#initiating = role === 'initiator';
    this.keys = keys;
  }

  /** A DATA, with the next counter. */
  data(messages: readonly Message[]): Uint8Array {
    const { sid, csid, c2s, s2c } = this.keys;
    const header = sessionHeader(TYPE.data, this.#initiating ? sid : csid, this.#counter++);
    return join(header, box(this.#initiating ? c2s : s2c, header, envelope(messages, ROOM_IN_DATA)));
  }

  /** An OPEN, with the next counter of the same row. */
  open(parts: Omit<OpenParts, 'keys'>, messages: readonly Message[]): Uint8Array {
    return open({ ...parts, keys: this.keys }, this.#counter++, envelope(messages, ROOM_IN_OPEN));
  }

  /** DATA, or an OPEN whose session lives; its receiver was looked up already. */
  receive(datagram: Uint8Array): Received {
    const counter = counterOf(datagram);
    if (counter === undefined) return { dropped: 'bad-header' };
    if (!this.#window.accepts(counter)) return { dropped: 'replayed' };
    const key = this.#initiating ? this.keys.s2c : this.keys.c2s;
    const sealed = datagram.subarray(datagram[0] === TYPE.open ? BOX2 : HEADER);
    const plain = unbox(key, datagram.subarray(0, HEADER), sealed);
    if (plain === undefined) return { dropped: 'bad-box' };
    this.#window.mark(counter);
    const messages = messagesOf(plain);
    return messages ? { messages } : { dropped: 'bad-envelope' };
  }
}
