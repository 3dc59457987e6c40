/** One thing that a peer pushes, from the first word about it until it is there, or not wanted. */
import { UdpToolError } from '../errors.ts';
import { Download } from '../files/download.ts';
import { FolderListing } from '../files/folder-listing.ts';
import type { Offer } from '../files/offer.ts';
import type { RemotePeer, StreamRoute } from '../remote-peer.ts';
import { fetchPieces, type Giver, type Sink } from './fetch.ts';
import { encodePushState, type PushState } from './push-state.ts';
import { Rate } from './rate.ts';
import type { ReceiverOptions } from './receiver.ts';

/** `asked` waits for its owner's word. The peer is told `taking` for `paused`, and `refused` for `cancelled`. */
export type IncomingState = 'asked' | 'taking' | 'paused' | 'done' | 'refused' | 'failed' | 'cancelled';

/** What a peer pushes, as it is at the moment; the same object from its first change to its last. */
export interface IncomingPush {
  readonly peer: RemotePeer;
  readonly offer: Offer;
  readonly state: IncomingState;
  readonly doneBytes: number;
  /** Smoothed over some seconds. */
  readonly bytesPerSecond: number;
  /** Why it failed. */
  readonly error: UdpToolError | null;
  /** Where it is, once it is done. */
  readonly path: string | null;
  /** Asks for no more of what is being taken, while the peer waits. */
  pause(): void;
  resume(): void;
  /** Takes it no more, tells the peer that it is refused, and leaves nothing; what is done stays. */
  cancel(): void;
}

const MAX_NUMBERS = 16;

/** The newest of them. */
class RecentNumbers {
  readonly #numbers = new Set<number>();

  has(number: number): boolean {
    return this.#numbers.has(number);
  }

  add(number: number): void {
    this.#numbers.delete(number);
    this.#numbers.add(number);
    const [oldest] = this.#numbers;
    if (this.#numbers.size > MAX_NUMBERS && oldest !== undefined) this.#numbers.delete(oldest);
  }
}

/** An answer waits so long for something new to tell. */
const WAIT_MS = 1_000;

export class RunningPush implements IncomingPush {
  readonly peer: RemotePeer;
  readonly offer: Offer;
  /** Of all that push the same at once. */
  readonly numbers = new RecentNumbers();
  /** To the process that asked last. */
  route: StreamRoute;
  askedAt: number;
  readonly #options: ReceiverOptions;
  readonly #rate = new Rate();
  /** Nothing more becomes of it. */
  readonly #stop = new AbortController();
  /** What is asked for now is not wanted any more. */
  #asking = new AbortController();
  #isCancelled = false;
  #state: IncomingState = 'asked';
  #error: UdpToolError | null = null;
  #path: string | null = null;
  #download: Download | null = null;
  #doneBytes = 0;
  #goOn: () => void = () => {};
  readonly #waiting = new Set<() => void>();

  constructor(peer: RemotePeer, offer: Offer, route: StreamRoute, options: ReceiverOptions) {
    this.peer = peer;
    this.offer = offer;
    this.route = route;
    this.askedAt = options.now();
    this.#options = options;
  }

  get state(): IncomingState {
    return this.#state;
  }

  get error(): UdpToolError | null {
    return this.#error;
  }

  get path(): string | null {
    return this.#path;
  }

  get doneBytes(): number {
    return this.#download?.progress.doneBytes ?? this.#doneBytes;
  }

  get bytesPerSecond(): number {
    return this.#state === 'taking' ? this.#rate.at(this.#options.now()) : 0;
  }

  get isOver(): boolean {
    return this.#state !== 'asked' && this.#state !== 'taking' && this.#state !== 'paused';
  }

  pause(): void {
    if (this.#state !== 'taking') return;
    this.#change('paused');
    this.#asking.abort();
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#change('taking');
    this.#goOn();
  }

  cancel(): void {
    if (this.isOver) return;
    this.#isCancelled = true;
    this.stop();
  }

  /** What came stays, if it was wanted. */
  stop(): void {
    this.#stop.abort();
    this.#asking.abort();
    this.#goOn();
  }

  /** What to tell the peer, once there is something new, or after a while. */
  async answer(): Promise<Uint8Array> {
    if (!this.isOver) await this.#news();
    return encodePushState({ state: TOLD[this.#state], doneBytes: this.doneBytes });
  }

  /** Resolves when it is over. */
  async run(): Promise<void> {
    const { signal, onDone, onFailed } = this.#options;
    const stop = (): void => this.stop();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      this.#path = await this.#decideAndFetch();
    } catch (cause) {
      this.#error =
        cause instanceof UdpToolError ? cause : new UdpToolError('failed', 'Cannot take it.', { cause });
    } finally {
      signal.removeEventListener('abort', stop);
    }
    if (this.#path !== null) {
      this.#doneBytes = this.offer.size;
      this.#change('done');
      onDone?.(this.peer, this.offer, this.#path);
    } else if (this.#isCancelled || this.#error === null) {
      this.#error = null;
      this.#doneBytes = 0;
      this.#change(this.#isCancelled ? 'cancelled' : 'refused');
    } else {
      this.#change('failed');
      onFailed?.(this.peer, this.offer, this.#error);
    }
  }

  /** Gives the path; null where it is not wanted. */
  async #decideAndFetch(): Promise<string | null> {
    if (!(await this.#isWanted()) || this.#isCancelled) return null;
    this.#change('taking');
    try {
      let download = await this.#open();
      while (!(await this.#fetch(download))) {
        await download.suspend();
        this.#letGo();
        if (this.#state === 'paused' && !this.#stop.signal.aborted)
          await new Promise<void>((done) => (this.#goOn = done));
        download = await this.#open();
      }
      return await download.finish();
    } catch (error) {
      await this.#download?.giveUp(error);
      if (this.#isCancelled) await Download.forget({ offer: this.offer, into: this.#options.into });
      throw error;
    } finally {
      this.#letGo();
    }
  }

  /** Writes nothing: what is looked at to decide is in memory. */
  async #isWanted(): Promise<boolean> {
    const { peer, offer } = this;
    const { into, accepts, decide } = this.#options;
    await Download.refuseTooLarge({ offer, into });
    if (accepts?.(peer, offer)) return true;
    const listing = offer.kind === 'folder' ? new FolderListing(offer) : null;
    if (listing !== null) await this.#fetch(listing);
    this.#refuseStopped();
    const pushed = { peer, offer, entries: listing ?? nothing(), hasMore: listing?.hasMore ?? false };
    return decide(pushed, this.#stop.signal);
  }

  async #open(): Promise<Download> {
    this.#refuseStopped();
    const { into } = this.#options;
    this.#download = await Download.open({ offer: this.offer, into, conflict: 'rename' });
    return this.#download;
  }

  #letGo(): void {
    this.#doneBytes = this.doneBytes;
    this.#download = null;
  }

  /** Whether there is all of it; not, where it was paused. */
  async #fetch(sink: Sink): Promise<boolean> {
    this.#refuseStopped();
    if (this.#state === 'paused') return false;
    this.#asking = new AbortController();
    const { now } = this.#options;
    const giver: Giver = {
      name: this.peer.name,
      ask: (request) => this.peer.ask({ ...request, route: this.route }),
    };
    const end = await fetchPieces({
      sink,
      givers: [giver],
      signal: this.#asking.signal,
      now,
      onBytes: (_name, bytes) => this.#rate.count(bytes, now()),
    });
    if (end === 'complete') return true;
    this.#refuseStopped();
    if (end === 'aborted') return false;
    throw new UdpToolError('no-answer', `"${this.peer.name}" gives it no more.`);
  }

  #refuseStopped(): void {
    if (this.#stop.signal.aborted) throw new UdpToolError('aborted', 'It was stopped.');
  }

  #change(state: IncomingState): void {
    this.#state = state;
    for (const wake of this.#waiting) wake();
    this.#options.onChange?.(this);
  }

  /** Resolves when there is something new, or after a while. */
  #news(): Promise<void> {
    return new Promise((done) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        done();
      };
      const timer = setTimeout(wake, WAIT_MS);
      this.#waiting.add(wake);
    });
  }
}

const TOLD: Readonly<Record<IncomingState, PushState['state']>> = {
  asked: 'asked',
  taking: 'taking',
  paused: 'taking',
  done: 'done',
  refused: 'refused',
  failed: 'failed',
  cancelled: 'refused',
};

async function* nothing(): AsyncGenerator<never> {}
