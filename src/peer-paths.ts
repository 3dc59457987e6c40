/** Paths to peers as their users see them: looked for, named, and told of. */
import { UdpToolError } from './errors.ts';
import type { PathFinder } from './p2p/path-finder.ts';
import type { Path, PathKind } from './p2p/path-notes.ts';
import type { PathInfo, RemotePeer } from './remote-peer.ts';
import type { Address } from './session/address.ts';
import type { Peer } from './session/peer.ts';

export interface PeerPathsOptions {
  readonly finder: PathFinder;
  readonly remoteOf: (peer: Peer) => RemotePeer | undefined;
  readonly now: () => number;
  /** There may be something to send. */
  readonly wake: () => void;
}

export class PeerPaths {
  readonly #options: PeerPathsOptions;
  readonly #listeners = new Set<(peer: RemotePeer, path: PathInfo) => void>();

  constructor(options: PeerPathsOptions) {
    this.#options = options;
  }

  onPath(listener: (peer: RemotePeer, path: PathInfo) => void): void {
    this.#listeners.add(listener);
  }

  /** A handshake with the peer went through. */
  tell(core: Peer): void {
    const peer = this.#options.remoteOf(core);
    const path = peer?.path;
    if (peer === undefined || !path) return;
    for (const listener of this.#listeners) listener(peer, path);
  }

  to(core: Peer): PathInfo | null {
    const { finder, now } = this.#options;
    return this.#infoOf(finder.pathTo(core, now()));
  }

  suggest(core: Peer, kind: PathKind, addresses: readonly Address[]): void {
    const { finder, now, wake } = this.#options;
    finder.suggest(core, kind, addresses, now());
    wake();
  }

  /** Null where none was found in time. @throws UdpToolError `aborted` */
  reach(core: Peer, timeoutMs: number, signal: AbortSignal | undefined): Promise<PathInfo | null> {
    const { finder, now, wake } = this.#options;
    return new Promise((done, fail) => {
      const abort = (): void => {
        giveUp();
        fail(new UdpToolError('aborted', 'The search was aborted.', { cause: signal?.reason }));
      };
      const settle = (path: Path | null): void => {
        signal?.removeEventListener('abort', abort);
        done(this.#infoOf(path));
      };
      let giveUp = (): void => {};
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      giveUp = finder.reach(core, timeoutMs, settle, now());
      wake();
    });
  }

  #infoOf(path: Path | null): PathInfo | null {
    if (path === null) return null;
    const { kind, address, via, roundTripMs } = path;
    const viaName = via === undefined ? undefined : this.#options.remoteOf(via)?.name;
    return {
      kind,
      // That of the relay, where one is between.
      address: kind === 'relayed' ? (via?.current?.address ?? address) : address,
      ...(viaName !== undefined && { via: viaName }),
      roundTripMs,
    };
  }
}
