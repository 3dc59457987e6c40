/**
 * How large datagrams of streams may be on a path: larger ones cost less each byte, and the kernel fragments what the
 * path does not take whole; but then the loss of one fragment loses all. So they grow only where the path has carried
 * one of the larger size and lost nothing, and are small again at the first loss (PROTOCOL §8.6).
 */
import { MAX_BULK_DATAGRAM_BYTES, MAX_DATAGRAM_BYTES } from '../wire/header.ts';

/** What fits everywhere; a jumbo frame of 9,000 bytes; what the largest is. */
const SIZES = [MAX_DATAGRAM_BYTES, 8_932, MAX_BULK_DATAGRAM_BYTES] as const;
/** So many of a size must have come without a loss before the next size is tried. */
const FIRST_PATIENCE = 1_024;
const MAX_PATIENCE = 65_536;

export class DatagramSize {
  #limit: number;
  #step = 0;
  #carried = 0;
  #patience = FIRST_PATIENCE;
  /** A datagram of the next size is on its way. */
  #isProbing = false;

  /** @param limit of the path */
  constructor(limit: number = MAX_BULK_DATAGRAM_BYTES) {
    this.#limit = limit;
  }

  get bytes(): number {
    return Math.min(this.#limit, SIZES[this.#step] ?? MAX_DATAGRAM_BYTES);
  }

  /** What fits everywhere. */
  get smallest(): number {
    return Math.min(this.#limit, MAX_DATAGRAM_BYTES);
  }

  /** The path is another one, or nothing is known of it any more. */
  reset(limit: number): void {
    this.#limit = limit;
    this.#step = 0;
    this.#carried = 0;
    this.#patience = FIRST_PATIENCE;
    this.#isProbing = false;
  }

  /** How large the next one may be: now and then it tries the next size. */
  next(): number {
    const larger = SIZES[this.#step + 1];
    if (this.#isProbing || this.#carried < this.#patience || larger === undefined || larger > this.#limit)
      return this.bytes;
    this.#isProbing = true;
    return larger;
  }

  onAcked(bytes: number): void {
    this.#carried++;
    if (bytes <= this.bytes) return;
    this.#step++;
    this.#carried = 0;
    this.#isProbing = false;
  }

  onLost(bytes: number): void {
    this.#carried = 0;
    if (bytes <= MAX_DATAGRAM_BYTES) return;
    this.#isProbing = false;
    this.#step = 0;
    this.#patience = Math.min(MAX_PATIENCE, this.#patience * 4);
  }
}
