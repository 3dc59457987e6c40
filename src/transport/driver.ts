/** Turns a protocol machine's deadlines and datagrams into timers and sends: the only place that waits. */
import type { Address, Transmit } from '../session/address.ts';
import type { Clock } from './clock.ts';

/** A protocol machine without input, output or clock of its own. Times are milliseconds. */
export interface Machine {
  receive(datagram: Uint8Array, from: Address, now: number): void;
  timeout(now: number): void;
  /** May be earlier than needed, never later. */
  nextTimeout(): number;
  drain(now: number): Transmit[];
  /** Bytes that wait for `drain`. */
  waitingBytes(): number;
  /** Requests without an answer: where there are many, more is to be sent in a moment. */
  inFlight(): number;
}

/**
 * So much, of all sessions together, is worth datagrams before the turn ends: the other side works on them while this
 * one goes on (docs/performance.md).
 */
const EARLY_FLUSH_BYTES = 900;
/**
 * With so many requests in flight, what waits may wait so much longer for company. Otherwise answers that trickle in
 * one by one make requests that leave one by one, and batches dissolve.
 */
const MANY_IN_FLIGHT = 16;
const HOLD_MS = 0.3;

/** Longest delay that setTimeout takes. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export class Driver {
  readonly #machine: Machine;
  readonly #clock: Clock;
  readonly #send: (transmit: Transmit) => void;
  #turnEnd: NodeJS.Immediate | null = null;
  #timer: NodeJS.Timeout | null = null;
  #timerDueAt = Number.POSITIVE_INFINITY;
  #flushedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(machine: Machine, clock: Clock, send: (transmit: Transmit) => void) {
    this.#machine = machine;
    this.#clock = clock;
    this.#send = send;
  }

  readonly receive = (datagram: Uint8Array, from: Address): void => {
    if (this.#closed) return;
    this.#machine.receive(datagram, from, this.#clock.now());
    this.wake();
  };

  /** Something was put into the machine: sends what it has to send, at the end of this turn of the event loop or sooner. */
  wake(): void {
    if (this.#closed) return;
    if (this.#machine.waitingBytes() >= EARLY_FLUSH_BYTES) this.#flush();
    if (this.#turnEnd !== null) return;
    this.#turnEnd = setImmediate(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    if (this.#worthWaiting()) {
      this.#turnEnd = setImmediate(this.#endTurn);
      return;
    }
    this.#turnEnd = null;
    this.#flush();
  };

  #worthWaiting(): boolean {
    return (
      this.#machine.inFlight() >= MANY_IN_FLIGHT &&
      this.#machine.waitingBytes() > 0 &&
      this.#clock.now() - this.#flushedAt < HOLD_MS
    );
  }

  close(): void {
    this.#closed = true;
    if (this.#turnEnd !== null) clearImmediate(this.#turnEnd);
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #flush(): void {
    this.#flushedAt = this.#clock.now();
    for (const transmit of this.#machine.drain(this.#flushedAt)) this.#send(transmit);
    this.#arm();
  }

  /** A timer that fires too early costs less than moving it with every datagram. */
  #arm(): void {
    const dueAt = this.#machine.nextTimeout();
    if (dueAt >= this.#timerDueAt) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerDueAt = dueAt;
    const delay = Math.min(MAX_DELAY_MS, Math.max(0, dueAt - this.#clock.now()));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#timerDueAt = Number.POSITIVE_INFINITY;
      this.#machine.timeout(this.#clock.now());
      this.#flush();
    }, delay);
  }
}
