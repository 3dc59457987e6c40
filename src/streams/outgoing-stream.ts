/** An answer on its way: what was never sent, what was lost, and what is acknowledged. */
import { Ranges } from './ranges.ts';

/** A part of the answer that went into a datagram. */
export interface SentPiece {
  readonly kind: 'piece';
  readonly stream: OutgoingStream;
  readonly offset: number;
  readonly length: number;
  readonly isLast: boolean;
}

export class OutgoingStream {
  /** As the asker numbered it. */
  readonly id: number;
  readonly bytes: Uint8Array;
  /** To be sent again. */
  readonly #lost = new Ranges();
  readonly #acked = new Ranges();
  /** All before it was sent at least once. */
  #nextOffset = 0;
  /** Of the end, which may come alone, where the answer is empty. */
  #isEndSent = false;
  #isEndAcked = false;

  constructor(id: number, bytes: Uint8Array) {
    this.id = id;
    this.bytes = bytes;
  }

  /** All of it is acknowledged. */
  get isDone(): boolean {
    return this.#isEndAcked && this.#acked.bytes === this.bytes.length;
  }

  get hasMore(): boolean {
    return !this.#lost.isEmpty || !this.#isEndSent;
  }

  /** The next piece, of at most so many bytes: what was lost first. */
  take(maxBytes: number): SentPiece | null {
    const lost = this.#lost.take(maxBytes);
    if (lost !== null) return this.#piece(lost.start, lost.end);
    if (this.#isEndSent) return null;
    const start = this.#nextOffset;
    this.#nextOffset = Math.min(this.bytes.length, start + maxBytes);
    return this.#piece(start, this.#nextOffset);
  }

  onAcked({ offset, length, isLast }: SentPiece): void {
    this.#acked.add(offset, offset + length);
    this.#isEndAcked ||= isLast;
  }

  /** It is lost, or may be: what of it did not come in another datagram is sent again. */
  repeat({ offset, length, isLast }: SentPiece): void {
    for (const { start, end } of this.#acked.without(offset, offset + length)) this.#lost.add(start, end);
    if (isLast && !this.#isEndAcked) this.#isEndSent = this.bytes.length > 0;
  }

  #piece(start: number, end: number): SentPiece {
    const isLast = end === this.bytes.length;
    this.#isEndSent ||= isLast;
    return { kind: 'piece', stream: this, offset: start, length: end - start, isLast };
  }
}
