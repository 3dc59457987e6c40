/** Which datagrams came: what an ACK says, and who gathers it at the receiving side. */
import { MAX_ACK_RANGES } from '../../wire/stream-messages.ts';

/** Where datagrams overtake each other, gaps close again and older ranges can be said after all. */
const REMEMBERED_RANGES = 128;
/** The longest that a receiver waits for company before it acknowledges. */
export const ACK_DELAY_MS = 5;
/** Datagrams that ask for an acknowledgement before one goes at once (RFC 9000 §13.2.2). */
const ACK_EVERY = 2;

export interface Acknowledgement {
  readonly largest: number;
  /** How long the receiver held the largest before it acknowledged it. */
  readonly delayMs: number;
  /** Pairs of first and last, inclusive, flattened; disjoint and descending: the newest pair comes first. */
  readonly ranges: readonly number[];
}

/** Whether ranges are what `Acknowledgement` promises, of counters up to `limit`. */
export function isWellFormed(ack: Acknowledgement, limit: number): boolean {
  const { largest, delayMs, ranges } = ack;
  if (!(delayMs >= 0) || ranges.length < 2 || ranges.length % 2 !== 0) return false;
  if (ranges.length > 2 * MAX_ACK_RANGES || ranges[1] !== largest || !(largest <= limit)) return false;
  let above = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ranges.length; i += 2) {
    const first = ranges[i] as number;
    const last = ranges[i + 1] as number;
    if (!(first >= 0 && first <= last && last < above)) return false;
    above = first;
  }
  return true;
}

export class ReceivedCounters {
  // Ascending, so that the usual counter, the next one, moves the end of the last pair.
  readonly #first: number[] = [];
  readonly #last: number[] = [];
  /** The largest that asks for an acknowledgement: an ACK names nothing above it. */
  #largest = -1;
  #largestAt = 0;
  #unacknowledged = 0;
  #dueAt = Number.POSITIVE_INFINITY;

  /** When an ACK is due; in the past or now where it should go at once; Infinity if there is nothing to acknowledge. */
  get ackDueAt(): number {
    return this.#dueAt;
  }

  /**
   * Notes an authentic datagram. Those that ask for no acknowledgement are to be noted too: else their counters look
   * like losses, make haste and use up ranges.
   */
  add(counter: number, now: number, asksForAck = true): void {
    const isNext = this.#isNext(counter);
    this.#insert(counter);
    if (!asksForAck) return;
    if (counter > this.#largest) {
      this.#largest = counter;
      this.#largestAt = now;
    }
    this.#unacknowledged++;
    if (this.#unacknowledged >= ACK_EVERY || !isNext) this.#dueAt = Math.min(this.#dueAt, now);
    else this.#dueAt = Math.min(this.#dueAt, now + ACK_DELAY_MS);
  }

  /** What is to be acknowledged, whether due already or not; null if there is nothing. */
  take(now: number): Acknowledgement | null {
    if (this.#unacknowledged === 0) return null;
    this.#unacknowledged = 0;
    this.#dueAt = Number.POSITIVE_INFINITY;
    const ranges: number[] = [];
    for (let i = this.#first.length - 1; i >= 0 && ranges.length < 2 * MAX_ACK_RANGES; i--) {
      const first = this.#first[i] as number;
      if (first <= this.#largest) ranges.push(first, Math.min(this.#last[i] as number, this.#largest));
    }
    // So many of no interest came since that its range is gone: it counts as lost, and is sent again.
    if (ranges.length === 0) return null;
    return { largest: ranges[1] as number, delayMs: now - this.#largestAt, ranges };
  }

  #isNext(counter: number): boolean {
    const last = this.#last.at(-1);
    return last === undefined ? counter === 0 : counter === last + 1;
  }

  #insert(counter: number): void {
    // The place of the last pair that begins at or before the counter.
    let i = this.#first.length - 1;
    while (i >= 0 && (this.#first[i] as number) > counter) i--;
    if (i >= 0 && counter <= (this.#last[i] as number)) return;
    const joinsBelow = i >= 0 && this.#last[i] === counter - 1;
    const joinsAbove = this.#first[i + 1] === counter + 1;
    if (joinsBelow && joinsAbove) {
      this.#last[i] = this.#last[i + 1] as number;
      this.#remove(i + 1);
    } else if (joinsBelow) this.#last[i] = counter;
    else if (joinsAbove) this.#first[i + 1] = counter;
    else {
      this.#first.splice(i + 1, 0, counter);
      this.#last.splice(i + 1, 0, counter);
      if (this.#first.length > REMEMBERED_RANGES) this.#remove(0);
    }
  }

  #remove(i: number): void {
    this.#first.splice(i, 1);
    this.#last.splice(i, 1);
  }
}
