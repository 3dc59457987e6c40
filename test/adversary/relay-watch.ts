/** What goes through an honest relay, counted beside it: PROTOCOL §10.4 and §12 say how much it may be. */
import { violated } from './properties.ts';

/** What may go at once: 250 ms of the rate, or one datagram. It is for two peers, over however many links: here there are no others. */
const BURST_S = 0.25;
const DATAGRAM_BYTES = 1_232;
const LINK_IDLE_MS = 180_000;
/** A timer is late by what the attacker lets arrive at once. */
const LATE_MS = 5_000;

export class RelayWatch {
  readonly #rate: number;
  readonly #links = new Map<number, { askedAt: number; isOver: boolean }>();
  #credit: number;
  #creditedAt: number;

  /** @param rate in bytes a second */
  constructor(rate: number, now: number) {
    this.#rate = rate;
    this.#creditedAt = now;
    this.#credit = this.#burst;
  }

  /** Somebody wants something to be forwarded. */
  asked(link: number, now: number): void {
    const known = this.#links.get(link);
    const isOver = known !== undefined && now - known.askedAt > LINK_IDLE_MS + LATE_MS;
    this.#links.set(link, { askedAt: now, isOver: known?.isOver || isOver });
  }

  forwarded(link: number, bytes: number, now: number): void {
    const known = this.#links.get(link);
    if (known === undefined) violated('relayed for two', 'something was forwarded that nobody sent');
    if (known.isOver) violated('relayed for two', 'a link that carried nothing for 180 s carried something');
    const earned = ((now - this.#creditedAt) / 1_000) * this.#rate;
    this.#credit = Math.min(this.#burst, this.#credit + earned) - bytes;
    this.#creditedAt = now;
    if (this.#credit < -1)
      violated('relayed for two', `${-this.#credit} bytes beyond the rate were forwarded`);
  }

  get #burst(): number {
    return Math.max(BURST_S * this.#rate, DATAGRAM_BYTES);
  }
}
