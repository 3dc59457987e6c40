/** Says which peers are reached through another one. */
import type { PathInfo, RemotePeer, UdpEndpoint } from '../index.ts';
import { json, note } from './output.ts';

/** Says when what goes to a peer goes through another one, and when it does no longer. */
export function tellRelayed(endpoint: UdpEndpoint, isJson: boolean): void {
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

export function relayedSentence(name: string, { via = 'a peer' }: PathInfo): string {
  return `What goes to "${name}" goes through "${via}", which cannot read it, and may limit how fast.`;
}
