/**
 * Fetches an offer from everybody who has it, at once: each source has as much asked of it as it brings in a second;
 * what it got wrong is asked elsewhere, and it is asked no more (PROTOCOL §10.3).
 */

import type { Subject } from '../files/offer.ts';
import type { StreamResult } from '../streams/asked-stream.ts';
import type { StreamSubject } from '../wire/stream-messages.ts';
import { askForPiece } from './offer-list.ts';
import { Source, type SourceLoss } from './source.ts';

/** Whoever can be asked for pieces. */
export interface Giver {
  readonly name: string;
  ask(request: {
    readonly subject: StreamSubject;
    readonly maxBytes: number;
    readonly patienceMs: number;
    readonly signal: AbortSignal;
    readonly onBytes: (bytes: number) => void;
  }): Promise<StreamResult>;
}

/** What is fetched into: a download onto the disk, or one that is read as it comes. */
export interface Sink {
  next(): { readonly subject: Subject; readonly bytes: number } | null;
  release(subject: Subject): void;
  accept(subject: Subject, bytes: Uint8Array): Promise<'accepted' | 'wrong' | 'unwanted'>;
  readonly isComplete: boolean;
}

export interface FetchOptions {
  readonly sink: Sink;
  readonly givers: readonly Giver[];
  readonly signal: AbortSignal;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** A source is asked no more. */
  readonly onLoss?: (name: string, loss: SourceLoss) => void;
  /** Something came, of that source. */
  readonly onBytes?: (name: string, bytes: number) => void;
  /** So long without a byte of anybody, and it is given up. */
  readonly patienceMs?: number;
  /** Bytes a second that are asked for, of all sources together. */
  readonly limit?: number;
}

/** How a fetch ended. */
export type FetchEnd =
  | 'complete'
  /** Nobody who has it is left. */
  | 'no-source'
  /** Those who have it do not answer. */
  | 'silence'
  | 'aborted';

const PATIENCE_MS = 60_000;
/** One that did not answer is asked again after so long. */
const RETRY_MS = 500;
/** A piece is asked of one more source where all others have had it for so long, and there is nothing else to ask. */
const LATE_MS = 300;

interface Errand {
  readonly subject: Subject;
  readonly bytes: number;
  readonly source: Source;
  readonly startedAt: number;
  readonly abort: AbortController;
  /** Those of the same piece, each asked of another source; this one among them. */
  readonly same: Set<Errand>;
}

/** Resolves when it ended; rejects with what the sink throws. */
export function fetchPieces(options: FetchOptions): Promise<FetchEnd> {
  return new Promise((done, fail) => new Fetch(options, done, fail).run());
}

class Fetch {
  readonly #options: FetchOptions;
  readonly #settle: (end: FetchEnd) => void;
  readonly #fail: (error: unknown) => void;
  readonly #sources: Source[];
  readonly #errands = new Set<Errand>();
  #heardAt: number;
  #isOver = false;
  #timer: NodeJS.Timeout | null = null;
  /** Bytes that the limit still allows, and when they were counted. */
  #allowance: number;
  #countedAt: number;

  constructor(options: FetchOptions, settle: (end: FetchEnd) => void, fail: (error: unknown) => void) {
    this.#options = options;
    this.#settle = settle;
    this.#fail = fail;
    this.#heardAt = this.#countedAt = options.now();
    this.#allowance = options.limit ?? Number.POSITIVE_INFINITY;
    this.#sources = options.givers.map((giver) => new Source(giver, this.#heardAt));
  }

  run(): void {
    const { signal } = this.#options;
    if (signal.aborted) {
      this.#end('aborted');
      return;
    }
    signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#timer = setInterval(() => this.#pump(), 100);
    this.#pump();
  }

  readonly #onAbort = (): void => this.#end('aborted');

  #end(end: FetchEnd): void {
    this.#stop(() => this.#settle(end));
  }

  #stop(tell: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    for (const { abort } of this.#errands) abort.abort();
    tell();
  }

  #pump(): void {
    if (this.#isOver) return;
    const { sink, now, patienceMs = PATIENCE_MS } = this.#options;
    if (sink.isComplete) {
      this.#end('complete');
    } else if (this.#sources.every(({ isLost }) => isLost)) {
      this.#end('no-source');
    } else if (now() - this.#heardAt > patienceMs) {
      this.#end('silence');
    } else {
      this.#askAround(now());
    }
  }

  #askAround(now: number): void {
    this.#refill(now);
    const ready = this.#sources.filter((source) => source.isReady(now));
    for (let hasMore = true; hasMore; ) {
      const source = leastBusy(ready);
      if (source === undefined || this.#allowance <= 0) return;
      hasMore = this.#askNext(source, now);
    }
  }

  /** Asks a source for the next piece, or for one that another has had for too long. */
  #askNext(source: Source, now: number): boolean {
    const wanted = this.#options.sink.next();
    if (wanted !== null) {
      this.#run({ ...wanted, source, startedAt: now, abort: new AbortController(), same: new Set() });
      return true;
    }
    const late = this.#latest(source, now);
    if (late === undefined) return false;
    this.#run({ ...late, source, startedAt: now, abort: new AbortController() });
    return true;
  }

  /** What would be there sooner of this source. */
  #latest(source: Source, now: number): Errand | undefined {
    let found: Errand | undefined;
    for (const errand of this.#errands) {
      if (found !== undefined && errand.startedAt >= found.startedAt) continue;
      if ([...errand.same].every((one) => isLater(one, source, now))) found = errand;
    }
    return found;
  }

  #refill(now: number): void {
    const { limit } = this.#options;
    if (limit === undefined) return;
    const gained = ((now - this.#countedAt) * limit) / 1000;
    this.#allowance = Math.min(limit / 2, this.#allowance + gained);
    this.#countedAt = now;
  }

  #run(errand: Errand): void {
    this.#errands.add(errand);
    errand.same.add(errand);
    this.#allowance -= errand.bytes;
    errand.source.began(errand.bytes);
    this.#fetch(errand).then(
      () => this.#pump(),
      (error: unknown) => this.#stop(() => this.#fail(error)),
    );
  }

  async #fetch(errand: Errand): Promise<void> {
    const { subject, bytes, source, abort } = errand;
    const { now, onBytes } = this.#options;
    const result = await source.giver.ask({
      subject: askForPiece(subject),
      maxBytes: bytes,
      patienceMs: 5_000,
      signal: abort.signal,
      onBytes: (length) => {
        this.#heardAt = now();
        source.heard(length, this.#heardAt);
        onBytes?.(source.name, length);
      },
    });
    try {
      if (result.ok) await this.#accept(errand, result.bytes);
      else if (!abort.signal.aborted) this.#missed(errand, result);
    } finally {
      this.#errands.delete(errand);
      errand.same.delete(errand);
      source.ended(bytes);
    }
  }

  async #accept(errand: Errand, bytes: Uint8Array): Promise<void> {
    const { subject, source, same } = errand;
    const verdict = await this.#options.sink.accept(subject, bytes);
    if (verdict === 'wrong') this.#lose(source, 'wrong');
    else for (const other of same) if (other !== errand) other.abort.abort();
  }

  #missed({ subject, source, same }: Errand, result: Exclude<StreamResult, { ok: true }>): void {
    // Another one that was asked for it may still bring it.
    if (same.size === 1) this.#options.sink.release(subject);
    if (result.reason === 'refused' && result.code === 'busy') source.pause(this.#options.now() + RETRY_MS);
    else if (result.reason === 'refused') this.#lose(source, result.code === 'changed' ? 'changed' : 'gone');
    else if (result.reason === 'invalid') this.#lose(source, 'wrong');
    else source.pause(this.#options.now() + RETRY_MS);
  }

  #lose(source: Source, loss: SourceLoss): void {
    if (source.isLost) return;
    source.isLost = true;
    this.#options.onLoss?.(source.name, loss);
    for (const errand of this.#errands) {
      if (errand.source !== source || errand.abort.signal.aborted) continue;
      errand.abort.abort();
      errand.same.delete(errand);
      if (errand.same.size === 0) this.#options.sink.release(errand.subject);
    }
  }
}

/** Whether it has been asked for for long, and would be there sooner of another source. */
function isLater({ source, bytes, startedAt }: Errand, other: Source, now: number): boolean {
  if (source === other || now - startedAt < LATE_MS) return false;
  return source.millisecondsFor(source.askedBytes) >= 2 * other.millisecondsFor(bytes);
}

function leastBusy(sources: readonly Source[]): Source | undefined {
  let found: Source | undefined;
  for (const source of sources) {
    if (source.isLost || !source.hasRoom) continue;
    if (found === undefined || source.waitMs < found.waitMs) found = source;
  }
  return found;
}
