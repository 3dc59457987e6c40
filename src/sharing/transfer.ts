/** An offer on its way to this machine's disk, for somebody who watches it, holds it up and lets it go on. */
import { UdpToolError } from '../errors.ts';
import { Download } from '../files/download.ts';
import type { Offer } from '../files/offer.ts';
import type { Conflict } from '../files/target.ts';
import { fetchPieces, type Giver } from './fetch.ts';
import { Rate } from './rate.ts';
import type { SourceLoss } from './source.ts';
import { unfinished } from './unfinished.ts';

/**
 * `hashing` looks through what is on the disk already. `paused` and `failed` go on with {@link Transfer.resume};
 * `done` and `cancelled` are the end.
 */
export type TransferState = 'hashing' | 'running' | 'paused' | 'done' | 'failed' | 'cancelled';

/** One of those that were asked since it went on last. */
export interface TransferSource {
  readonly name: string;
  readonly receivedBytes: number;
  /** Smoothed over some seconds. */
  readonly bytesPerSecond: number;
  /** Why it is asked no more; null where it is. */
  readonly loss: SourceLoss | null;
}

export interface TransferOptions {
  readonly offer: Offer;
  /** An existing folder. */
  readonly into: string;
  /** Instead of the offer's own. */
  readonly name?: string;
  readonly conflict: Conflict;
  /** Who has it: peers, which are asked for anew each time it goes on. */
  readonly holders: () => readonly Giver[];
  /** Bytes a second, of all holders together. */
  readonly limit?: number;
  /** So long without a byte of anybody, and it fails with `no-answer`; a minute if not given. */
  readonly patienceMs?: number;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Its state is another, or a holder is asked no more; how far it is can be looked at whenever somebody wants to know. */
  readonly onChange?: (transfer: Transfer) => void;
}

interface CountedSource {
  readonly rate: Rate;
  receivedBytes: number;
  loss: SourceLoss | null;
}

/**
 * Paused until it is started. What came stays on the disk, where another transfer of the same offer into the same folder
 * goes on with it, also one of another process later.
 */
export class Transfer {
  readonly #options: TransferOptions;
  readonly #sources = new Map<string, CountedSource>();
  #state: TransferState = 'paused';
  #error: UdpToolError | null = null;
  #path: string | null = null;
  #download: Download | null = null;
  #doneBytes = 0;
  #stop = new AbortController();
  #isCancelling = false;
  /** One run after the other: each holds the lock of its folder. */
  #running: Promise<void> = Promise.resolve();

  constructor(options: TransferOptions) {
    this.#options = options;
  }

  get offer(): Offer {
    return this.#options.offer;
  }

  get state(): TransferState {
    return this.#state;
  }

  /** Why it failed: as {@link Download.open} says, and `no-answer`, `not-offered`, `integrity`. */
  get error(): UdpToolError | null {
    return this.#error;
  }

  /** Where it is, once it is done. */
  get path(): string | null {
    return this.#path;
  }

  get progress(): { readonly doneBytes: number; readonly totalBytes: number } {
    const doneBytes = this.#download?.progress.doneBytes ?? this.#doneBytes;
    return { doneBytes, totalBytes: this.offer.size };
  }

  get sources(): TransferSource[] {
    const now = this.#options.now();
    return [...this.#sources].map(([name, { rate, receivedBytes, loss }]) => ({
      name,
      receivedBytes,
      bytesPerSecond: this.#state === 'running' && loss === null ? rate.at(now) : 0,
      loss,
    }));
  }

  /** Begins, or goes on after a pause or a failure. Resolves when it stopped, for whatever reason: see `state`. */
  start(): Promise<void> {
    const isStopped = this.#state === 'paused' || this.#state === 'failed';
    if (!isStopped || this.#isCancelling) return this.#running;
    const stop = new AbortController();
    this.#stop = stop;
    this.#error = null;
    this.#sources.clear();
    this.#running = this.#running.then(() => this.#run(stop.signal));
    this.#change('hashing');
    return this.#running;
  }

  /** The same as {@link start}. */
  resume(): Promise<void> {
    return this.start();
  }

  /** Asks for no more. Resolves when what came is on the disk; what was complete by then is done. */
  pause(): Promise<void> {
    if (this.#state !== 'hashing' && this.#state !== 'running') return this.#running;
    this.#stop.abort();
    this.#change('paused');
    return this.#running;
  }

  /**
   * Resolves when nothing is left of it, also of earlier tries; what is done stays.
   * @throws UdpToolError `locked` where another process fetches the same, `no-permission`, `failed`
   */
  async cancel(): Promise<void> {
    if (this.#state === 'cancelled') return;
    this.#isCancelling = true;
    try {
      await this.pause();
      if (this.#path !== null) return;
      await Download.forget(this.#options);
      this.#doneBytes = 0;
      this.#error = null;
      this.#change('cancelled');
    } finally {
      this.#isCancelling = false;
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    if (this.#path !== null) return; // it was complete when it was to pause
    let download: Download | null = null;
    try {
      this.#refuseStopped(signal);
      download = await Download.open({ ...this.#options, signal });
      this.#download = download;
      this.#refuseStopped(signal);
      this.#change('running');
      await this.#fetch(download, signal);
      this.#path = await download.finish();
      this.#doneBytes = this.offer.size;
      this.#change('done');
    } catch (cause) {
      await download?.giveUp(cause).catch(() => {}); // the first error is the one that says why
      this.#doneBytes = download?.progress.doneBytes ?? this.#doneBytes;
      this.#stopped(cause, signal);
    } finally {
      this.#download = null;
    }
  }

  async #fetch(download: Download, signal: AbortSignal): Promise<void> {
    const { holders, limit, patienceMs, now } = this.#options;
    const losses: SourceLoss[] = [];
    const givers = holders();
    for (const { name } of givers)
      this.#sources.set(name, { rate: new Rate(), receivedBytes: 0, loss: null });
    const end = await fetchPieces({
      sink: download,
      givers,
      signal,
      now,
      ...(limit !== undefined && { limit }),
      ...(patienceMs !== undefined && { patienceMs }),
      onBytes: (name, bytes) => {
        const source = this.#sources.get(name);
        if (source === undefined) return;
        source.receivedBytes += bytes;
        source.rate.count(bytes, now());
      },
      onLoss: (name, loss) => {
        losses.push(loss);
        const source = this.#sources.get(name);
        if (source !== undefined) source.loss = loss;
        this.#options.onChange?.(this);
      },
    });
    if (end !== 'complete') throw unfinished(this.offer, end, losses);
  }

  #refuseStopped(signal: AbortSignal): void {
    if (signal.aborted) throw unfinished(this.offer, 'aborted', []);
  }

  /** Whoever stopped it has said what it is now. */
  #stopped(cause: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#error =
      cause instanceof UdpToolError ? cause : new UdpToolError('failed', 'Cannot fetch it.', { cause });
    this.#change('failed');
  }

  #change(state: TransferState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onChange?.(this);
  }
}
