/** What was asked for, as its pieces come in: in any order, some of them twice. */
import type { StreamSubject } from '../wire/stream-messages.ts';

export type StreamResult =
  | { readonly ok: true; readonly bytes: Uint8Array }
  /** The other side does not give it, and says why. */
  | { readonly ok: false; readonly reason: 'refused'; readonly code: string }
  /** More than was asked for, or not what it was before: the other side does not keep to the protocol. */
  | { readonly ok: false; readonly reason: 'invalid' }
  /** The session ended, nothing is heard on it any more, or none could be had. It may be asked for again. */
  | { readonly ok: false; readonly reason: 'lost' };

export interface AskSpec {
  readonly subject: StreamSubject;
  /** An answer is at most as long; so much memory is taken once the first of it is there. */
  readonly maxBytes: number;
  /** Called once. */
  readonly settle: (result: StreamResult) => void;
  /** Told of each piece that is new. */
  readonly onBytes?: (bytes: number) => void;
}

interface Range {
  start: number;
  end: number;
}

export class AskedStream {
  /** In its session. */
  readonly id: number;
  readonly spec: AskSpec;
  /** The ASK was acknowledged, or something of the answer is there. */
  isHeard = false;
  #buffer: Uint8Array | null = null;
  #length: number | null = null;
  /** What is there, in order, apart from each other. */
  readonly #ranges: Range[] = [];

  constructor(id: number, spec: AskSpec) {
    this.id = id;
    this.spec = spec;
  }

  /** @returns the whole, once it is there; false for a piece that cannot be of it */
  receive(offset: number, bytes: Uint8Array, isLast: boolean): Uint8Array | false | null {
    this.isHeard = true;
    const { maxBytes } = this.spec;
    const end = offset + bytes.length;
    if (end > (this.#length ?? maxBytes)) return false;
    if (isLast) {
      if (this.#length !== null && this.#length !== end) return false;
      if ((this.#ranges.at(-1)?.end ?? 0) > end) return false;
      this.#length = end;
    }
    this.#buffer ??= new Uint8Array(maxBytes);
    const known = this.#known();
    this.#add(offset, end);
    this.#buffer.set(bytes, offset);
    const news = this.#known() - known;
    if (news > 0) this.spec.onBytes?.(news);
    const isWhole = this.#length !== null && this.#known() === this.#length;
    return isWhole ? this.#buffer.subarray(0, this.#length ?? 0) : null;
  }

  #known(): number {
    let sum = 0;
    for (const { start, end } of this.#ranges) sum += end - start;
    return sum;
  }

  #add(start: number, end: number): void {
    const ranges = this.#ranges;
    let at = ranges.length;
    while (at > 0 && (ranges[at - 1] as Range).end >= start) at--; // mostly behind the last one
    let until = at;
    let low = start;
    let high = end;
    while (until < ranges.length && (ranges[until] as Range).start <= end) {
      low = Math.min(low, (ranges[until] as Range).start);
      high = Math.max(high, (ranges[until] as Range).end);
      until++;
    }
    if (until === at + 1) {
      const range = ranges[at] as Range;
      range.start = low;
      range.end = high;
    } else ranges.splice(at, until - at, { start: low, end: high });
  }
}
