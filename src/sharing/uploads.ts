/** What peers fetch from this machine, for somebody who watches it. */
import { toHex } from '../bytes.ts';
import type { Offer } from '../files/offer.ts';
import type { RemotePeer } from '../remote-peer.ts';
import { Rate } from './rate.ts';

/** An offer that a peer fetches. */
export interface Upload {
  readonly peer: RemotePeer;
  readonly offer: Offer;
  /** Since it began, also of what was asked for twice. */
  readonly servedBytes: number;
  /** Smoothed over some seconds. */
  readonly bytesPerSecond: number;
}

/** What was not asked for so long is over. */
const KEEP_MS = 600_000;

interface Counted {
  readonly peer: RemotePeer;
  readonly offer: Offer;
  readonly rate: Rate;
  servedBytes: number;
  servedAt: number;
}

/** Counts what {@link serveFiles} serves, by peer and offer; what nobody asked for in ten minutes is forgotten. */
export class Uploads {
  readonly #now: () => number;
  readonly #counted = new Map<string, Counted>();

  /** @param now milliseconds of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** To be given to {@link serveFiles} as its `onServed`. */
  readonly onServed = (peer: RemotePeer, offer: Offer, bytes: number): void => {
    const now = this.#now();
    const key = `${peer.publicKey}/${offer.kind}/${toHex(offer.id)}/${offer.name}`;
    let counted = this.#counted.get(key);
    if (counted === undefined) {
      this.#forgetOld(now);
      counted = { peer, offer, rate: new Rate(), servedBytes: 0, servedAt: now };
      this.#counted.set(key, counted);
    }
    counted.rate.count(bytes, now);
    counted.servedBytes += bytes;
    counted.servedAt = now;
  };

  list(): Upload[] {
    const now = this.#now();
    this.#forgetOld(now);
    return [...this.#counted.values()].map(({ peer, offer, rate, servedBytes }) => ({
      peer,
      offer,
      servedBytes,
      bytesPerSecond: rate.at(now),
    }));
  }

  #forgetOld(now: number): void {
    for (const [key, { servedAt }] of this.#counted) if (now - servedAt >= KEEP_MS) this.#counted.delete(key);
  }
}
