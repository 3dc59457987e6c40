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
}

/** Longest delay that setTimeout takes. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export class Driver {
  readonly #machine: Machine;
  readonly #clock: Clock;
  readonly #send: (transmit: Transmit) => void;
  #turnEnd: NodeJS.Immediate | null = null;
  #timer: NodeJS.Timeout | null = null;
  #timerDueAt = Number.POSITIVE_INFINITY;
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

  /** Something was put into the machine: at the end of this turn of the event loop, sends what it has to send. */
  wake(): void {
    if (this.#turnEnd !== null || this.#closed) return;
    this.#turnEnd = setImmediate(() => {
      this.#turnEnd = null;
      this.#flush();
    });
  }

  close(): void {
    this.#closed = true;
    if (this.#turnEnd !== null) clearImmediate(this.#turnEnd);
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #flush(): void {
    for (const transmit of this.#machine.drain(this.#clock.now())) this.#send(transmit);
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
