/** What a verb that reaches peers in more ways than by their address does beside its endpoint. */
import { LanDiscovery, LastSeen, type PathInfo, type RemotePeer, type UdpEndpoint } from '../index.ts';
import { json, note } from './output.ts';

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

  /** Says when what goes to a peer goes through another one, and when it does no longer. */
  tellRelayed(endpoint: UdpEndpoint, isJson: boolean): void {
    const before = new Map<RemotePeer, PathInfo>();
    endpoint.onPath((peer, path) => {
      const wasRelayed = before.get(peer)?.kind === 'relayed';
      before.set(peer, path);
      if (path.kind !== 'relayed' && !wasRelayed) return;
      if (isJson) json({ event: 'path', peer: peer.name, path: path.kind, via: path.via });
      else if (path.kind !== 'relayed') note(`A direct way to "${peer.name}" was found.`);
      else if (!wasRelayed) note(relayedSentence(peer.name, path));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#lan?.close();
    await this.seen.flush();
  }
}

export function relayedSentence(name: string, { via = 'a peer' }: PathInfo): string {
  return `What goes to "${name}" goes through "${via}", which cannot read it, and may limit how fast.`;
}
