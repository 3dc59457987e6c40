/** What is under way in either direction, numbered, and shown as it goes on. */
import { type IncomingPush, type Transfer, UdpToolError } from '../../../index.ts';
import type { TransferView } from '../../api.ts';
import type { LiveHub, LiveMap } from '../../live.ts';
import { errorView } from '../errors.ts';
import { offerView } from './views.ts';

/** How often what moves is shown. */
const SHOW_MS = 500;
/** Of those that are over, so many stay on the page. */
const MAX_OVER = 100;

const OVER: readonly TransferView['state'][] = ['done', 'refused', 'cancelled'];

/** One that is under way, whatever way. */
export interface Moving {
  view(): Omit<TransferView, 'id'>;
  /** Where it can be. */
  pause?(): unknown;
  resume?(): unknown;
  cancel(): unknown;
  /** It leaves the page. */
  forgotten?(): void;
}

export class Transfers {
  readonly #hub: LiveHub;
  readonly #views: LiveMap<TransferView>;
  readonly #moving = new Map<number, Moving>();
  #nextId = 1;

  constructor(hub: LiveHub) {
    this.#hub = hub;
    this.#views = hub.map('transfers');
  }

  /** Shows them until the signal aborts. */
  begin(signal: AbortSignal): void {
    const timer = setInterval(() => {
      if (!this.#hub.isWatched) return;
      for (const [id, { state }] of this.#entries())
        if (state === 'running' || state === 'hashing') this.show(id);
    }, SHOW_MS).unref();
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  add(moving: Moving): number {
    const id = this.#nextId++;
    this.#moving.set(id, moving);
    this.show(id);
    const over = this.#entries().filter(([, { state }]) => state === 'failed' || OVER.includes(state));
    for (const [old] of over.slice(0, Math.max(0, over.length - MAX_OVER))) this.#forget(old);
    return id;
  }

  /** It has changed. */
  show(id: number): void {
    const moving = this.#moving.get(id);
    if (moving !== undefined) this.#views.set(String(id), { id, ...moving.view() });
  }

  /** @throws UdpToolError `bad-usage` */
  get(id: number): Moving {
    const moving = this.#moving.get(id);
    if (moving === undefined) throw new UdpToolError('bad-usage', 'There is no such transfer any more.');
    return moving;
  }

  /** Those that are over leave the page. */
  clear(): void {
    for (const [id, { state }] of this.#entries()) if (OVER.includes(state)) this.#forget(id);
  }

  /** Also one that failed. */
  forget(id: number): void {
    const { state } = this.get(id).view();
    if (state === 'failed' || OVER.includes(state)) this.#forget(id);
  }

  #forget(id: number): void {
    this.#moving.get(id)?.forgotten?.();
    this.#moving.delete(id);
    this.#views.delete(String(id));
  }

  #entries(): [number, TransferView][] {
    return [...this.#moving.keys()].map((id) => [id, this.#views.get(String(id)) as TransferView]);
  }
}

/** Something that this machine gets. */
export function movingGet(transfer: Transfer): Moving {
  return {
    view() {
      const { offer, state, progress, sources, path, error } = transfer;
      return {
        kind: 'get',
        peers: sources.map(({ name }) => name),
        offer: offerView(offer),
        state,
        doneBytes: progress.doneBytes,
        bytesPerSecond: sources.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0),
        sources,
        ...(path !== null && { path }),
        ...(error !== null && { error: errorView(error) }),
      };
    },
    // They go on by themselves: what becomes of them is shown.
    pause: () => void transfer.pause(),
    resume: () => void transfer.resume(),
    cancel: () => transfer.cancel(),
  };
}

export function movingIncoming(push: IncomingPush): Moving {
  return {
    view() {
      const { peer, offer, state, doneBytes, bytesPerSecond, path, error } = push;
      return {
        kind: 'incoming',
        peers: [peer.name],
        offer: offerView(offer),
        state: state === 'taking' ? 'running' : state,
        doneBytes,
        bytesPerSecond,
        sources: [],
        ...(path !== null && { path }),
        ...(error !== null && { error: errorView(error) }),
      };
    },
    pause: () => push.pause(),
    resume: () => push.resume(),
    cancel: () => push.cancel(),
  };
}
