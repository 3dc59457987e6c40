/**
 * Loss detection (RFC 9002) of one session's datagrams, and whether the next one may go: window and pacer.
 *
 * The counter of a datagram is its packet number. Counters rise, with holes: only datagrams that ask for an
 * acknowledgement are given here. `Content` is what the layer above needs to send something again.
 */
import { type Acknowledgement, isWellFormed } from './acks.ts';
import type { CongestionController, Feedback } from './congestion-controller.ts';
import { DeliveryRate } from './delivery-rate.ts';
import { LostCounters } from './lost-counters.ts';
import { Pacer } from './pacer.ts';
import { Reordering } from './reordering.ts';
import { GRANULARITY_MS, RoundTrip } from './round-trip.ts';
import { type SentDatagram, SentDatagrams } from './sent-datagrams.ts';

/** RFC 9002 §6.2.4. */
const PROBES = 2;
/** kPersistentCongestionThreshold of RFC 9002 §7.6.1, in probe time-outs. */
const PERSISTENT_CONGESTION = 3;
/** A path that comes back after hours is found within this. */
const MAX_PROBE_TIMEOUT_MS = 5_000;

export interface RecoveryOptions {
  readonly controller: CongestionController;
  /** What the initial window is counted in. */
  readonly maxDatagramBytes: number;
  /** The path's round trip as far as it is known already, such as from the handshake. */
  readonly initialRttMs?: number;
}

/** Mutable here, and only here. */
type Gathered = { -readonly [Key in keyof Feedback]: Feedback[Key] };

export class Recovery<Content> {
  readonly #controller: CongestionController;
  readonly #maxDatagramBytes: number;
  readonly #sent = new SentDatagrams<Content>();
  readonly #lost = new LostCounters();
  readonly #feedback: Gathered;
  #roundTrip: RoundTrip;
  #rate = new DeliveryRate();
  #reordering = new Reordering();
  #pacer: Pacer;
  #bytesInFlight = 0;
  #largestSent = -1;
  #largestAcked = -1;
  /** What was sent before the path changed counts neither for the window nor as a measurement. */
  #pathBegin = 0;
  #lastSentAt = 0;
  /** When time alone makes the oldest datagram in flight a lost one; Infinity if nothing later was acknowledged. */
  #lossAt = Number.POSITIVE_INFINITY;
  #ptoCount = 0;
  #probesDue = 0;
  #ackedDatagrams = 0;
  #lostDatagrams = 0;
  #spuriousLosses = 0;
  /** When the first of the latest run of lost datagrams, with none acknowledged between them, was sent. */
  #lostRunSentAt = Number.POSITIVE_INFINITY;

  constructor(options: RecoveryOptions) {
    this.#controller = options.controller;
    this.#maxDatagramBytes = options.maxDatagramBytes;
    this.#controller.restart(options.maxDatagramBytes);
    this.#roundTrip = new RoundTrip(options.initialRttMs);
    this.#pacer = new Pacer(options.maxDatagramBytes);
    this.#feedback = nothing();
  }

  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  get rtt(): { readonly smoothedMs: number | null; readonly minMs: number; readonly variationMs: number } {
    return this.#roundTrip;
  }

  /** Time-outs in a row without an acknowledgement. */
  get ptoCount(): number {
    return this.#ptoCount;
  }

  get ackedDatagrams(): number {
    return this.#ackedDatagrams;
  }

  /** Declared lost, including those that came after all. */
  get lostDatagrams(): number {
    return this.#lostDatagrams;
  }

  /** Of `lostDatagrams`, those that came after all. */
  get spuriousLosses(): number {
    return this.#spuriousLosses;
  }

  /** Whether a datagram of that many bytes may go now. Probes always may. */
  maySend(bytes: number, now: number): boolean {
    return this.nextSendAt(bytes, now) <= now;
  }

  /** When the pacer lets it go; Infinity if it has to wait for acknowledgements instead. */
  nextSendAt(bytes: number, now: number): number {
    if (this.#probesDue > 0) return now;
    // A datagram larger than a small window goes alone.
    if (this.#bytesInFlight > 0 && this.#bytesInFlight + bytes > this.#controller.cwnd)
      return Number.POSITIVE_INFINITY;
    return this.#pacer.nextSendAt(this.#controller.pacingRate, now);
  }

  /** A datagram leaves; its counter is larger than those before it. */
  onSent(counter: number, bytes: number, content: Content, now: number): void {
    const sent = this.#sent.append(counter, bytes, content, now);
    this.#rate.onSent(sent, this.#bytesInFlight === 0);
    this.#pacer.onSent(bytes, this.#controller.pacingRate, now);
    this.#bytesInFlight += bytes;
    this.#largestSent = counter;
    this.#lastSentAt = now;
    if (this.#probesDue > 0) this.#probesDue--;
  }

  /** There is nothing more to send, though window and pacer would allow it. */
  onApplicationLimited(): void {
    this.#rate.onApplicationLimited(this.#bytesInFlight);
  }

  /**
   * What came and what is lost by it; null, and nothing is changed, for an acknowledgement that nobody honest makes.
   * Each content is given back once, here or by `timeout`.
   */
  onAck(ack: Acknowledgement, now: number): { acked: Content[]; lost: Content[] } | null {
    if (!isWellFormed(ack, this.#largestSent)) return null;
    const acked: Content[] = [];
    const lost: Content[] = [];
    this.#begin(now);
    const wasSpurious = !this.#lost.isEmpty && this.#findSpurious(ack.ranges, now);
    this.#largestAcked = Math.max(this.#largestAcked, ack.largest);
    this.#takeAcked(ack, acked, now);
    if (acked.length > 0) {
      this.#ptoCount = 0;
      this.#probesDue = 0;
    }
    // A spurious loss moves the deadlines of others.
    if (acked.length > 0 || wasSpurious) this.#end(this.#detectLost(lost, now));
    return { acked, lost };
  }

  /** When to call `timeout`; Infinity while nothing is in flight. */
  nextTimeout(): number {
    if (this.#sent.head === null) return Number.POSITIVE_INFINITY;
    if (this.#lossAt !== Number.POSITIVE_INFINITY) return this.#lossAt;
    const timeoutMs = this.#roundTrip.probeTimeoutMs * 2 ** this.#ptoCount;
    return this.#lastSentAt + Math.min(timeoutMs, MAX_PROBE_TIMEOUT_MS);
  }

  /**
   * What time alone has lost; or contents to repeat in probes, which stay in flight as they are. New data does as
   * well for a probe.
   */
  timeout(now: number): { lost: Content[]; probes: Content[] } {
    const lost: Content[] = [];
    const probes: Content[] = [];
    if (now < this.nextTimeout()) return { lost, probes };
    if (this.#lossAt !== Number.POSITIVE_INFINITY) {
      this.#begin(now);
      this.#end(this.#detectLost(lost, now));
      return { lost, probes };
    }
    // 2^20 of the shortest time-out is past the longest.
    this.#ptoCount = Math.min(this.#ptoCount + 1, 20);
    this.#probesDue = PROBES;
    // The next time-out counts from now even if nobody sends a probe.
    this.#lastSentAt = now;
    for (let sent = this.#sent.head; sent !== null && probes.length < PROBES; sent = sent.next)
      probes.push(sent.content as Content);
    return { lost, probes };
  }

  /** Nobody answers: what is in flight is awaited no longer, and of the path nothing is known. */
  abandon(now: number): void {
    this.#sent.clear();
    this.onPathChange(now);
  }

  /** The other side is reached another way now (RFC 9000 §9.4): what was learnt of the old path says nothing. */
  onPathChange(now: number): void {
    this.#controller.restart(this.#maxDatagramBytes);
    this.#roundTrip = new RoundTrip();
    this.#rate = new DeliveryRate();
    this.#reordering = new Reordering();
    this.#pacer = new Pacer(this.#maxDatagramBytes);
    this.#lost.clear();
    this.#lossAt = Number.POSITIVE_INFINITY;
    this.#bytesInFlight = 0;
    this.#pathBegin = this.#largestSent + 1;
    this.#ptoCount = 0;
    this.#lastSentAt = now;
    this.#lostRunSentAt = Number.POSITIVE_INFINITY;
  }

  #takeAcked(ack: Acknowledgement, acked: Content[], now: number): void {
    const { ranges, largest } = ack;
    let range = ranges.length - 2;
    let previous: SentDatagram<Content> | null = null;
    let sent = this.#sent.head;
    while (sent !== null && sent.counter <= largest) {
      const { counter } = sent;
      while ((ranges[range + 1] as number) < counter) range -= 2;
      if (counter < (ranges[range] as number)) {
        previous = sent;
        sent = sent.next;
        continue;
      }
      acked.push(sent.content as Content);
      this.#ackedDatagrams++;
      if (counter >= this.#pathBegin) {
        this.#rate.onAcked(sent, now);
        this.#feedback.ackedBytes += sent.bytes;
        this.#feedback.largestAcked = counter;
        if (counter === largest) this.#sampleRoundTrip(now - sent.sentAt, ack.delayMs, now);
      }
      sent = this.#sent.remove(previous, sent, true);
    }
  }

  #sampleRoundTrip(latestMs: number, delayMs: number, now: number): void {
    if (latestMs < 0) return;
    this.#roundTrip.sample(latestMs, delayMs, now);
    this.#feedback.rttMs = latestMs;
  }

  /**
   * RFC 9002 §6.1.
   * @returns whether it is persistent congestion
   */
  #detectLost(lost: Content[], now: number): boolean {
    this.#lossAt = Number.POSITIVE_INFINITY;
    const lateMs = Math.max(this.#roundTrip.lateMs * this.#reordering.roundTrips, GRANULARITY_MS);
    const lostCounter = this.#largestAcked - this.#reordering.datagrams;
    let sent = this.#sent.head;
    let isPersistent = false;
    while (sent !== null && sent.counter < this.#largestAcked) {
      if (sent.counter > lostCounter && sent.sentAt + lateMs > now) {
        this.#lossAt = sent.sentAt + lateMs;
        break;
      }
      lost.push(sent.content as Content);
      this.#lostDatagrams++;
      this.#lost.add(sent.counter, now);
      if (sent.counter >= this.#pathBegin) {
        this.#feedback.lostBytes += sent.bytes;
        this.#feedback.lostDatagrams++;
        this.#feedback.largestLost = sent.counter;
        isPersistent = this.#extendsPersistentCongestion(sent) || isPersistent;
      }
      sent = this.#sent.remove(null, sent, false);
    }
    return isPersistent;
  }

  /** RFC 9002 §7.6.2: two lost ones far apart, with none acknowledged that was sent between them. */
  #extendsPersistentCongestion(sent: SentDatagram<Content>): boolean {
    if (sent.followsAcked || this.#lostRunSentAt === Number.POSITIVE_INFINITY)
      this.#lostRunSentAt = sent.sentAt;
    const durationMs = PERSISTENT_CONGESTION * this.#roundTrip.probeTimeoutMs;
    return (
      this.#lostRunSentAt > this.#roundTrip.firstSampleAt && sent.sentAt - this.#lostRunSentAt > durationMs
    );
  }

  #findSpurious(ranges: readonly number[], now: number): boolean {
    let datagrams = 0;
    for (const counter of this.#lost.takeCovered(ranges, now)) {
      this.#spuriousLosses++;
      datagrams++;
      this.#reordering.onSpuriousLoss(this.#largestAcked - counter);
    }
    if (datagrams > 0) this.#controller.onSpuriousLoss(datagrams);
    return datagrams > 0;
  }

  #begin(now: number): void {
    const feedback = this.#feedback;
    feedback.now = now;
    feedback.ackedBytes = 0;
    feedback.largestAcked = -1;
    feedback.lostBytes = 0;
    feedback.lostDatagrams = 0;
    feedback.largestLost = -1;
    feedback.rttMs = 0;
    this.#rate.begin();
  }

  #end(isPersistentCongestion: boolean): void {
    const feedback = this.#feedback;
    feedback.priorInFlight = this.#bytesInFlight;
    this.#bytesInFlight -= feedback.ackedBytes + feedback.lostBytes;
    feedback.bytesInFlight = this.#bytesInFlight;
    feedback.largestSent = this.#largestSent;
    feedback.smoothedMs = this.#roundTrip.smoothedMs ?? 0;
    feedback.deliveryRate = this.#rate.end(this.#roundTrip.minMs);
    feedback.delivered = this.#rate.delivered;
    feedback.priorDelivered = this.#rate.priorDelivered;
    feedback.isApplicationLimited = this.#rate.isApplicationLimited;
    if (feedback.ackedBytes + feedback.lostBytes > 0) this.#controller.onFeedback(feedback);
    if (!isPersistentCongestion) return;
    this.#lostRunSentAt = Number.POSITIVE_INFINITY;
    this.#roundTrip.forgetMin();
    this.#controller.onPersistentCongestion();
  }
}

function nothing(): Gathered {
  return {
    now: 0,
    ackedBytes: 0,
    largestAcked: -1,
    lostBytes: 0,
    lostDatagrams: 0,
    largestLost: -1,
    largestSent: -1,
    priorInFlight: 0,
    bytesInFlight: 0,
    rttMs: 0,
    smoothedMs: 0,
    delivered: 0,
    priorDelivered: 0,
    deliveryRate: 0,
    isApplicationLimited: false,
  };
}
