/** The datagrams in flight, in the order they were sent. */

export class SentDatagram<Content> {
  counter = 0;
  bytes = 0;
  sentAt = 0;
  content: Content | null = null;
  next: SentDatagram<Content> | null = null;
  /** Whether one that was sent between the one before it in flight and this one has been acknowledged. */
  followsAcked = false;

  // What the delivery-rate estimator knew as it left.
  delivered = 0;
  deliveredAt = 0;
  firstSentAt = 0;
  isApplicationLimited = false;
}

/**
 * A linked list, since acknowledgements take from its front or a little behind it, and what they took is never walked
 * over again. Records are used again: they would be most of the garbage.
 */
export class SentDatagrams<Content> {
  #head: SentDatagram<Content> | null = null;
  #tail: SentDatagram<Content> | null = null;
  #spare: SentDatagram<Content> | null = null;
  #nextFollowsAcked = false;

  get head(): SentDatagram<Content> | null {
    return this.#head;
  }

  clear(): void {
    this.#head = null;
    this.#tail = null;
    this.#nextFollowsAcked = false;
  }

  append(counter: number, bytes: number, content: Content, now: number): SentDatagram<Content> {
    const sent = this.#spare ?? new SentDatagram<Content>();
    this.#spare = sent.next;
    sent.counter = counter;
    sent.bytes = bytes;
    sent.sentAt = now;
    sent.content = content;
    sent.next = null;
    sent.followsAcked = this.#nextFollowsAcked;
    this.#nextFollowsAcked = false;
    if (this.#tail === null) this.#head = sent;
    else this.#tail.next = sent;
    this.#tail = sent;
    return sent;
  }

  /**
   * Takes one out, the one after `previous` (null: the first), and gives the one that follows. The record may be read
   * until the next `append`.
   */
  remove(
    previous: SentDatagram<Content> | null,
    sent: SentDatagram<Content>,
    isAcked: boolean,
  ): SentDatagram<Content> | null {
    const next = sent.next;
    if (previous === null) this.#head = next;
    else previous.next = next;
    if (next === null) {
      this.#tail = previous;
      this.#nextFollowsAcked ||= isAcked;
    } else next.followsAcked ||= isAcked;
    sent.content = null;
    sent.next = this.#spare;
    this.#spare = sent;
    return next;
  }
}
