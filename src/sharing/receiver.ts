/** Takes what peers push, if its owner wants it (PROTOCOL §10.3). */
import { toHex } from '../bytes.ts';
import type { UdpToolError } from '../errors.ts';
import type { ManifestEntry } from '../files/manifest.ts';
import type { Offer } from '../files/offer.ts';
import type { RemotePeer, StreamRoute } from '../remote-peer.ts';
import { type IncomingPush, RunningPush } from './incoming-push.ts';
import type { Question } from './offer-list.ts';
import { encodePushState } from './push-state.ts';

/** What is to be decided. */
export interface Pushed {
  readonly peer: RemotePeer;
  readonly offer: Offer;
  /** Of a folder, what is in it; only the first of it where it {@link hasMore}. */
  readonly entries: AsyncIterable<ManifestEntry>;
  /** It is a folder of so much that only its beginning is looked at before it is taken. */
  readonly hasMore: boolean;
}

export interface ReceiverOptions {
  /** Whether nothing of it is taken, so that nobody need be asked, and nothing be fetched to ask; not, if not given. */
  readonly refuses?: (peer: RemotePeer, offer: Offer) => boolean;
  /** Whether all of it is taken, so that nobody need be asked; not, if not given. */
  readonly accepts?: (peer: RemotePeer, offer: Offer) => boolean;
  /** Whether to take it, of which nothing is written yet; `signal` fires when the peer asks no more. */
  readonly decide: (pushed: Pushed, signal: AbortSignal) => Promise<boolean>;
  /** An existing folder; where a name is taken there, what comes gets another. */
  readonly into: string;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly onDone?: (peer: RemotePeer, offer: Offer, path: string) => void;
  readonly onFailed?: (peer: RemotePeer, offer: Offer, error: UdpToolError) => void;
  /** There is a push, or its state is another; how far it is can be looked at whenever somebody wants to know. */
  readonly onChange?: (push: IncomingPush) => void;
}

/** The question of a peer that pushes. */
type PushQuestion = Extract<Question, { readonly kind: 'push' }>;

/** Of one peer, at once. */
const MAX_PUSHES_PER_PEER = 8;
/** A peer that has not asked for so long wants it taken no more. */
const FORGET_MS = 120_000;
const LOOK_FOR_FORGOTTEN_MS = 30_000;
/** Of one peer, how many pushes that are over are remembered. */
const MAX_OVER_PER_PEER = 64;

export class Receiver {
  readonly #options: ReceiverOptions;
  /** By peer, and by the id of what is pushed. */
  readonly #pushes = new Map<string, Map<string, RunningPush>>();

  constructor(options: ReceiverOptions) {
    this.#options = options;
    const timer = setInterval(() => this.#forgetOld(options.now()), LOOK_FOR_FORGOTTEN_MS).unref();
    options.signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  /** What peers push, and what they pushed not long ago. */
  get pushes(): IncomingPush[] {
    return [...this.#pushes.values()].flatMap((pushes) => [...pushes.values()]);
  }

  /** What to answer a peer that asks, for the first time or again, to take an offer. */
  async onPush(peer: RemotePeer, asked: PushQuestion, route: StreamRoute): Promise<Uint8Array> {
    const { offer, push: number } = asked;
    const pushes = this.#pushesOf(peer);
    const id = toHex(offer.id);
    let push = pushes.get(id);
    // While one goes on, the same again is part of it; afterwards it is a new one.
    if (push?.isOver && !push.numbers.has(number)) push = undefined;
    if (push === undefined) {
      if (this.#options.refuses?.(peer, offer)) return encodePushState({ state: 'refused', doneBytes: 0 });
      if ([...pushes.values()].filter((one) => !one.isOver).length >= MAX_PUSHES_PER_PEER)
        return encodePushState({ state: 'busy', doneBytes: 0 });
      push = new RunningPush(peer, offer, route, this.#options);
      pushes.set(id, push);
      void push.run();
      forgetOver(pushes);
      this.#options.onChange?.(push);
    }
    push.numbers.add(number);
    push.route = route;
    push.askedAt = this.#options.now();
    return push.answer();
  }

  #pushesOf(peer: RemotePeer): Map<string, RunningPush> {
    const key = peer.publicKey.toString();
    let pushes = this.#pushes.get(key);
    if (pushes === undefined) this.#pushes.set(key, (pushes = new Map()));
    return pushes;
  }

  #forgetOld(now: number): void {
    for (const pushes of this.#pushes.values()) {
      for (const [id, push] of pushes) {
        if (now - push.askedAt < FORGET_MS) continue;
        push.stop();
        pushes.delete(id);
      }
    }
  }
}

/** The oldest first. */
function forgetOver(pushes: Map<string, RunningPush>): void {
  const over = [...pushes].filter(([, push]) => push.isOver);
  for (const [id] of over.slice(0, Math.max(0, over.length - MAX_OVER_PER_PEER))) pushes.delete(id);
}
