/** Retransmission time-out of RFC 6298, with this protocol's bounds (PROTOCOL §9.1). */
const INITIAL_RTO_MS = 500;
const MIN_RTO_MS = 50;
const MAX_RTO_MS = 5_000;
const MAX_DOUBLINGS = 10;

export class RttEstimator {
  #smoothed: number | null = null;
  #variation = 0;
  /** Doublings kept from time-outs until a clean sample (RFC 6298 §5.5 to §5.7): or a rise of the delay is never noticed. */
  #backoff = 0;

  /** Milliseconds; null before the first sample. */
  get smoothed(): number | null {
    return this.#smoothed;
  }

  /** A round trip of something that was sent once only (Karn's rule), in milliseconds. */
  sample(rtt: number): void {
    this.#backoff = 0;
    if (this.#smoothed === null) {
      this.#smoothed = rtt;
      this.#variation = rtt / 2;
      return;
    }
    this.#variation = 0.75 * this.#variation + 0.25 * Math.abs(this.#smoothed - rtt);
    this.#smoothed = 0.875 * this.#smoothed + 0.125 * rtt;
  }

  /** Something that was sent `tries` times was not answered in time. */
  timedOut(tries: number): void {
    this.#backoff = Math.max(this.#backoff, Math.min(tries, MAX_DOUBLINGS));
  }

  /** How long to wait after sending something for the `tries`-th time again (0 for the first time), in milliseconds. */
  rto(tries: number): number {
    const base = this.#smoothed === null ? INITIAL_RTO_MS : this.#smoothed + 4 * this.#variation;
    return Math.min(
      MAX_RTO_MS,
      Math.max(MIN_RTO_MS, base) * 2 ** Math.max(this.#backoff, Math.min(tries, MAX_DOUBLINGS)),
    );
  }
}
