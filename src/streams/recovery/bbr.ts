/**
 * A model-based controller after BBR (draft-ietf-ccwg-bbr): it measures what the path delivers and its shortest round
 * trip, and keeps about that product in flight. Losses slow it only where they are more than a path that merely loses
 * now and then would show.
 *
 * A flow like this starves beside one that fills the queue until it overflows, or starves that one, by what it holds
 * the shortest round trip to be. So where a queue stays that is not its own, it competes as that one does, with CUBIC,
 * until the queue is gone.
 */
import {
  type CongestionController,
  type Feedback,
  INITIAL_WINDOW,
  MAXIMUM_WINDOW_BYTES,
  MINIMUM_WINDOW,
} from './congestion-controller.ts';
import { Cubic } from './cubic.ts';
import { WindowedMax } from './windowed-max.ts';

/** 4 · ln 2: the least that doubles what is delivered each round trip. */
const STARTUP_GAIN = 2.77;
const DRAIN_GAIN = 0.5;
const CWND_GAIN = 2;
const UP_GAIN = 1.25;
const DOWN_GAIN = 0.75;
/** The queue that does not drain within these is not ours. */
const DRAIN_ROUNDS = 3;
/** A little below what is delivered, so that a queue does not stay. */
const PACING_MARGIN = 0.99;
const FILTER_ROUNDS = 10;
const MIN_RTT_WINDOW_MS = 5_000;
/** A round trip that close to the shortest confirms it. */
const CONFIRMS_MIN_RTT = 17 / 16;
const PROBE_RTT_MS = 200;
const PROBE_RTT_GAIN = 0.5;
/** Between two tries for more: so many round trips and a little, and not longer than that. */
const CRUISE_ROUNDS = 30;
const MIN_CRUISE_MS = 100;
const MAX_CRUISE_MS = 1_000;
/** A try that brought so much is followed by the next at once; and one that brought so much by another startup. */
const UP_GROWTH = 1.1;
const STARTUP_GROWTH = 1.2;
/** Of a round's datagrams lost, what is too many; some more, since chance has its way with few. */
const LOSS_THRESHOLD = 0.02;
const LOSS_ALLOWANCE = 6;
const BETA = 0.7;
/** A queue of others: each round trip of so many rounds is longer than the shortest by that factor, and by so much. */
const RIVAL_ROUNDS = 3;
const RIVAL_RTT = 1.25;
const RIVAL_RTT_MS = 5;
/** And it is gone once a round has had one as short as this. */
const ALONE_RTT = 1.1;
const ALONE_RTT_MS = 1;
/** Queues of rivals swing; round trips that stay within this are those of a path that has become longer. */
const STEADY_RTT = 1.1;
const FULL_PIPE_GROWTH = 1.25;
const FULL_PIPE_ROUNDS = 3;
/** Where round trips are short, a program that only begins is slower than the path for more than three of them. */
const FULL_PIPE_MS = 150;
/** Acknowledgements come in clumps, since event loops turn: so much of the rate may be in flight besides. */
const CLUMP_MS = 2;
const MAX_EXTRA_ACKED_MS = 100;

type Phase = 'startup' | 'drain' | 'down' | 'cruise' | 'up' | 'compete' | 'probe-rtt';

export class Bbr implements CongestionController {
  readonly name = 'bbr';
  #datagramBytes = 1;
  #phase: Phase = 'startup';
  #phaseAt = 0;
  #cwnd = INITIAL_WINDOW;
  /** Bytes per millisecond. */
  #bandwidth = new WindowedMax(FILTER_ROUNDS);
  #minRttMs = Number.POSITIVE_INFINITY;
  #minRttAt = 0;
  #smoothedMs = 0;
  /** What was found to be too much in flight, less a margin; Infinity if nothing was. */
  #inflightHigh = Number.POSITIVE_INFINITY;
  /** What it was before the last cut, in case the losses were none. */
  #inflightHighBefore = Number.POSITIVE_INFINITY;

  #rounds = 0;
  #roundEndsAtDelivered = 0;
  #roundBeganAtDelivered = 0;
  #phaseRound = 0;
  #lostInRound = 0;
  #mostInFlightInRound = 0;
  #minRttInRound = Number.POSITIVE_INFINITY;
  /** Rounds in a row with a queue that is not ours. */
  #queuedRounds = 0;
  readonly #cubic = new Cubic();
  #competedBefore = false;
  /** Of the rounds since it began to compete, or since the last probe of the round trip. */
  #shortestQueuedMs = Number.POSITIVE_INFINITY;
  #longestQueuedMs = 0;
  /** Losses of what was sent before the last cut belong to it. */
  #cutEnd = -1;

  /** The bandwidth as the last try for more began. */
  #triedFrom = 0;
  #fullBandwidth = 0;
  #fullRounds = 0;
  #fullAt = 0;

  #extraAcked = new WindowedMax(FILTER_ROUNDS);
  #clumpAt = 0;
  #clumpBytes = 0;

  get cwnd(): number {
    return this.#phase === 'compete' ? this.#cubic.cwnd : this.#cwnd;
  }

  get pacingRate(): number {
    const bandwidth = this.#bandwidth.max;
    if (this.#phase === 'compete') return this.#cubic.pacingRate;
    if (bandwidth > 0) return this.#pacingGain * PACING_MARGIN * bandwidth;
    return this.#smoothedMs > 0 ? (STARTUP_GAIN * this.#cwnd) / this.#smoothedMs : Number.POSITIVE_INFINITY;
  }

  restart(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
    this.#phase = 'startup';
    this.#phaseAt = 0;
    this.#cwnd = INITIAL_WINDOW * datagramBytes;
    this.#bandwidth = new WindowedMax(FILTER_ROUNDS);
    this.#minRttMs = Number.POSITIVE_INFINITY;
    this.#minRttAt = 0;
    this.#smoothedMs = 0;
    this.#inflightHigh = Number.POSITIVE_INFINITY;
    this.#inflightHighBefore = Number.POSITIVE_INFINITY;
    this.#rounds = 0;
    this.#roundEndsAtDelivered = 0;
    this.#roundBeganAtDelivered = 0;
    this.#phaseRound = 0;
    this.#lostInRound = 0;
    this.#mostInFlightInRound = 0;
    this.#minRttInRound = Number.POSITIVE_INFINITY;
    this.#queuedRounds = 0;
    this.#competedBefore = false;
    this.#cubic.restart(datagramBytes);
    this.#cutEnd = -1;
    this.#triedFrom = 0;
    this.#fullBandwidth = 0;
    this.#fullRounds = 0;
    this.#fullAt = 0;
    this.#extraAcked = new WindowedMax(FILTER_ROUNDS);
    this.#clumpAt = 0;
    this.#clumpBytes = 0;
  }

  onFeedback(feedback: Feedback): void {
    this.#smoothedMs = feedback.smoothedMs;
    this.#mostInFlightInRound = Math.max(this.#mostInFlightInRound, feedback.priorInFlight);
    if (feedback.largestLost > this.#cutEnd) this.#lostInRound += feedback.lostBytes;
    if (feedback.ackedBytes > 0) {
      const isRound = feedback.priorDelivered >= this.#roundEndsAtDelivered;
      if (isRound) this.#rounds++;
      this.#measure(feedback);
      if (isRound && this.#phase === 'startup') this.#lookForFullPipe(feedback);
      this.#checkLoss(feedback);
      if (isRound) {
        this.#lookForRivals(feedback);
        this.#beginRound(feedback.delivered);
      }
      this.#movePhase(feedback);
    } else this.#checkLoss(feedback);
    if (this.#phase === 'compete') this.#cubic.onFeedback(feedback);
    else this.#setWindow(feedback);
  }

  onPersistentCongestion(): void {
    this.#cwnd = MINIMUM_WINDOW * this.#datagramBytes;
    this.#cubic.onPersistentCongestion();
  }

  onSpuriousLoss(datagrams: number): void {
    if (this.#phase === 'compete') this.#cubic.onSpuriousLoss(datagrams);
    this.#lostInRound = Math.max(0, this.#lostInRound - datagrams * this.#datagramBytes);
    this.#inflightHigh = Math.max(this.#inflightHigh, this.#inflightHighBefore);
  }

  get #pacingGain(): number {
    switch (this.#phase) {
      case 'startup':
        return STARTUP_GAIN;
      case 'drain':
        return DRAIN_GAIN;
      case 'up':
        return UP_GAIN;
      case 'down':
        return DOWN_GAIN;
      default:
        return 1;
    }
  }

  /** What the path holds without a queue. */
  get #product(): number {
    return this.#minRttMs === Number.POSITIVE_INFINITY ? 0 : this.#bandwidth.max * this.#minRttMs;
  }

  #measure(feedback: Feedback): void {
    const { now, rttMs, deliveryRate, ackedBytes } = feedback;
    if (rttMs > 0) {
      if (rttMs <= this.#minRttMs * CONFIRMS_MIN_RTT) this.#minRttAt = now;
      this.#minRttMs = Math.min(this.#minRttMs, rttMs);
      this.#minRttInRound = Math.min(this.#minRttInRound, rttMs);
    }
    if (deliveryRate > 0 && (!feedback.isApplicationLimited || deliveryRate >= this.#bandwidth.max))
      this.#bandwidth.add(deliveryRate, this.#rounds);
    const expected = this.#bandwidth.max * (now - this.#clumpAt);
    if (this.#clumpBytes <= expected) {
      this.#clumpAt = now;
      this.#clumpBytes = ackedBytes;
      this.#extraAcked.add(0, this.#rounds);
    } else {
      this.#clumpBytes += ackedBytes;
      const extra = Math.min(this.#clumpBytes - expected, this.#bandwidth.max * MAX_EXTRA_ACKED_MS);
      this.#extraAcked.add(Math.min(extra, this.#cwnd), this.#rounds);
    }
  }

  #beginRound(delivered: number): void {
    this.#roundBeganAtDelivered = delivered;
    this.#roundEndsAtDelivered = delivered;
    this.#lostInRound = 0;
    this.#mostInFlightInRound = 0;
    this.#minRttInRound = Number.POSITIVE_INFINITY;
  }

  /** At the end of a round: is there a queue, though we have let ours drain? */
  #lookForRivals({ now }: Feedback): void {
    const least = this.#minRttInRound;
    if (least === Number.POSITIVE_INFINITY) return;
    if (this.#phase === 'compete') {
      this.#shortestQueuedMs = Math.min(this.#shortestQueuedMs, least);
      this.#longestQueuedMs = Math.max(this.#longestQueuedMs, least);
      if (least <= this.#minRttMs * ALONE_RTT + ALONE_RTT_MS) this.#enter('down', now);
    } else if (this.#phase === 'cruise') {
      const long = Math.max(this.#minRttMs * RIVAL_RTT, this.#minRttMs + RIVAL_RTT_MS);
      this.#queuedRounds = least > long ? this.#queuedRounds + 1 : 0;
      if (this.#queuedRounds < RIVAL_ROUNDS) return;
      // What we had of the path before we let it drain, at the round trip that it has now.
      this.#cubic.resume(this.#datagramBytes, this.#bandwidth.max * this.#smoothedMs);
      this.#enter('compete', now);
      // Time enough to see its queue swing before the next probe of the round trip.
      this.#minRttAt = now;
    }
  }

  #lookForFullPipe(feedback: Feedback): void {
    if (feedback.isApplicationLimited) return;
    if (this.#bandwidth.max >= this.#fullBandwidth * FULL_PIPE_GROWTH) {
      this.#fullBandwidth = this.#bandwidth.max;
      this.#fullRounds = 0;
      this.#fullAt = feedback.now;
      return;
    }
    const isLong = feedback.now - this.#fullAt >= FULL_PIPE_MS;
    if (++this.#fullRounds >= FULL_PIPE_ROUNDS && isLong) this.#enter('drain', feedback.now);
  }

  #checkLoss(feedback: Feedback): void {
    if (this.#lostInRound === 0 || this.#phase === 'compete') return;
    const deliveredInRound = feedback.delivered - this.#roundBeganAtDelivered;
    const tooMany =
      LOSS_THRESHOLD * (deliveredInRound + this.#lostInRound) + LOSS_ALLOWANCE * this.#datagramBytes;
    if (this.#lostInRound <= tooMany) return;
    this.#cutEnd = feedback.largestSent;
    this.#inflightHighBefore = this.#inflightHigh;
    this.#lostInRound = 0;
    const inFlight = Math.min(this.#mostInFlightInRound, this.#inflightHigh);
    this.#inflightHigh = Math.max(BETA * inFlight, this.#product, MINIMUM_WINDOW * this.#datagramBytes);
    if (this.#phase === 'startup') this.#enter('drain', feedback.now);
    else if (this.#phase === 'up') this.#enter('down', feedback.now);
  }

  #enter(phase: Phase, now: number): void {
    this.#phase = phase;
    this.#phaseAt = now;
    this.#phaseRound = this.#rounds;
    this.#queuedRounds = 0;
    if (phase === 'compete') {
      this.#shortestQueuedMs = Number.POSITIVE_INFINITY;
      this.#longestQueuedMs = 0;
    }
    if (phase === 'up' || phase === 'drain') this.#triedFrom = this.#bandwidth.max;
  }

  #movePhase({ now, bytesInFlight, priorInFlight, ackedBytes }: Feedback): void {
    const product = this.#product;
    const elapsedMs = now - this.#phaseAt;
    if (this.#phase === 'drain' || this.#phase === 'down') {
      if (bytesInFlight <= product || this.#rounds - this.#phaseRound > DRAIN_ROUNDS)
        this.#enter('cruise', now);
    } else if (this.#phase === 'cruise') {
      const growth = this.#bandwidth.max / this.#triedFrom;
      // The path was never full: whoever began was slow, as programs are that have to warm up.
      if (growth >= STARTUP_GROWTH) {
        this.#fullBandwidth = this.#bandwidth.max;
        this.#fullRounds = 0;
        this.#enter('startup', now);
        return;
      }
      const hasGrown = growth >= UP_GROWTH;
      const cruiseMs = Math.min(MAX_CRUISE_MS, MIN_CRUISE_MS + CRUISE_ROUNDS * this.#minRttMs);
      if (hasGrown || elapsedMs >= cruiseMs) this.#enter('up', now);
    } else if (this.#phase === 'up') {
      if (priorInFlight + this.#datagramBytes >= this.#inflightHigh) this.#inflightHigh += ackedBytes / 4;
      if (elapsedMs > this.#minRttMs && priorInFlight >= UP_GAIN * product) this.#enter('down', now);
    } else if (this.#phase === 'probe-rtt') {
      if (elapsedMs < PROBE_RTT_MS || this.#rounds <= this.#phaseRound + 1) return;
      const isQueued = this.#competedBefore && this.#minRttAt < this.#phaseAt;
      const isLonger =
        isQueued && this.#longestQueuedMs > 0 && this.#longestQueuedMs <= STEADY_RTT * this.#shortestQueuedMs;
      if (isLonger) this.#minRttMs = this.#shortestQueuedMs;
      this.#enter(isQueued && !isLonger ? 'compete' : 'cruise', now);
      this.#minRttAt = now;
      return;
    }
    if (this.#phase !== 'startup' && now - this.#minRttAt > MIN_RTT_WINDOW_MS) {
      this.#competedBefore = this.#phase === 'compete';
      this.#enter('probe-rtt', now);
    }
  }

  #setWindow({ ackedBytes }: Feedback): void {
    const minimum = MINIMUM_WINDOW * this.#datagramBytes;
    const slack = this.#extraAcked.max + CLUMP_MS * this.#bandwidth.max;
    const target = CWND_GAIN * this.#product + slack + minimum;
    const least = this.#phase === 'startup' ? this.#cwnd : 0;
    this.#cwnd = Math.max(least, Math.min(this.#cwnd + ackedBytes, target));
    let most = Math.min(this.#inflightHigh, MAXIMUM_WINDOW_BYTES);
    if (this.#phase === 'probe-rtt') most = Math.min(most, PROBE_RTT_GAIN * this.#product);
    this.#cwnd = Math.max(Math.min(this.#cwnd, most), minimum);
  }
}
