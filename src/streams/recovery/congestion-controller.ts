/** What decides how much may be in flight, and how fast it leaves. */

/** What one acknowledgement, or one time-out, has shown. The same object each time: nobody keeps it. */
export interface Feedback {
  readonly now: number;
  readonly ackedBytes: number;
  /** The largest counter newly acknowledged; −1 if there is none. */
  readonly largestAcked: number;
  readonly lostBytes: number;
  readonly lostDatagrams: number;
  /** The largest counter newly lost; −1 if there is none. */
  readonly largestLost: number;
  /** The largest counter sent so far. */
  readonly largestSent: number;
  /** Bytes, before it and after it. */
  readonly priorInFlight: number;
  readonly bytesInFlight: number;
  /** The round trip that it has measured; 0 if it has not. */
  readonly rttMs: number;
  /** 0 before anything was measured. */
  readonly smoothedMs: number;
  /** Bytes acknowledged so far on this path, and as the newest of those acknowledged now was sent. */
  readonly delivered: number;
  readonly priorDelivered: number;
  /** Bytes per millisecond; 0 if nobody can say. */
  readonly deliveryRate: number;
  /** Whether the sender, and not the path, may have been what limited `deliveryRate`. */
  readonly isApplicationLimited: boolean;
}

export interface CongestionController {
  readonly name: string;
  /** Bytes that may be in flight. */
  readonly cwnd: number;
  /** Bytes per millisecond; Infinity for no pacing. */
  readonly pacingRate: number;
  /** Begins anew, on a path that nothing is known of. */
  restart(datagramBytes: number): void;
  onFeedback(feedback: Feedback): void;
  /** Nothing at all came through for several probe time-outs (RFC 9002 §7.6). */
  onPersistentCongestion(): void;
  /** So many that were reported lost have come after all. */
  onSpuriousLoss(datagrams: number): void;
}

/** kInitialWindow of RFC 9002 §7.2, in datagrams. */
export const INITIAL_WINDOW = 10;
/** kMinimumWindow of RFC 9002 §7.2, in datagrams. */
export const MINIMUM_WINDOW = 2;
/** More than any path of ours holds (10 Gbit/s for 100 ms); bounds what a peer that acknowledges at will can make us keep. */
export const MAXIMUM_WINDOW_BYTES: number = 128 * 1024 * 1024;
