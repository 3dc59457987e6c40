/** Parts of a byte string: in order, and apart from each other. */
interface Range {
  start: number;
  end: number;
}

export class Ranges {
  readonly #ranges: Range[] = [];
  /** Bytes in all of them. */
  bytes = 0;

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  get count(): number {
    return this.#ranges.length;
  }

  /** Where the last one ends. */
  get end(): number {
    return this.#ranges.at(-1)?.end ?? 0;
  }

  add(start: number, end: number): void {
    if (start >= end) return;
    const ranges = this.#ranges;
    let from = ranges.length;
    while (from > 0 && (ranges[from - 1] as Range).end >= start) from--; // mostly behind the last one
    let to = from;
    const merged = { start, end };
    while (to < ranges.length && (ranges[to] as Range).start <= end) {
      const range = ranges[to++] as Range;
      merged.start = Math.min(merged.start, range.start);
      merged.end = Math.max(merged.end, range.end);
      this.bytes -= range.end - range.start;
    }
    this.bytes += merged.end - merged.start;
    if (to === from + 1) ranges[from] = merged;
    else ranges.splice(from, to - from, merged);
  }

  /** Takes so many bytes at most from the beginning; null when there are none. */
  take(maxBytes: number): Range | null {
    const [first] = this.#ranges;
    if (first === undefined) return null;
    const end = Math.min(first.end, first.start + maxBytes);
    const taken = { start: first.start, end };
    if (end === first.end) this.#ranges.shift();
    else first.start = end;
    this.bytes -= end - taken.start;
    return taken;
  }

  /** What of this part is in none of them. */
  *without(start: number, end: number): Generator<Range> {
    let at = start;
    for (const range of this.#ranges) {
      if (range.end <= at) continue;
      if (range.start >= end) break;
      if (range.start > at) yield { start: at, end: range.start };
      at = range.end;
    }
    if (at < end) yield { start: at, end };
  }
}
