/** A bound on what is on the way to one peer, of which nothing is known yet (RFC 8085 §3.1). What is beyond waits here. */

export interface Flying {
  /** Encoded. */
  readonly bytes: number;
  flight: 'none' | 'waiting' | 'in flight';
}

export class FlightWindow<Item extends Flying> {
  #bytes = 0;
  #waiting: Item[] = [];
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether it may be sent; else it waits for {@link next}. */
  enter(item: Item): boolean {
    if (item.flight === 'in flight') return true;
    if (item.flight === 'waiting') return false;
    if (this.#waiting.length === 0 && this.#hasRoomFor(item)) {
      this.#take(item);
      return true;
    }
    item.flight = 'waiting';
    this.#waiting.push(item);
    return false;
  }

  /** It came, or is not wanted any more. */
  leave(item: Item): void {
    if (item.flight === 'in flight') this.#bytes -= item.bytes;
    item.flight = 'none';
  }

  /** Those that waited and may be sent now. */
  next(): Item[] {
    let count = 0;
    const items: Item[] = [];
    for (const item of this.#waiting) {
      if (item.flight === 'waiting') {
        if (!this.#hasRoomFor(item)) break;
        this.#take(item);
        items.push(item);
      }
      count++;
    }
    if (count > 0) this.#waiting = this.#waiting.slice(count);
    return items;
  }

  /** Something is always let through, however large. */
  #hasRoomFor(item: Item): boolean {
    return this.#bytes === 0 || this.#bytes + item.bytes <= this.#maxBytes;
  }

  #take(item: Item): void {
    item.flight = 'in flight';
    this.#bytes += item.bytes;
  }
}
