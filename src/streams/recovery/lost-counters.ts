/** Remembers what was declared lost, so that a late acknowledgement shows that it was only late. */

const LIMIT = 512;
/** Links that reorder do so within far less, and so many counters. */
const REMEMBER_COUNTERS = 1_000;
const REMEMBER_MS = 1_000;

export class LostCounters {
  // Ascending, since datagrams are lost in the order they were sent.
  #counters: number[] = [];
  #lostAt: number[] = [];

  get isEmpty(): boolean {
    return this.#counters.length === 0;
  }

  add(counter: number, now: number): void {
    if (this.#counters.length >= LIMIT) this.#forget(LIMIT / 2);
    this.#counters.push(counter);
    this.#lostAt.push(now);
  }

  /** Takes out what the ranges cover after all. */
  takeCovered(ranges: readonly number[], now: number): number[] {
    // What is much older than the oldest range will not be spoken of again.
    const floor = (ranges.at(-2) as number) - REMEMBER_COUNTERS;
    let old = 0;
    while (
      old < this.#counters.length &&
      ((this.#counters[old] as number) < floor || (this.#lostAt[old] as number) < now - REMEMBER_MS)
    )
      old++;
    if (old > 0) this.#forget(old);
    const covered: number[] = [];
    let kept = 0;
    let range = ranges.length - 2;
    for (let i = 0; i < this.#counters.length; i++) {
      const counter = this.#counters[i] as number;
      while (range >= 0 && (ranges[range + 1] as number) < counter) range -= 2;
      if (range >= 0 && (ranges[range] as number) <= counter) covered.push(counter);
      else {
        this.#counters[kept] = counter;
        this.#lostAt[kept++] = this.#lostAt[i] as number;
      }
    }
    this.#counters.length = kept;
    this.#lostAt.length = kept;
    return covered;
  }

  clear(): void {
    this.#counters = [];
    this.#lostAt = [];
  }

  #forget(count: number): void {
    this.#counters.splice(0, count);
    this.#lostAt.splice(0, count);
  }
}
