/** What folders offer, which are looked at whenever somebody wants to know. */
import type { Offer } from '../files/offer.ts';
import type { Shelf } from '../files/shelf.ts';
import type { Offers } from './file-server.ts';

/** A folder is looked at again when somebody asks, and not more often. */
const LOOK_AGAIN_MS = 2_000;
/** Who asks does not wait longer for what is hashed meanwhile. */
const LOOK_MS = 1_000;

/** A shelf as it is when it is asked: see {@link Shelf.watch}. It is looked at until `stop` aborts. */
export class WatchedOffers implements Offers {
  readonly #shelf: Shelf;
  readonly #stop: AbortSignal;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> = Promise.resolve();

  constructor(shelf: Shelf, stop: AbortSignal) {
    this.#shelf = shelf;
    this.#stop = stop;
    this.#look();
  }

  async offersFor(peer: string): Promise<readonly Offer[]> {
    this.#look();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((done) => {
      timer = setTimeout(done, LOOK_MS);
    });
    await Promise.race([this.#looking, late]);
    clearTimeout(timer);
    return this.#shelf.offersFor(peer);
  }

  read(...question: Parameters<Shelf['read']>): Promise<Uint8Array | null> {
    return this.#shelf.read(...question);
  }

  offerOf(...question: Parameters<Shelf['offerOf']>): Offer | null {
    return this.#shelf.offerOf(...question);
  }

  #look(): void {
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_AGAIN_MS) return;
    this.#lookedAt = now;
    // What cannot be read is told as news; what is left is that the program ends.
    this.#looking = this.#shelf.refresh(this.#stop).catch(() => {});
  }
}
