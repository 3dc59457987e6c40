/** How fast bytes come or go, smoothed, without a timer: it is worked out when somebody wants to know. */

/** What came so long ago counts 1/e of what comes now. */
const SMOOTHED_MS = 3_000;
/** What comes at once is taken as what came in so long. */
const LEAST_MS = 250;

export class Rate {
  #beganAt: number | undefined;
  #countedAt = 0;
  /** Bytes, each the less the longer ago it came. */
  #recent = 0;

  /** @param now milliseconds of a monotonic clock */
  count(bytes: number, now: number): void {
    this.#beganAt ??= now;
    this.#recent = this.#fadedAt(now) + bytes;
    this.#countedAt = now;
  }

  /** Bytes a second. */
  at(now: number): number {
    if (this.#beganAt === undefined) return 0;
    const elapsed = Math.max(LEAST_MS, now - this.#beganAt);
    // Of what has not gone on for long, there is no more than this part of the whole.
    const part = 1 - Math.exp(-elapsed / SMOOTHED_MS);
    return Math.round((this.#fadedAt(now) * 1000) / (SMOOTHED_MS * part));
  }

  #fadedAt(now: number): number {
    return this.#recent * Math.exp(-(now - this.#countedAt) / SMOOTHED_MS);
  }
}
