/** The round-trip time of RFC 9002 §5, in milliseconds. */

/** kInitialRtt of RFC 9002 §6.2.2, for a path that nothing is known of. */
const INITIAL_RTT_MS = 333;
/** kGranularity of RFC 9002 §6.1.2. */
export const GRANULARITY_MS = 1;
/** max_ack_delay: more than receivers mean to wait, since event loops are late. */
const MAX_ACK_DELAY_MS = 25;

export class RoundTrip {
  readonly #initialMs: number;
  #smoothedMs: number | null = null;
  #variationMs: number;
  #minMs = Number.POSITIVE_INFINITY;
  #latestMs: number;
  #firstSampleAt = Number.POSITIVE_INFINITY;

  /** @param initialMs what is known of the path before anything was measured, such as from the handshake */
  constructor(initialMs: number = INITIAL_RTT_MS) {
    this.#initialMs = initialMs;
    this.#latestMs = initialMs;
    this.#variationMs = initialMs / 2;
  }

  /** Null before the first sample. */
  get smoothedMs(): number | null {
    return this.#smoothedMs;
  }

  get variationMs(): number {
    return this.#variationMs;
  }

  /** Infinity before the first sample. */
  get minMs(): number {
    return this.#minMs;
  }

  /** Infinity before the first sample. */
  get firstSampleAt(): number {
    return this.#firstSampleAt;
  }

  /** A datagram was acknowledged that long after it was sent; the receiver says it held it for `delayMs` of that. */
  sample(latestMs: number, delayMs: number, now: number): void {
    this.#latestMs = latestMs;
    this.#minMs = Math.min(this.#minMs, latestMs);
    if (this.#smoothedMs === null) {
      this.#smoothedMs = latestMs;
      this.#variationMs = latestMs / 2;
      this.#firstSampleAt = now;
      return;
    }
    const delay = Math.min(delayMs, MAX_ACK_DELAY_MS);
    const adjusted = latestMs >= this.#minMs + delay ? latestMs - delay : latestMs;
    this.#variationMs = 0.75 * this.#variationMs + 0.25 * Math.abs(this.#smoothedMs - adjusted);
    this.#smoothedMs = 0.875 * this.#smoothedMs + 0.125 * adjusted;
  }

  /** After persistent congestion the path may be another one (§5.2). */
  forgetMin(): void {
    this.#minMs = this.#latestMs;
  }

  /** How much later than the newest acknowledged one a datagram may be before it is lost, before reordering is allowed for (§6.1.2). */
  get lateMs(): number {
    return Math.max(this.#smoothedMs ?? this.#initialMs, this.#latestMs);
  }

  /** The probe time-out, not backed off (§6.2.1). */
  get probeTimeoutMs(): number {
    const smoothed = this.#smoothedMs ?? this.#initialMs;
    return smoothed + Math.max(4 * this.#variationMs, GRANULARITY_MS) + MAX_ACK_DELAY_MS;
  }
}
