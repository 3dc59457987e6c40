/** An answer on its way: what was never sent, what was lost, and what is acknowledged. */

/** A part of the answer that went into a datagram. */
export interface SentPiece {
  readonly kind: 'piece';
  readonly stream: OutgoingStream;
  readonly offset: number;
  readonly length: number;
  readonly isLast: boolean;
}

interface Lost {
  offset: number;
  length: number;
}

export class OutgoingStream {
  /** As the asker numbered it. */
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly #lost: Lost[] = [];
  /** All before it was sent at least once. */
  #nextOffset = 0;
  #endSent = false;
  /** Pieces in datagrams of which nothing is known yet. */
  #inFlight = 0;

  constructor(id: number, bytes: Uint8Array) {
    this.id = id;
    this.bytes = bytes;
  }

  /** Everything was sent, and all of it is acknowledged. */
  get isDone(): boolean {
    return this.#endSent && this.#inFlight === 0 && this.#lost.length === 0;
  }

  get hasMore(): boolean {
    return this.#lost.length > 0 || !this.#endSent;
  }

  /** The next piece, of at most so many bytes: what was lost first. */
  take(maxBytes: number): SentPiece | null {
    const [lost] = this.#lost;
    if (lost !== undefined) {
      const { offset } = lost;
      const length = Math.min(maxBytes, lost.length);
      if (length === lost.length) this.#lost.shift();
      else {
        lost.offset += length;
        lost.length -= length;
      }
      return this.#piece(offset, length);
    }
    if (this.#endSent) return null;
    const offset = this.#nextOffset;
    const length = Math.min(maxBytes, this.bytes.length - offset);
    this.#nextOffset += length;
    this.#endSent = this.#nextOffset === this.bytes.length;
    return this.#piece(offset, length);
  }

  onAcked(): void {
    this.#inFlight--;
  }

  onLost({ offset, length }: SentPiece): void {
    this.#inFlight--;
    this.#lost.push({ offset, length });
  }

  /** Sends a piece again of which nothing is known yet. */
  repeat({ offset, length }: SentPiece): void {
    this.#lost.push({ offset, length });
  }

  #piece(offset: number, length: number): SentPiece {
    this.#inFlight++;
    return { kind: 'piece', stream: this, offset, length, isLast: offset + length === this.bytes.length };
  }
}
