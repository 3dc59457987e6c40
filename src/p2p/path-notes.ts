/** What is known of the addresses of peers: how each was heard of, and by whom. */
import { type Address, formatAddress, isRelayAddress, relayLinkOf } from '../session/address.ts';
import type { Endpoint } from '../session/endpoint.ts';
import type { Peer } from '../session/peer.ts';
import type { Session } from '../session/session.ts';
import { scopeOf } from './candidates.ts';

/** How a peer is reached; `lan` by discovery, or by an address of the same network that an introducer told. */
export type PathKind = 'direct' | 'lan' | 'punched' | 'relayed';

export interface Path {
  readonly kind: PathKind;
  readonly address: Address;
  /** Who introduced, or relays. */
  readonly via: Peer | undefined;
  /** Smoothed; null where nothing was asked of the peer yet. */
  readonly roundTripMs: number | null;
}

interface Note {
  readonly kind: PathKind;
  readonly via: Peer | undefined;
}

const MAX_NOTES_PER_PEER = 32;

export class PathNotes {
  readonly #endpoint: Endpoint;
  readonly #notes = new WeakMap<Peer, Map<string, Note>>();

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** The peer is said to be at that address; what was known of the address before still holds. */
  add(peer: Peer, address: Address, kind: PathKind, via?: Peer): void {
    let notes = this.#notes.get(peer);
    if (notes === undefined) this.#notes.set(peer, (notes = new Map()));
    const key = formatAddress(address);
    if (notes.has(key)) return;
    notes.set(key, { kind, via });
    if (notes.size > MAX_NOTES_PER_PEER) notes.delete(notes.keys().next().value as string);
  }

  /** The peer is said by an introducer to be at that address. */
  addIntroduced(peer: Peer, address: Address, via: Peer): void {
    this.add(peer, address, scopeOf(address.ip) === 'global' ? 'punched' : 'lan', via);
  }

  describe(session: Session): Path {
    const { peer, remote } = session;
    return { ...this.#noteOf(peer, remote), address: remote, roundTripMs: peer.rtt.smoothed };
  }

  #noteOf(peer: Peer, address: Address): Note {
    if (isRelayAddress(address)) {
      const link = relayLinkOf(address);
      return { kind: 'relayed', via: link === null ? undefined : this.#endpoint.peerAt(link.relay) };
    }
    const isConfigured = peer.configured.some((one) => formatAddress(one) === formatAddress(address));
    const note = isConfigured ? undefined : this.#notes.get(peer)?.get(formatAddress(address));
    return note ?? { kind: 'direct', via: undefined };
  }
}
