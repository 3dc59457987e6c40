/** Peers that a verb asks for files, each of which may be away. */

import {
  createEndpoint,
  FindPaths,
  type KeyPair,
  type Offer,
  offersOf,
  type PeerOptions,
  type RemotePeer,
  type UdpEndpoint,
  UdpToolError,
  wipePresharedKeys,
} from '../index.ts';
import { type KeyOptions, messageFolder, openKeyStore, peerNamed } from './context.ts';
import { note } from './output.ts';
import { tellRelayed } from './relayed.ts';

/** Once one has answered with what is looked for, the others have so long. */
const GRACE_MS = 1_000;

export interface FileAskingOptions extends KeyOptions {
  readonly lan: boolean;
  readonly json?: boolean;
}

export class FileAsking implements AsyncDisposable {
  readonly keyPair: KeyPair;
  readonly endpoint: UdpEndpoint;
  readonly peers: readonly RemotePeer[];
  readonly #paths: FindPaths;
  /** Not every peer is meant, but these. */
  readonly #areNamed: boolean;

  private constructor(
    keyPair: KeyPair,
    endpoint: UdpEndpoint,
    peers: readonly RemotePeer[],
    paths: FindPaths,
    areNamed: boolean,
  ) {
    this.keyPair = keyPair;
    this.endpoint = endpoint;
    this.peers = peers;
    this.#paths = paths;
    this.#areNamed = areNamed;
  }

  /** @param names whom to ask; every peer if there is none */
  static async open(options: FileAskingOptions, names: readonly string[]): Promise<FileAsking> {
    const store = await openKeyStore(options);
    const keyPair = await store.loadKeyPair();
    const peers = await store.loadPeers();
    const chosen = choose(peers, names, options.lan);
    // The others may introduce, or relay.
    const endpoint = await createEndpoint({ keyPair, peers, commands: [] });
    wipePresharedKeys(peers);
    const paths = await FindPaths.begin({
      endpoint,
      folder: messageFolder(store),
      lan: options.lan,
      announces: false,
      onTrouble: note,
    });
    const asked = chosen.map(({ name }) => endpoint.peer(name));
    tellRelayed(endpoint, options.json === true);
    for (const peer of asked) paths.keepInReach(peer);
    return new FileAsking(keyPair, endpoint, asked, paths, names.length > 0);
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
          const isAbsent = !this.#areNamed && peer.at === undefined && error.code === 'no-answer';
          if (!isAbsent) errors.set(peer, error);
        }
      }),
    );
    clearTimeout(timer);
    if (signal.aborted) throw new UdpToolError('aborted', 'Stopped.', { cause: signal.reason });
    return { offers, errors };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#paths[Symbol.asyncDispose]();
    await this.endpoint.close();
  }
}

function choose(peers: readonly PeerOptions[], names: readonly string[], lan: boolean): PeerOptions[] {
  if (names.length > 0) return names.map((name) => peerNamed(peers, name));
  // Where none has an address, they can be in the local network only.
  if (peers.some(({ at }) => at !== undefined) || (lan && peers.length > 0)) return [...peers];
  throw new UdpToolError('unknown-peer', 'There is no peer with an address to ask.', {
    hint: 'Add one: "udp-tool peer add NAME KEY --at HOST:PORT", or "udp-tool pair" on both machines.',
  });
}
