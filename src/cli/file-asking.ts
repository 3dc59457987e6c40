/** Peers that a verb asks for files, each of which may be away. */
import {
  createEndpoint,
  type KeyPair,
  type Offer,
  offersOf,
  type PeerOptions,
  type RemotePeer,
  type UdpEndpoint,
  UdpToolError,
} from '../index.ts';
import { type KeyOptions, openKeyStore } from './context.ts';

/** Once one has answered with what is looked for, the others have so long. */
const GRACE_MS = 1_000;

export class FileAsking implements AsyncDisposable {
  readonly keyPair: KeyPair;
  readonly endpoint: UdpEndpoint;
  readonly peers: readonly RemotePeer[];

  private constructor(keyPair: KeyPair, endpoint: UdpEndpoint, peers: readonly RemotePeer[]) {
    this.keyPair = keyPair;
    this.endpoint = endpoint;
    this.peers = peers;
  }

  /** @param names whom to ask; every peer with an address if there is none */
  static async open(options: KeyOptions, names: readonly string[]): Promise<FileAsking> {
    const store = await openKeyStore(options);
    const keyPair = await store.loadKeyPair();
    const chosen = choose(await store.loadPeers(), names);
    const endpoint = await createEndpoint({ keyPair, peers: chosen, commands: [] });
    return new FileAsking(keyPair, endpoint, endpoint.peers);
  }

  /**
   * Asks all at once. With `isEnough`, those who have not answered a while after it is true are not waited for.
   * @returns what each offers, and what is wrong with the others
   */
  async lists(
    timeoutMs: number,
    signal: AbortSignal,
    isEnough: (offers: readonly Offer[]) => boolean = () => false,
  ): Promise<{ offers: Map<RemotePeer, Offer[]>; errors: Map<RemotePeer, UdpToolError> }> {
    const offers = new Map<RemotePeer, Offer[]>();
    const errors = new Map<RemotePeer, UdpToolError>();
    const enough = new AbortController();
    const until = AbortSignal.any([signal, enough.signal]);
    let timer: NodeJS.Timeout | undefined;
    await Promise.all(
      this.peers.map(async (peer) => {
        try {
          const list = await offersOf(peer, { timeoutMs, signal: until });
          offers.set(peer, list);
          if (isEnough(list)) timer ??= setTimeout(() => enough.abort(), GRACE_MS);
        } catch (error) {
          if (!(error instanceof UdpToolError)) throw error;
          errors.set(peer, error);
        }
      }),
    );
    clearTimeout(timer);
    if (signal.aborted) throw new UdpToolError('aborted', 'Stopped.', { cause: signal.reason });
    return { offers, errors };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.endpoint.close();
  }
}

function choose(peers: readonly PeerOptions[], names: readonly string[]): PeerOptions[] {
  if (names.length > 0) {
    return names.map((name) => {
      const peer = peers.find((one) => one.name === name);
      if (peer !== undefined) return peer;
      throw new UdpToolError('unknown-peer', `No peer is called "${name}".`, {
        hint: `There are: ${peers.map((one) => one.name).join(', ')}.`,
      });
    });
  }
  const askable = peers.filter(({ at }) => at !== undefined);
  if (askable.length > 0) return askable;
  throw new UdpToolError('unknown-peer', 'There is no peer with an address to ask.', {
    hint: 'Add one: "udp-tool peer add NAME KEY --at HOST:PORT", or "udp-tool pair" on both machines.',
  });
}
