/** How much reordering is allowed for before a datagram counts as lost (RFC 9002 §6.1; widened as RFC 8985 §6.2 does). */

/** kPacketThreshold. */
const LEAST_DATAGRAMS = 3;
const MOST_DATAGRAMS = 1_000;
/** kTimeThreshold less one: a part of the round trip. */
const LEAST_FRACTION = 1 / 8;
const MOST_FRACTION = 2;

export class Reordering {
  #datagrams = LEAST_DATAGRAMS;
  #fraction = LEAST_FRACTION;

  /** So many counters behind the largest acknowledged, a datagram is lost. */
  get datagrams(): number {
    return this.#datagrams;
  }

  /** So many round trips after it was sent, it is, once a later one was acknowledged. */
  get roundTrips(): number {
    return 1 + this.#fraction;
  }

  /** A datagram that was declared lost came after all, so many counters behind the largest. */
  onSpuriousLoss(distance: number): void {
    // Where the count of datagrams was not what condemned it, time was.
    if (distance < this.#datagrams) this.#fraction = Math.min(2 * this.#fraction, MOST_FRACTION);
    else this.#datagrams = Math.min(distance + 1, MOST_DATAGRAMS);
  }
}
