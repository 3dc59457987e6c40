/** A worker's side of its group: its place, the strays it hands on and gets, and the way to the primary. */
import type { UdpToolError } from '../errors.ts';
import type { Address } from '../session/address.ts';
import { LossySender } from './lossy-sender.ts';
import { type FromWorker, readToWorker, type Seat, type Stray } from './messages.ts';

/** Says to a process that has a channel that it is a worker. No secret, and without the channel it says nothing. */
export const WORKER_VARIABLE = 'UDP_TOOL_WORKER';

export class WorkerSeat {
  /** From 0. */
  readonly number: number;
  readonly count: number;
  /** Where the group listens. */
  readonly port: number;
  readonly ip: string | undefined;
  /** Aborts when the primary says so, or is gone. */
  readonly stop: AbortSignal;
  /** @internal Takes what other workers got for this one. */
  onHandedOn: (datagram: Uint8Array, from: Address) => void = () => {};
  /** Private, so that no inspection shows it. */
  readonly #key: Uint8Array;
  #onReload: (() => void) | null = null;
  #reloadDue = false;
  readonly #strays = new LossySender<Stray>(post);

  private constructor({ number, count, key, port, ip }: Seat, stop: AbortSignal) {
    this.number = number;
    this.count = count;
    this.#key = key;
    this.port = port;
    this.ip = ip;
    this.stop = stop;
  }

  /** This process's place in the group that started it; null in a process that is no worker. */
  static async take(): Promise<WorkerSeat | null> {
    if (process.env[WORKER_VARIABLE] === undefined || process.send === undefined) return null;
    delete process.env[WORKER_VARIABLE]; // what this process starts is no worker
    // Ctrl-C reaches every process of a terminal, and so does its end: the primary is who tells the workers.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
    const stopping = new AbortController();
    return new Promise((taken) => {
      let seat: WorkerSeat | null = null;
      let reloadDue = false;
      process.on('message', (received) => {
        const message = readToWorker(received);
        if (message?.type === 'seat') {
          seat ??= new WorkerSeat(message, stopping.signal);
          seat.#reloadDue = reloadDue;
          taken(seat);
        }
        if (message?.type === 'stray') seat?.onHandedOn(message.datagram, message.from);
        if (message?.type === 'reload') {
          reloadDue = true;
          if (seat !== null) seat.#reload();
        }
        if (message?.type === 'stop') stopping.abort();
      });
      process.once('disconnect', () => {
        if (seat === null) process.exit(); // the primary is gone, and nothing has begun
        stopping.abort();
      });
      post({ type: 'here' });
    });
  }

  /** @internal The group's. */
  get key(): Uint8Array {
    return this.#key;
  }

  /** Has `callback` called whenever the primary says that what was read is to be read anew, also before now. */
  onReload(callback: () => void): void {
    this.#onReload = callback;
    if (this.#reloadDue) callback();
  }

  #reload(): void {
    if (this.#onReload === null) this.#reloadDue = true;
    else this.#onReload();
  }

  /** Tells the group that this worker serves. */
  up(addresses: readonly Address[]): void {
    post({ type: 'up', addresses: [...addresses] });
  }

  /** Tells the group that this worker cannot start, and why; resolves when that is said. */
  failed(error: UdpToolError): Promise<void> {
    return new Promise((said) => {
      if (!post({ type: 'failed', error: error.toJSON() }, said) && !process.connected) said();
    });
  }

  /** Something for the program of the primary, of what structuredClone takes. */
  report(report: unknown): void {
    post({ type: 'report', report });
  }

  /** @internal Gives a datagram to the worker whose it is; false when it is lost. */
  handOn(owner: number, datagram: Uint8Array, from: Address): boolean {
    return this.#strays.send({ type: 'stray', owner, datagram, from });
  }
}

type Said =
  | Exclude<FromWorker, { type: 'failed' }>
  | { type: 'failed'; error: ReturnType<UdpToolError['toJSON']> };

/** A primary that is gone hears nothing, which is no failure: the channel's end says the same. */
function post(message: Said, sent: () => void = () => {}): boolean {
  return process.connected && process.send?.(message, undefined, {}, sent) === true;
}
