/** HyStart++ (RFC 9406): leaves slow start when round trips grow, before the queue overflows. */

const MIN_RTT_THRESH_MS = 4;
const MAX_RTT_THRESH_MS = 16;
const MIN_RTT_DIVISOR = 8;
const N_RTT_SAMPLE = 8;
const CSS_GROWTH_DIVISOR = 4;
const CSS_ROUNDS = 5;

export class HyStart {
  #roundEnd = -1;
  #lastRoundMinMs = Number.POSITIVE_INFINITY;
  #roundMinMs = Number.POSITIVE_INFINITY;
  #samples = 0;
  /** Conservative slow start: the round trip it began with, and its rounds; Infinity outside it. */
  #cssBaselineMs = Number.POSITIVE_INFINITY;
  #cssRounds = 0;

  /** What acknowledged bytes are divided by before they are added to the window. */
  get growthDivisor(): number {
    return this.#cssBaselineMs === Number.POSITIVE_INFINITY ? 1 : CSS_GROWTH_DIVISOR;
  }

  /**
   * An acknowledgement during slow start, with the round trip it measured (0 if none).
   * @returns whether slow start is over
   */
  onAck(rttMs: number, largestAcked: number, largestSent: number): boolean {
    if (largestAcked > this.#roundEnd && this.#beginRound(largestSent)) return true;
    if (rttMs <= 0) return false;
    this.#roundMinMs = Math.min(this.#roundMinMs, rttMs);
    if (++this.#samples < N_RTT_SAMPLE) return false;
    if (this.#cssBaselineMs !== Number.POSITIVE_INFINITY) {
      // The rise was a passing one.
      if (this.#roundMinMs < this.#cssBaselineMs) this.#cssBaselineMs = Number.POSITIVE_INFINITY;
    } else if (this.#lastRoundMinMs !== Number.POSITIVE_INFINITY) {
      const eighth = this.#lastRoundMinMs / MIN_RTT_DIVISOR;
      const threshold = Math.max(MIN_RTT_THRESH_MS, Math.min(eighth, MAX_RTT_THRESH_MS));
      if (this.#roundMinMs >= this.#lastRoundMinMs + threshold) {
        this.#cssBaselineMs = this.#roundMinMs;
        this.#cssRounds = 0;
      }
    }
    return false;
  }

  #beginRound(largestSent: number): boolean {
    this.#roundEnd = largestSent;
    this.#lastRoundMinMs = this.#roundMinMs;
    this.#roundMinMs = Number.POSITIVE_INFINITY;
    this.#samples = 0;
    return this.#cssBaselineMs !== Number.POSITIVE_INFINITY && ++this.#cssRounds >= CSS_ROUNDS;
  }
}
