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
  /** Whether more is to be sent in a moment, so that a small datagram is better held for it. */
  expectsCompany(): boolean;
}

/**
 * So much, of all sessions together, is worth datagrams before the turn ends: the other side works on them while this
 * one goes on (docs/performance.md).
 */
const EARLY_FLUSH_BYTES = 600;
/** The longest that something waits for company: what a timer can do. */
const HOLD_MS = 1;

/** Longest delay that setTimeout takes. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export class Driver {
  readonly #machine: Machine;
  readonly #clock: Clock;
  readonly #send: (transmit: Transmit) => void;
  #turnEnd: NodeJS.Immediate | null = null;
  #timer: NodeJS.Timeout | null = null;
  #timerDueAt = Number.POSITIVE_INFINITY;
  #hold: NodeJS.Timeout | null = null;
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
    this.#turnEnd = null;
    if (!this.#machine.expectsCompany()) this.#flush();
    else this.#hold ??= setTimeout(() => this.#flush(), HOLD_MS);
  };

  /** A turn that something was put off to. */
  readonly #endTurnLate = (): void => {
    this.#machine.timeout(this.#clock.now());
    this.#endTurn();
  };

  close(): void {
    this.#closed = true;
    if (this.#turnEnd !== null) clearImmediate(this.#turnEnd);
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#hold !== null) clearTimeout(this.#hold);
  }

  #flush(): void {
    if (this.#hold !== null) clearTimeout(this.#hold);
    this.#hold = null;
    for (const transmit of this.#machine.drain(this.#clock.now())) this.#send(transmit);
    this.#arm();
  }

  /** A timer that fires too early costs less than moving it with every datagram. */
  #arm(): void {
    const dueAt = this.#machine.nextTimeout();
    if (dueAt >= this.#timerDueAt) return;
    if (dueAt <= this.#clock.now()) {
      // A timer would take a millisecond, in which much can be sent.
      this.#turnEnd ??= setImmediate(this.#endTurnLate);
      return;
    }
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
