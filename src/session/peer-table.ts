/** The peers that an endpoint trusts, by what datagrams and cookies name them by. */
import { equalBytes, idAt } from '../bytes.ts';
import type { KeyPair, PresharedKey, PublicKey } from '../crypto/keys.ts';
import { UdpToolError } from '../errors.ts';
import { Peer } from './peer.ts';

export class PeerTable {
  readonly #own: KeyPair;
  readonly #byIndex = new Map<number, Peer>();
  readonly #byTag = new Map<bigint, Peer>();
  #nextIndex = 0;

  constructor(own: KeyPair) {
    this.#own = own;
  }

  /** @throws UdpToolError `bad-key` for our own key, one of low order, or one that is there already. */
  add(publicKey: PublicKey, psk: PresharedKey | null): Peer {
    if (this.byKey(publicKey.bytes) !== undefined) {
      throw new UdpToolError('bad-key', 'Two peers have the same public key.', {
        hint: 'Remove one of them: a key names one machine.',
      });
    }
    const peer = new Peer(this.#nextIndex, this.#own, publicKey, psk);
    const tag = idAt(peer.keys.incoming.tag);
    if (this.#byTag.has(tag)) throw new UdpToolError('bad-key', 'Two peers have the same tag.');
    this.#nextIndex++; // an index is never given again: old cookies have it
    this.#byIndex.set(peer.index, peer);
    this.#byTag.set(tag, peer);
    return peer;
  }

  remove(peer: Peer): void {
    this.#byIndex.delete(peer.index);
    this.#byTag.delete(idAt(peer.keys.incoming.tag));
  }

  clear(): void {
    this.#byIndex.clear();
    this.#byTag.clear();
  }

  has(peer: Peer): boolean {
    return this.#byIndex.get(peer.index) === peer;
  }

  byIndex(index: number): Peer | undefined {
    return this.#byIndex.get(index);
  }

  /** Whose HELLOs to us have it. */
  byTag(tag: bigint): Peer | undefined {
    return this.#byTag.get(tag);
  }

  byKey(publicKey: Uint8Array): Peer | undefined {
    for (const peer of this) if (equalBytes(peer.publicKey.bytes, publicKey)) return peer;
    return undefined;
  }

  [Symbol.iterator](): IterableIterator<Peer> {
    return this.#byIndex.values();
  }
}
