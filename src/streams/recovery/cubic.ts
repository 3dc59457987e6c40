/** CUBIC (RFC 9438), with HyStart++. Windows are bytes here, segments in the RFC: `datagramBytes` is between them. */
import {
  type CongestionController,
  type Feedback,
  INITIAL_WINDOW,
  MAXIMUM_WINDOW_BYTES,
  MINIMUM_WINDOW,
} from './congestion-controller.ts';
import { HyStart } from './hystart.ts';

/** Segments per second³. */
const C = 0.4;
const BETA = 0.7;
/** α of §4.3: what makes the window of Reno grow with this β as fast as with one half. */
const RENO_ALPHA = (3 * (1 - BETA)) / (1 + BETA);
/** A little more than the window each round trip, so that pacing is not what limits; in slow start it doubles (RFC 9002 §7.7). */
const PACING_GAIN = 1.25;
const SLOW_START_PACING_GAIN = 2;

/** W_cubic(t) of §4.2, in segments: t and K in seconds. */
export function cubicWindow(seconds: number, k: number, wMax: number): number {
  return C * (seconds - k) ** 3 + wMax;
}

/** K of §4.2, in seconds: when the window is back at W_max. */
export function cubicK(wMax: number, cwndEpoch: number): number {
  return wMax <= cwndEpoch ? 0 : Math.cbrt((wMax - cwndEpoch) / C);
}

/** What a congestion event changed, for the case that there was none (§4.9.2). */
interface Before {
  readonly cwnd: number;
  readonly ssthresh: number;
  readonly wMax: number;
  readonly k: number;
  readonly epochAt: number;
  readonly wEstimate: number;
}

export class Cubic implements CongestionController {
  readonly name = 'cubic';
  #datagramBytes = 1;
  #cwnd = INITIAL_WINDOW;
  #ssthresh = Number.POSITIVE_INFINITY;
  #smoothedMs = 0;
  #hystart = new HyStart();
  /** One congestion event a round trip: losses of what was sent before its end belong to it. */
  #recoveryEnd = -1;
  #cwndPrior = 0;
  #wMax = 0;
  #k = 0;
  /** NaN outside of an epoch of congestion avoidance. */
  #epochAt = Number.NaN;
  #wEstimate = 0;
  #lastAckAt = 0;
  #before: Before | null = null;
  /** Of the last congestion event, and not known to have come after all. */
  #lostOfEvent = 0;

  get cwnd(): number {
    return this.#cwnd;
  }

  get pacingRate(): number {
    if (this.#smoothedMs <= 0) return Number.POSITIVE_INFINITY;
    const gain = this.#cwnd < this.#ssthresh ? SLOW_START_PACING_GAIN : PACING_GAIN;
    return (gain * this.#cwnd) / this.#smoothedMs;
  }

  restart(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
    this.#cwnd = INITIAL_WINDOW * datagramBytes;
    this.#ssthresh = Number.POSITIVE_INFINITY;
    this.#smoothedMs = 0;
    this.#hystart = new HyStart();
    this.#recoveryEnd = -1;
    this.#cwndPrior = 0;
    this.#wMax = 0;
    this.#epochAt = Number.NaN;
    this.#before = null;
    this.#lostOfEvent = 0;
  }

  /** Begins in congestion avoidance, with a window that is known to be about right. */
  resume(datagramBytes: number, cwnd: number): void {
    this.restart(datagramBytes);
    this.#cwnd = Math.max(cwnd, this.#minimum);
    this.#ssthresh = this.#cwnd;
  }

  onFeedback(feedback: Feedback): void {
    this.#smoothedMs = feedback.smoothedMs;
    if (feedback.largestLost > this.#recoveryEnd) this.#onCongestion(feedback.largestSent);
    if (feedback.largestLost >= 0) this.#lostOfEvent += feedback.lostDatagrams;
    if (feedback.largestAcked > this.#recoveryEnd) this.#grow(feedback);
    this.#lastAckAt = feedback.now;
  }

  onPersistentCongestion(): void {
    this.#before = null;
    this.#cwnd = this.#minimum;
    this.#recoveryEnd = -1;
    this.#epochAt = Number.NaN;
  }

  onSpuriousLoss(datagrams: number): void {
    this.#lostOfEvent -= datagrams;
    const before = this.#before;
    if (before === null || this.#lostOfEvent > 0) return;
    this.#before = null;
    this.#recoveryEnd = -1;
    if (this.#cwnd >= before.cwnd) return;
    this.#cwnd = before.cwnd;
    this.#ssthresh = before.ssthresh;
    this.#wMax = before.wMax;
    this.#k = before.k;
    this.#epochAt = before.epochAt;
    this.#wEstimate = before.wEstimate;
  }

  get #minimum(): number {
    return MINIMUM_WINDOW * this.#datagramBytes;
  }

  /** §4.6 and §4.7. */
  #onCongestion(largestSent: number): void {
    this.#before = {
      cwnd: this.#cwnd,
      ssthresh: this.#ssthresh,
      wMax: this.#wMax,
      k: this.#k,
      epochAt: this.#epochAt,
      wEstimate: this.#wEstimate,
    };
    this.#lostOfEvent = 0;
    this.#recoveryEnd = largestSent;
    this.#cwndPrior = this.#cwnd;
    // Fast convergence: who comes down twice in a row makes room for somebody new.
    this.#wMax = this.#cwnd < this.#wMax ? (this.#cwnd * (1 + BETA)) / 2 : this.#cwnd;
    this.#cwnd = Math.max(this.#cwnd * BETA, this.#minimum);
    this.#ssthresh = this.#cwnd;
    this.#epochAt = Number.NaN;
  }

  #grow(feedback: Feedback): void {
    const isSlowStart = this.#cwnd < this.#ssthresh;
    if (!this.#isWindowLimited(feedback.priorInFlight, isSlowStart)) {
      // Time in which the window was not asked for moves no curve (§5.8).
      this.#epochAt += feedback.now - this.#lastAckAt;
      return;
    }
    if (isSlowStart) {
      if (this.#hystart.onAck(feedback.rttMs, feedback.largestAcked, feedback.largestSent))
        this.#ssthresh = this.#cwnd;
      this.#cwnd = Math.min(this.#cwnd + feedback.ackedBytes / this.#hystart.growthDivisor, this.#ssthresh);
    } else this.#avoidCongestion(feedback.ackedBytes, feedback.now);
    this.#cwnd = Math.min(this.#cwnd, MAXIMUM_WINDOW_BYTES);
  }

  /** What goes in clumps seldom fills the window to the last byte; in slow start half of it shows that it is wanted. */
  #isWindowLimited(inFlight: number, isSlowStart: boolean): boolean {
    return (
      inFlight >= this.#cwnd * (isSlowStart ? 0.5 : 0.875) || inFlight + 4 * this.#datagramBytes >= this.#cwnd
    );
  }

  /** §4.2 to §4.5. */
  #avoidCongestion(ackedBytes: number, now: number): void {
    const segment = this.#datagramBytes;
    if (Number.isNaN(this.#epochAt)) {
      this.#epochAt = now;
      // After a slow start that found no loss there is no plateau to come back to.
      if (this.#wMax < this.#cwnd) this.#wMax = this.#cwnd;
      this.#k = cubicK(this.#wMax / segment, this.#cwnd / segment);
      this.#wEstimate = this.#cwnd;
    }
    const seconds = (now - this.#epochAt) / 1000;
    const alpha = this.#wEstimate >= this.#cwndPrior ? 1 : RENO_ALPHA;
    this.#wEstimate += (alpha * segment * ackedBytes) / this.#cwnd;
    const wMax = this.#wMax / segment;
    if (segment * cubicWindow(seconds, this.#k, wMax) < this.#wEstimate) {
      this.#cwnd = Math.max(this.#cwnd, this.#wEstimate);
      return;
    }
    const ahead = segment * cubicWindow(seconds + this.#smoothedMs / 1000, this.#k, wMax);
    const target = Math.max(this.#cwnd, Math.min(ahead, 1.5 * this.#cwnd));
    this.#cwnd += ((target - this.#cwnd) * ackedBytes) / this.#cwnd;
  }
}
