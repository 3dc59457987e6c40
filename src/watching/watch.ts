/** The watching side: values in order, none twice, across lost datagrams, new addresses, sleep and restarts. */
import { UdpToolError } from '../errors.ts';
import { errorCodeOf } from '../rpc/outcome.ts';
import type { CborValue } from '../wire/cbor.ts';
import {
  CREDIT,
  HEARTBEAT_MS,
  MAX_UNACKNOWLEDGED,
  NEXT,
  type Numbered,
  parseItem,
  UNWATCH,
  WATCH,
} from './polls.ts';

export interface WatchOptions {
  /**
   * How often a command that gives one value is run for one, in milliseconds, from 10 up to a day; 5,000 if not given.
   * One that yields values by itself decides itself.
   */
  readonly everyMs?: number;
  /** For the first answer of the peer, in milliseconds; once it was there, it is waited for until the signal. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export type WatchEvent =
  | { readonly type: 'value'; readonly value: CborValue }
  /** The command failed this time; there may be values again. */
  | { readonly type: 'error'; readonly error: UdpToolError }
  /**
   * Values are missing here: so many that were due while we were too slow to take them, or, where the peer restarted
   * or forgot us, nobody knows how many.
   */
  | { readonly type: 'gap'; readonly missed: number | undefined }
  /** Nothing was heard for a while; the peer is asked on and on. */
  | { readonly type: 'silence' };

type Ask = (
  command: string,
  args: readonly CborValue[],
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
) => Promise<{ readonly value: CborValue }>;

const DEFAULT_TIMEOUT_MS = 5_000;
/** A poll is answered at once or after a heartbeat, and the network may lose some. */
const POLL_TIMEOUT_MS = 3 * HEARTBEAT_MS;
/** Before a watch is begun anew, doubled while no item comes. */
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 10_000;
/** A poll that is answered with nothing sooner than this is not the heartbeat of an honest peer. */
const TOO_SOON_MS = HEARTBEAT_MS / 2;
/** What becomes of the peer's part does not hold us up. */
const GOODBYE_TIMEOUT_MS = 1_000;
/** Nothing honest is further ahead of what was taken. */
const MAX_SPAN = CREDIT + MAX_UNACKNOWLEDGED;

/** Ends with the stream that is watched, or by leaving the loop. @throws UdpToolError as a request does */
export async function* watch(
  ask: Ask,
  command: string,
  args: readonly CborValue[],
  { everyMs = 0, timeoutMs = DEFAULT_TIMEOUT_MS, signal }: WatchOptions,
): AsyncGenerator<WatchEvent, void, undefined> {
  const leave = new AbortController();
  const until = signal === undefined ? leave.signal : AbortSignal.any([signal, leave.signal]);
  let isFirst = true;
  let pauseMs = FIRST_PAUSE_MS;
  try {
    for (;;) {
      const id = await open(isFirst ? timeoutMs : POLL_TIMEOUT_MS);
      if (id === null) {
        yield { type: 'silence' };
        pauseMs = await pause(pauseMs);
        continue;
      }
      if (!isFirst) yield { type: 'gap', missed: undefined };
      isFirst = false;
      const items = new Items(ask, id, until);
      try {
        for (let item = await items.next(); item !== 'gone'; item = await items.next()) {
          pauseMs = FIRST_PAUSE_MS;
          if (item.missed > 0) yield { type: 'gap', missed: item.missed };
          if (item.type === 'end') return;
          if (item.type === 'value') yield { type: 'value', value: item.value };
          else yield { type: 'error', error: new UdpToolError(errorCodeOf(item.code), item.text) };
        }
      } finally {
        items.end();
      }
      pauseMs = await pause(pauseMs);
    }
  } finally {
    leave.abort(new UdpToolError('aborted', 'The watch ended.'));
  }

  /** Returns the next pause: a peer that ends every watch at once is not to keep us busy. */
  async function pause(ms: number): Promise<number> {
    await new Promise<void>((done) => {
      const end = (): void => {
        clearTimeout(timer);
        until.removeEventListener('abort', end);
        done();
      };
      const timer = setTimeout(end, ms);
      until.addEventListener('abort', end);
      if (until.aborted) end();
    });
    if (until.aborted) throw aborted(until);
    return Math.min(MAX_PAUSE_MS, 2 * ms);
  }

  /** The number of a new watch; null when a peer that was there does not answer. */
  async function open(patienceMs: number): Promise<number | null> {
    try {
      const { value } = await ask(WATCH, [everyMs, command, args], { timeoutMs: patienceMs, signal: until });
      if (typeof value === 'number') return value;
      throw NONSENSE.error;
    } catch (error) {
      if (isFirst || !(error instanceof UdpToolError) || !PASSING.includes(error.code)) throw error;
      return null;
    }
  }
}

function aborted({ reason }: AbortSignal): UdpToolError {
  return new UdpToolError('aborted', 'The watch was aborted.', { cause: reason });
}

const PASSING: readonly string[] = ['no-answer', 'outcome-unknown', 'name-not-found'];

/** The items of one watch, in order. */
class Items {
  readonly #ask: Ask;
  readonly #id: number;
  readonly #until: AbortSignal;
  readonly #ended = new AbortController();
  /** For all polls. */
  readonly #signal: AbortSignal;
  /** What came, by number. */
  readonly #came = new Map<number, Numbered>();
  /** The last that was handed over. */
  #taken = 0;
  #polls = 0;
  /** Items in a row that had come before. */
  #repeats = 0;
  #end: { readonly error: unknown } | 'gone' | null = null;
  #wake: () => void = () => {};

  constructor(ask: Ask, id: number, until: AbortSignal) {
    this.#ask = ask;
    this.#id = id;
    this.#until = until;
    this.#signal = AbortSignal.any([until, this.#ended.signal]);
    until.addEventListener('abort', this.#onAbort);
    if (until.aborted) this.#onAbort();
    else this.#poll();
  }

  readonly #onAbort = (): void => {
    this.#stop({ error: aborted(this.#until) });
  };

  /** The next item, or `gone` when this watch is over though what it watches may not be. @throws UdpToolError */
  async next(): Promise<Numbered | 'gone'> {
    for (;;) {
      const item = this.#came.get(this.#taken + 1);
      if (item !== undefined) {
        this.#came.delete(item.seq);
        this.#taken = item.seq;
        this.#poll();
        return item;
      }
      if (this.#end === 'gone') return 'gone';
      if (this.#end !== null) throw this.#end.error;
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
  }

  end(): void {
    this.#until.removeEventListener('abort', this.#onAbort);
    // Without it the peer would find out by itself, later.
    if (this.#end !== 'gone') {
      const signal = AbortSignal.timeout(GOODBYE_TIMEOUT_MS);
      this.#ask(UNWATCH, [this.#id], { timeoutMs: GOODBYE_TIMEOUT_MS, signal }).catch(() => {});
    }
    this.#ended.abort(new UdpToolError('aborted', 'The watch ended.'));
  }

  #stop(end: { readonly error: unknown } | 'gone'): void {
    this.#end ??= end;
    this.#wake();
  }

  /** Has polls out for what can be taken; and where an item is missing, for each that overtook it, so that it is told. */
  #poll(): void {
    const ready = this.#contiguous() - this.#taken;
    while (this.#polls + ready < CREDIT && this.#polls + this.#came.size < MAX_UNACKNOWLEDGED)
      void this.#pollOnce();
  }

  /** The last item without a gap before it. */
  #contiguous(): number {
    let seq = this.#taken;
    while (this.#came.has(seq + 1)) seq++;
    return seq;
  }

  async #pollOnce(): Promise<void> {
    this.#polls++;
    const upTo = this.#contiguous();
    const beyond = [...this.#came.keys()].filter((seq) => seq > upTo);
    const askedAt = performance.now();
    try {
      const question = { timeoutMs: POLL_TIMEOUT_MS, signal: this.#signal };
      const { value } = await this.#ask(NEXT, [this.#id, upTo, beyond], question);
      this.#take(value, performance.now() - askedAt);
    } catch (error) {
      const isPassing = error instanceof UdpToolError && PASSING.includes(error.code);
      this.#stop(isPassing ? 'gone' : { error });
    }
    this.#polls--;
    this.#wake();
    if (this.#end === null) this.#poll();
    // With all that may be kept here, and the next one not among it.
    if (this.#polls === 0 && this.#end === null && this.#contiguous() === this.#taken) this.#stop(NONSENSE);
  }

  #take(answer: CborValue, afterMs: number): void {
    const item = parseItem(answer);
    if (item?.type === 'nothing') {
      if (afterMs < TOO_SOON_MS) this.#stop('gone');
    } else if (item?.type === 'gone') this.#stop('gone');
    else if (item !== null && item.seq <= this.#taken + MAX_SPAN) this.#keep(item);
    else this.#stop(NONSENSE);
  }

  #keep(item: Numbered): void {
    const isKnown = item.seq <= this.#taken || this.#came.has(item.seq);
    this.#repeats = isKnown ? this.#repeats + 1 : 0;
    if (!isKnown) this.#came.set(item.seq, item);
    // Some come twice where the network loses answers; more are no honest peer's.
    else if (this.#repeats > MAX_SPAN) this.#stop(NONSENSE);
  }
}

const NONSENSE = {
  get error(): UdpToolError {
    return new UdpToolError('failed', 'The peer answers a watch with what is none.');
  },
};
