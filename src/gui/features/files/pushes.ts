/** What this machine pushes: offered to that peer alone, for as long as it takes. */
import { join } from 'node:path';
import {
  type Offer,
  type Offers,
  pushOffer,
  Rate,
  type RemotePeer,
  Shelf,
  UdpToolError,
} from '../../../index.ts';
import type { TransferView } from '../../api.ts';
import { errorView } from '../errors.ts';
import type { Moving, Transfers } from './transfers.ts';
import { offerView } from './views.ts';

type Piece = Parameters<Offers['read']>[1];

export class Pushes implements Offers {
  readonly #transfers: Transfers;
  readonly #stateDir: string;
  readonly #onEnd: (path: string) => void;
  /** Those that go on, or may. */
  readonly #pushes = new Set<Push>();

  /** @param onEnd nothing of a path is pushed any more, nor will be again */
  constructor(transfers: Transfers, stateDir: string, onEnd: (path: string) => void) {
    this.#transfers = transfers;
    this.#stateDir = join(stateDir, 'hashes');
    this.#onEnd = onEnd;
  }

  /**
   * Resolves once it is on the page: what becomes of it is shown there.
   * @throws UdpToolError as {@link Shelf.add}
   */
  async begin(peer: RemotePeer, path: string): Promise<void> {
    const shelf = await Shelf.open({ stateDir: this.#stateDir });
    try {
      const to = [peer.publicKey.toString()];
      const { offer } = await shelf.add(path, { to });
      const end = (): void => {
        if (!this.#pushes.delete(push)) return;
        this.#onEnd(path);
        shelf.close().catch(() => {}); // what it leaves goes with the next shelf
      };
      const push = new Push(peer, offer, shelf, () => {
        this.#transfers.show(id);
        if (push.isOver) end();
      });
      this.#pushes.add(push);
      const id = this.#transfers.add(movingPush(push, end));
      void push.run();
    } catch (error) {
      await shelf.close();
      throw error;
    }
  }

  offersFor(peer: string): Offer[] {
    return this.#shelves.flatMap((shelf) => shelf.offersFor(peer));
  }

  async read(peer: string, piece: Piece): Promise<Uint8Array | null> {
    for (const shelf of this.#shelves) {
      const bytes = await shelf.read(peer, piece);
      if (bytes !== null) return bytes;
    }
    return null;
  }

  offerOf(peer: string, piece: Piece): Offer | null {
    for (const shelf of this.#shelves) {
      const offer = shelf.offerOf(peer, piece);
      if (offer !== null) return offer;
    }
    return null;
  }

  async close(): Promise<void> {
    for (const push of this.#pushes) push.stop();
    await Promise.all([...this.#pushes].map(({ shelf }) => shelf.close()));
  }

  get #shelves(): Shelf[] {
    return [...this.#pushes].filter(({ isRunning }) => isRunning).map(({ shelf }) => shelf);
  }
}

function movingPush(push: Push, forgotten: () => void): Moving {
  return {
    view() {
      const { peer, offer, state, doneBytes, bytesPerSecond, error } = push;
      return {
        kind: 'push',
        peers: [peer.name],
        offer: offerView(offer),
        state,
        doneBytes,
        bytesPerSecond,
        sources: [],
        ...(error !== null && { error: errorView(error) }),
      };
    },
    resume: () => void push.run(),
    cancel: () => push.stop(),
    forgotten,
  };
}

class Push {
  readonly peer: RemotePeer;
  readonly offer: Offer;
  readonly shelf: Shelf;
  state: TransferView['state'] = 'asked';
  doneBytes = 0;
  error: unknown = null;
  readonly #onChange: () => void;
  #stop = new AbortController();
  #rate = new Rate();

  constructor(peer: RemotePeer, offer: Offer, shelf: Shelf, onChange: () => void) {
    this.peer = peer;
    this.offer = offer;
    this.shelf = shelf;
    this.#onChange = onChange;
  }

  get isRunning(): boolean {
    return this.state === 'asked' || this.state === 'running';
  }

  get isOver(): boolean {
    return this.state === 'done' || this.state === 'cancelled';
  }

  get bytesPerSecond(): number {
    return this.state === 'running' ? this.#rate.at(performance.now()) : 0;
  }

  /** Until it is there, or it is not wanted, or fails: then it may be called again. */
  async run(): Promise<void> {
    this.#stop = new AbortController();
    this.error = null;
    this.#become('asked');
    try {
      await pushOffer(this.peer, this.offer, {
        signal: this.#stop.signal,
        now: () => performance.now(),
        onState: ({ state, doneBytes }) => {
          this.#rate.count(Math.max(0, doneBytes - this.doneBytes), performance.now());
          this.doneBytes = doneBytes;
          if (state === 'asked' || state === 'taking') this.#become(state === 'asked' ? 'asked' : 'running');
        },
      });
      this.#become('done');
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.error = error;
      this.#become(error instanceof UdpToolError && error.code === 'push-refused' ? 'refused' : 'failed');
    }
  }

  stop(): void {
    if (this.isOver) return;
    this.#stop.abort();
    this.#become('cancelled');
  }

  #become(state: TransferView['state']): void {
    if (this.state === state) return;
    this.state = state;
    this.#onChange();
  }
}
