/** Delivers what waits in the outbox, to every peer of an endpoint that can be asked, for as long as it runs. */
import type { RemotePeer } from '../remote-peer.ts';
import type { UdpEndpoint } from '../udp-endpoint.ts';
import { deliver } from './delivery.ts';
import type { Message } from './message.ts';
import type { MessageStore } from './message-store.ts';

/** After a try that failed, doubled for each that follows; a sign of life of the peer makes it the first one again. */
const FIRST_PAUSE_MS = 5_000;
const MAX_PAUSE_MS = 300_000;
const REQUEST_TIMEOUT_MS = 5_000;

export interface CourierOptions {
  readonly endpoint: UdpEndpoint;
  readonly store: MessageStore;
  readonly onDelivered?: (peer: RemotePeer, message: Message) => void;
}

interface Round {
  running: boolean;
  /** Something changed while it ran. */
  again: boolean;
  failures: number;
  failedAt: number;
  pause: NodeJS.Timeout | undefined;
}

export class Courier {
  readonly #options: CourierOptions;
  readonly #signal: AbortSignal;
  readonly #rounds = new WeakMap<RemotePeer, Round>();

  private constructor(options: CourierOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** Runs until the signal aborts. */
  static async start(options: CourierOptions, signal: AbortSignal): Promise<Courier> {
    const courier = new Courier(options, signal);
    await options.store.watch('outbox', () => courier.#visitAll(), signal);
    courier.#visitAll();
    return courier;
  }

  /** The peer of that name was heard, so it is there: no long pause is made any more. */
  heard(name: string): void {
    const peer = this.#options.endpoint.peers.find((one) => one.name === name);
    const round = peer && this.#rounds.get(peer);
    if (round === undefined || round.failures < 2 || round.running) return;
    round.failures = 1;
    this.#pause(peer as RemotePeer, round, round.failedAt + FIRST_PAUSE_MS - performance.now());
  }

  /** Peers came, or have another address now. */
  peersChanged(): void {
    this.#visitAll();
  }

  #visitAll(): void {
    for (const peer of this.#options.endpoint.peers) void this.#visit(peer);
  }

  async #visit(peer: RemotePeer): Promise<void> {
    const { endpoint, store, onDelivered } = this.#options;
    if (peer.at === undefined || this.#signal.aborted || !endpoint.peers.includes(peer)) return;
    const round = this.#roundOf(peer);
    if (round.running) {
      round.again = true;
      return;
    }
    round.running = true;
    clearTimeout(round.pause);
    try {
      do {
        round.again = false;
        await deliver(peer, store, { timeoutMs: REQUEST_TIMEOUT_MS, signal: this.#signal }, (message) =>
          onDelivered?.(peer, message),
        );
      } while (round.again);
      round.failures = 0;
    } catch {
      // Whatever it was, the messages wait.
      round.failedAt = performance.now();
      this.#pause(peer, round, Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** round.failures++));
    } finally {
      round.running = false;
    }
  }

  #pause(peer: RemotePeer, round: Round, ms: number): void {
    clearTimeout(round.pause);
    round.pause = setTimeout(() => void this.#visit(peer), Math.max(0, ms));
    round.pause.unref();
  }

  #roundOf(peer: RemotePeer): Round {
    let round = this.#rounds.get(peer);
    if (round === undefined) {
      round = { running: false, again: false, failures: 0, failedAt: 0, pause: undefined };
      this.#rounds.set(peer, round);
    }
    return round;
  }
}
