/**
 * The replay window of RFC 6479: a ring of bit words, so that moving it clears words and shifts nothing.
 *
 * `check` before a datagram is opened, `commit` after it has opened, and no `await` between the two. The window
 * moves for authentic datagrams only.
 */
const WORD_BITS = 32;
const WORDS = 64;
/** Counters further behind the newest than this are refused: a word less than the ring, whose oldest word is being reused. */
export const WINDOW_SIZE: number = (WORDS - 1) * WORD_BITS;

export class ReplayWindow {
  readonly #ring = new Uint32Array(WORDS);
  /** The highest counter committed; −1 before the first. */
  #last = -1;

  get last(): number {
    return this.#last;
  }

  /** Whether a datagram with this counter may be opened: neither seen nor too old. */
  check(counter: number): boolean {
    if (counter > this.#last) return true;
    if (this.#last - counter > WINDOW_SIZE) return false;
    return ((this.#ring[ringIndex(counter)] as number) & bit(counter)) === 0;
  }

  /** Marks an authentic datagram's counter as seen. Only after `check(counter)`. */
  commit(counter: number): void {
    if (counter > this.#last) {
      const newest = Math.floor(counter / WORD_BITS);
      const previous = Math.floor(this.#last / WORD_BITS); // −1 before the first
      const clear = Math.min(newest - previous, WORDS);
      for (let i = 0; i < clear; i++) this.#ring[(newest - i) % WORDS] = 0;
      this.#last = counter;
    }
    const index = ringIndex(counter);
    this.#ring[index] = (this.#ring[index] as number) | bit(counter);
  }
}

// Counters go up to 2^48: division instead of shifts, which would cut them to 32 bits.
function ringIndex(counter: number): number {
  return Math.floor(counter / WORD_BITS) % WORDS;
}

function bit(counter: number): number {
  return 1 << (counter % WORD_BITS);
}
