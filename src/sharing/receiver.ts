/** Takes what peers push, if its owner wants it (PROTOCOL §10.3). */
import { toHex } from '../bytes.ts';
import { UdpToolError } from '../errors.ts';
import { Download } from '../files/download.ts';
import type { ManifestEntry } from '../files/manifest.ts';
import type { Offer } from '../files/offer.ts';
import type { RemotePeer, StreamRoute } from '../remote-peer.ts';
import { fetchPieces, type Giver, type Sink } from './fetch.ts';
import { encodePushState, type PushState } from './push-state.ts';

/** What is to be decided. */
export interface Pushed {
  readonly peer: RemotePeer;
  readonly offer: Offer;
  /** Of a folder, everything that is in it. */
  readonly entries: AsyncIterable<ManifestEntry>;
}

export interface ReceiverOptions {
  /** Whether nothing of it is taken, so that nobody need be asked, and nothing be fetched to ask; not, if not given. */
  readonly refuses?: (peer: RemotePeer, offer: Offer) => boolean;
  /** Whether to take it; `signal` fires when the peer asks no more. */
  readonly decide: (pushed: Pushed, signal: AbortSignal) => Promise<boolean>;
  /** An existing folder; where a name is taken there, what comes gets another. */
  readonly into: string;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly onDone?: (peer: RemotePeer, offer: Offer, path: string) => void;
  readonly onFailed?: (peer: RemotePeer, offer: Offer, error: UdpToolError) => void;
}

/** Of one peer, at once. */
const MAX_PUSHES_PER_PEER = 8;
/** An answer waits so long for something new to tell. */
const WAIT_MS = 1_000;
/** A peer that has not asked for so long wants it taken no more. */
const FORGET_MS = 120_000;
const LOOK_FOR_FORGOTTEN_MS = 30_000;
/** Of one peer, how many pushes that are over are remembered. */
const MAX_OVER_PER_PEER = 64;

interface Push {
  state: PushState;
  route: StreamRoute;
  askedAt: number;
  download: Download | null;
  readonly gone: AbortController;
  readonly waiting: Set<() => void>;
}

export class Receiver {
  readonly #options: ReceiverOptions;
  /** By peer, and by the id of what is pushed. */
  readonly #pushes = new Map<string, Map<string, Push>>();

  constructor(options: ReceiverOptions) {
    this.#options = options;
    const timer = setInterval(() => this.#forgetOld(options.now()), LOOK_FOR_FORGOTTEN_MS).unref();
    options.signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  /** What to answer a peer that asks, for the first time or again, to take an offer. */
  async onPush(peer: RemotePeer, offer: Offer, route: StreamRoute): Promise<Uint8Array> {
    const pushes = this.#pushesOf(peer);
    const id = toHex(offer.id);
    let push = pushes.get(id);
    const now = this.#options.now();
    // The same again from another process is a new push, unless that of the first is still going on.
    if (push !== undefined && isOver(push) && push.route.process !== route.process) push = undefined;
    if (push === undefined) {
      if (this.#options.refuses?.(peer, offer)) return encodePushState({ state: 'refused', doneBytes: 0 });
      if ([...pushes.values()].filter((one) => !isOver(one)).length >= MAX_PUSHES_PER_PEER)
        return encodePushState({ state: 'busy', doneBytes: 0 });
      push = begin(route, now);
      pushes.set(id, push);
      this.#take(peer, offer, push);
      forgetOver(pushes);
    }
    push.route = route;
    push.askedAt = now;
    await changeOf(push);
    return encodePushState({
      ...push.state,
      doneBytes: push.download?.progress.doneBytes ?? push.state.doneBytes,
    });
  }

  #take(peer: RemotePeer, offer: Offer, push: Push): void {
    const over = AbortSignal.any([this.#options.signal, push.gone.signal]);
    this.#decideAndFetch(peer, offer, push, over).then(
      (path) => {
        if (path !== null) this.#options.onDone?.(peer, offer, path);
      },
      (cause: unknown) => {
        const error =
          cause instanceof UdpToolError ? cause : new UdpToolError('failed', 'Cannot take it.', { cause });
        tell(push, { state: 'failed', doneBytes: push.download?.progress.doneBytes ?? 0 });
        this.#options.onFailed?.(peer, offer, error);
      },
    );
  }

  async #decideAndFetch(
    peer: RemotePeer,
    offer: Offer,
    push: Push,
    over: AbortSignal,
  ): Promise<string | null> {
    const { decide, into } = this.#options;
    const download = await Download.open({ offer, into, conflict: 'rename' });
    push.download = download;
    let isTaken = false;
    try {
      await this.#fetch(listing(download), peer, push, over);
      if (!(await decide({ peer, offer, entries: download.entries() }, over))) {
        await download.withdraw();
        tell(push, { state: 'refused', doneBytes: 0 });
        return null;
      }
      isTaken = true;
      tell(push, { state: 'taking', doneBytes: download.progress.doneBytes });
      await this.#fetch(download, peer, push, over);
      const path = await download.finish();
      tell(push, { state: 'done', doneBytes: offer.size });
      return path;
    } catch (error) {
      // Who was not let in leaves nothing behind.
      await (isTaken ? download.giveUp(error) : download.withdraw());
      throw error;
    } finally {
      push.download = null;
    }
  }

  async #fetch(sink: Sink, peer: RemotePeer, push: Push, signal: AbortSignal): Promise<void> {
    const giver: Giver = {
      name: peer.name,
      ask: (request) => peer.ask({ ...request, route: push.route }),
    };
    const end = await fetchPieces({ sink, givers: [giver], signal, now: this.#options.now });
    if (end === 'complete') return;
    if (end === 'aborted') throw new UdpToolError('aborted', 'It was stopped.');
    throw new UdpToolError('no-answer', `"${peer.name}" gives it no more.`);
  }

  #pushesOf(peer: RemotePeer): Map<string, Push> {
    const key = peer.publicKey.toString();
    let pushes = this.#pushes.get(key);
    if (pushes === undefined) this.#pushes.set(key, (pushes = new Map()));
    return pushes;
  }

  #forgetOld(now: number): void {
    for (const pushes of this.#pushes.values()) {
      for (const [id, push] of pushes) {
        if (now - push.askedAt < FORGET_MS) continue;
        push.gone.abort();
        pushes.delete(id);
      }
    }
  }
}

/** As far as it is known what it is. */
function listing(download: Download): Sink {
  return {
    next: () => (download.isListed ? null : download.next()),
    release: (piece) => download.release(piece),
    accept: (piece, bytes) => download.accept(piece, bytes),
    get isComplete() {
      return download.isListed;
    },
  };
}

function begin(route: StreamRoute, now: number): Push {
  return {
    state: { state: 'asked', doneBytes: 0 },
    route,
    askedAt: now,
    download: null,
    gone: new AbortController(),
    waiting: new Set(),
  };
}

function isOver({ state }: Push): boolean {
  return state.state === 'done' || state.state === 'refused' || state.state === 'failed';
}

/** The oldest first. */
function forgetOver(pushes: Map<string, Push>): void {
  const over = [...pushes].filter(([, push]) => isOver(push));
  for (const [id] of over.slice(0, Math.max(0, over.length - MAX_OVER_PER_PEER))) pushes.delete(id);
}

function tell(push: Push, state: PushState): void {
  push.state = state;
  for (const wake of push.waiting) wake();
}

/** Resolves when there is something new, or after a while. */
function changeOf(push: Push): Promise<void> {
  if (isOver(push)) return Promise.resolve();
  return new Promise((done) => {
    const wake = (): void => {
      clearTimeout(timer);
      push.waiting.delete(wake);
      done();
    };
    const timer = setTimeout(wake, WAIT_MS);
    push.waiting.add(wake);
  });
}
