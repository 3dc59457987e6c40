/** Keeps a running endpoint to what the peer book says. */
import { createHash } from 'node:crypto';
import { UdpToolError } from './errors.ts';
import { type KeyStore, wipePresharedKeys } from './keystore.ts';
import type { PeerOptions } from './remote-peer.ts';
import type { UdpEndpoint } from './udp-endpoint.ts';

/** Peers by name, each as a text that changes when anything about the peer does. */
export type Book = ReadonlyMap<string, string>;

export interface BookFollower {
  /** The endpoint has these peers now. */
  readonly onBook: (book: Book) => void;
  /** The book cannot be followed, for the reason that `text` tells. */
  readonly onTrouble: (text: string) => void;
}

export function bookOf(peers: readonly PeerOptions[]): Book {
  return new Map(peers.map((peer) => [peer.name, fingerprint(peer)]));
}

/**
 * `-name` for every peer that went, `+name` for every one that came, both for one that is another now, and `~name` for
 * one that may call other commands than before.
 */
export function bookChanges(before: Book, after: Book): string[] {
  const differs = (name: string): boolean => before.get(name) !== after.get(name);
  const isOther = (name: string): boolean => identityIn(before, name) !== identityIn(after, name);
  return [
    ...[...before.keys()].filter(isOther).map((name) => `-${name}`),
    ...[...after.keys()].filter(isOther).map((name) => `+${name}`),
    ...[...after.keys()].filter((name) => differs(name) && !isOther(name)).map((name) => `~${name}`),
  ];
}

function identityIn(book: Book, name: string): string | undefined {
  return book.get(name)?.split(' ')[0];
}

/**
 * Follows the book until the signal aborts; resolves once the endpoint has what the book says now, with a function that
 * looks at once. The pre-shared keys of `atFirst` are wiped: the endpoint has made its own of them.
 */
export async function followBook(
  endpoint: UdpEndpoint,
  store: KeyStore,
  atFirst: readonly PeerOptions[],
  { onBook, onTrouble }: BookFollower,
  stop: AbortSignal,
): Promise<() => Promise<void>> {
  const known = new Map(bookOf(atFirst));
  wipePresharedKeys(atFirst);
  const follow = async (): Promise<void> => {
    if (stop.aborted) return;
    let peers: readonly PeerOptions[] = [];
    try {
      peers = await store.loadPeers();
      const book = bookOf(peers);
      if (bookChanges(known, book).length === 0) return;
      for (const name of [...known.keys()]) {
        const peer = peers.find((one) => one.name === name);
        if (peer !== undefined && identity(peer) === identityIn(known, name)) continue;
        endpoint.peer(name).remove();
        known.delete(name);
      }
      for (const peer of peers) {
        if (!known.has(peer.name)) endpoint.addPeer(peer);
        else if (peer.permissions) endpoint.peer(peer.name).permissions = peer.permissions;
        known.set(peer.name, fingerprint(peer));
      }
      onBook(new Map(known));
    } catch (error) {
      const why = error instanceof UdpToolError ? error.message : String(error);
      onTrouble(`The peer book was changed and is not followed, so the peers before it still hold: ${why}`);
    } finally {
      wipePresharedKeys(peers);
    }
  };
  let following = Promise.resolve(); // one change after the other: the last one read holds
  const next = (): Promise<void> => {
    following = following.then(follow);
    return following;
  };
  store.watch(() => void next(), stop);
  await next(); // what was changed between reading the book and watching it
  return next;
}

/** Changes with anything about a peer. */
function fingerprint(peer: PeerOptions): string {
  const { allow = [], deny = [] } = peer.permissions ?? {};
  return `${identity(peer)} ${JSON.stringify([allow, deny])}`;
}

/**
 * Changes with what its sessions depend on. A hash: workers send their books to the primary, and a pre-shared key
 * stays where it is used.
 */
function identity({ publicKey, at, psk }: PeerOptions): string {
  const hash = createHash('sha256').update(`${publicKey} ${at ?? ''} `);
  if (psk !== undefined) hash.update(psk.expose());
  return hash.digest('hex');
}
