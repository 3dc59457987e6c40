/** Spreads datagrams over time: a token bucket of bytes (RFC 9002 §7.7). */

/** Timers are late by one or two milliseconds: what was saved up meanwhile may go at once. */
const BURST_MS = 2;
const BURST_DATAGRAMS = 10;

export class Pacer {
  readonly #leastBurst: number;
  /** Below zero after a datagram larger than what was left: any size may go once there is something in it. */
  #tokens: number;
  #filledAt = Number.NEGATIVE_INFINITY;

  constructor(datagramBytes: number) {
    this.#leastBurst = BURST_DATAGRAMS * datagramBytes;
    this.#tokens = this.#leastBurst;
  }

  /** When the next datagram may go, at that rate in bytes per millisecond. */
  nextSendAt(rate: number, now: number): number {
    this.#fill(rate, now);
    return this.#tokens > 0 ? now : now - (this.#tokens - 1) / rate;
  }

  onSent(bytes: number, rate: number, now: number): void {
    this.#fill(rate, now);
    this.#tokens -= bytes;
  }

  #fill(rate: number, now: number): void {
    if (now <= this.#filledAt && rate !== Number.POSITIVE_INFINITY) return;
    const burst = Math.max(this.#leastBurst, rate * BURST_MS);
    const filled = this.#tokens + rate * (now - this.#filledAt);
    this.#tokens = rate === Number.POSITIVE_INFINITY ? this.#leastBurst : Math.min(burst, filled);
    this.#filledAt = now;
  }
}
