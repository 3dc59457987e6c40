/** One peer that has what is fetched: how fast it is, and how much is asked of it. */
import type { Giver } from './fetch.ts';

/** Why a source is asked no more: what it sent was wrong, its file changed, or it has nothing (any more). */
export type SourceLoss = 'wrong' | 'changed' | 'gone';

/** What is asked of a source at once: so much at first, and later as much as it brings in a second, within bounds. */
const FIRST_BYTES = 4 * 1024 * 1024;
const MIN_BYTES = 512 * 1024;
const MAX_BYTES = 14 * 1024 * 1024;
const MAX_PIECES = 256;
/** The rate is of so long. */
const WINDOW_MS = 1_000;

export class Source {
  readonly giver: Giver;
  isLost = false;
  /** Asked for and not there. */
  askedBytes = 0;
  #pieces = 0;
  #readyAt = 0;
  /** Bytes a millisecond; null before a window is over. */
  #rate: number | null = null;
  #windowBytes = 0;
  #windowBegin: number;

  constructor(giver: Giver, now: number) {
    this.giver = giver;
    this.#windowBegin = now;
  }

  get name(): string {
    return this.giver.name;
  }

  get hasRoom(): boolean {
    return this.#pieces < MAX_PIECES && (this.#pieces === 0 || this.askedBytes < this.#allowedBytes);
  }

  /** How long until what is asked of it is there. */
  get waitMs(): number {
    return this.millisecondsFor(this.askedBytes);
  }

  isReady(now: number): boolean {
    this.#measure(now);
    return !this.isLost && now >= this.#readyAt;
  }

  millisecondsFor(bytes: number): number {
    return bytes / (this.#rate ?? FIRST_BYTES / WINDOW_MS);
  }

  began(bytes: number): void {
    this.askedBytes += bytes;
    this.#pieces++;
  }

  ended(bytes: number): void {
    this.askedBytes -= bytes;
    this.#pieces--;
  }

  heard(bytes: number, now: number): void {
    this.#measure(now);
    this.#windowBytes += bytes;
  }

  /** Nothing is asked of it until then. */
  pause(until: number): void {
    this.#readyAt = until;
  }

  get #allowedBytes(): number {
    if (this.#rate === null) return FIRST_BYTES;
    return Math.min(MAX_BYTES, Math.max(MIN_BYTES, this.#rate * WINDOW_MS));
  }

  #measure(now: number): void {
    const elapsed = now - this.#windowBegin;
    if (elapsed < WINDOW_MS) return;
    // While nothing was asked of it, it is no slower.
    if (this.#windowBytes > 0 || this.askedBytes > 0) {
      const latest = Math.max(this.#windowBytes, 1) / elapsed;
      this.#rate = this.#rate === null ? latest : (this.#rate + latest) / 2;
    }
    this.#windowBytes = 0;
    this.#windowBegin = now;
  }
}
