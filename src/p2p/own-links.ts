/** The links of relays that lead to peers of ours: which peer is at the other end of each. */
import type { RelayLink } from '../session/address.ts';
import type { Peer } from '../session/peer.ts';

const MAX_OWN_LINKS = 64;

export class OwnLinks {
  readonly #peers = new Map<string, { readonly link: RelayLink; readonly peer: Peer }>();

  add(link: RelayLink, peer: Peer): void {
    const key = keyOf(link);
    this.#peers.delete(key);
    this.#peers.set(key, { link, peer });
    if (this.#peers.size > MAX_OWN_LINKS) this.#peers.delete(this.#peers.keys().next().value as string);
  }

  has(link: RelayLink): boolean {
    return this.#peers.has(keyOf(link));
  }

  /** The newest one. */
  linkTo(peer: Peer): RelayLink | undefined {
    return [...this.#peers.values()].findLast((one) => one.peer === peer)?.link;
  }

  removePeer(peer: Peer): void {
    for (const [key, { link, peer: other }] of this.#peers) {
      if (other === peer || link.relay === peer.index) this.#peers.delete(key);
    }
  }
}

function keyOf({ relay, link }: RelayLink): string {
  return `${relay}-${link}`;
}
