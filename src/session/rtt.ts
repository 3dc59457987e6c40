/** Retransmission time-out of RFC 6298, with this protocol's bounds (PROTOCOL §9.1). */
const INITIAL_RTO_MS = 500;
const MIN_RTO_MS = 50;
const MAX_RTO_MS = 5_000;
const MAX_DOUBLINGS = 10;
/** G of RFC 6298 §2.3: what an event loop may be late by. */
const GRANULARITY_MS = 10;

export class RttEstimator {
  #smoothed: number | null = null;
  #variation = 0;
  /** Kept from time-outs until a clean sample (RFC 6298 §5.5 to §5.7): or a rise of the delay is never noticed. */
  #doublings = 0;

  /** Milliseconds; null before the first sample. */
  get smoothed(): number | null {
    return this.#smoothed;
  }

  /** A round trip of something that was sent once only (Karn's rule), in milliseconds. */
  sample(rtt: number): void {
    this.#doublings = 0;
    if (this.#smoothed === null) {
      this.#smoothed = rtt;
      this.#variation = rtt / 2;
      return;
    }
    this.#variation = 0.75 * this.#variation + 0.25 * Math.abs(this.#smoothed - rtt);
    this.#smoothed = 0.875 * this.#smoothed + 0.125 * rtt;
  }

  /** How often the time-out is to be doubled for something that was sent `tries` times before. */
  doublings(tries: number): number {
    return Math.min(MAX_DOUBLINGS, Math.max(this.#doublings, tries));
  }

  /**
   * How long to wait for an answer, in milliseconds.
   * @param least what is known of the way by something else, and cannot be trusted to be short
   */
  rto(doublings: number, least = 0): number {
    const base =
      this.#smoothed === null
        ? INITIAL_RTO_MS
        : this.#smoothed + Math.max(GRANULARITY_MS, 4 * this.#variation);
    return Math.min(MAX_RTO_MS, Math.max(least, Math.max(MIN_RTO_MS, base) * 2 ** doublings));
  }

  /** Nothing came within `rto(doublings)`. However many things wait at once, it counts once. */
  timedOut(doublings: number): void {
    this.#doublings = Math.max(this.#doublings, doublings + 1);
  }
}
