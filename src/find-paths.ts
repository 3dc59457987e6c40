/** What reaches peers in more ways than by their address: where they were seen, and who is in the local network. */
import { LanDiscovery } from './lan/lan-discovery.ts';
import { LastSeen } from './last-seen.ts';
import type { RemotePeer } from './remote-peer.ts';
import type { UdpEndpoint } from './udp-endpoint.ts';

export interface FindPathsOptions {
  readonly endpoint: UdpEndpoint;
  /** Where it is kept where peers were seen. */
  readonly folder: string;
  /** Whether to look for peers in the local network. */
  readonly lan: boolean;
  /** And to be found there. */
  readonly announces: boolean;
  readonly onTrouble: (text: string) => void;
}

/** Runs beside an endpoint until it is disposed of, which also writes down where peers were seen. */
export class FindPaths implements AsyncDisposable {
  readonly seen: LastSeen;
  readonly #lan: LanDiscovery | undefined;
  readonly #ended = new AbortController();

  private constructor(seen: LastSeen, lan: LanDiscovery | undefined) {
    this.seen = seen;
    this.#lan = lan;
  }

  static async begin({ endpoint, folder, lan, announces, onTrouble }: FindPathsOptions): Promise<FindPaths> {
    const seen = await LastSeen.open(folder, onTrouble);
    endpoint.onPath(({ publicKey }, { kind, address }) => {
      if (kind !== 'relayed') seen.saw(publicKey, address);
    });
    const discovery = lan ? await LanDiscovery.start({ endpoint, announces, onTrouble }) : undefined;
    const paths = new FindPaths(seen, discovery);
    paths.suggest(endpoint);
    return paths;
  }

  /** Peers came: where they were seen is where they are looked for. */
  suggest(endpoint: UdpEndpoint): void {
    for (const peer of endpoint.peers) {
      const sightings = this.seen.of(peer.publicKey);
      peer.suggest(
        'direct',
        sightings.map(({ address }) => address),
      );
    }
  }

  /** Looks for a way to the peer, again and again where it has to be. */
  keepInReach(peer: RemotePeer): void {
    void peer.keepInReach(this.#ended.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#lan?.close();
    await this.seen.flush();
  }
}
