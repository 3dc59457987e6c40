/**
 * How peers recognise each other's announcements in a local network while nobody else can: each announcement has a
 * random nonce, and for each peer a tag that only the two of them can make (PROTOCOL §10.4).
 */
import { equalBytes, utf8 } from '../bytes.ts';
import { keyedBlake2b } from '../crypto/hash.ts';
import type { PublicKey } from '../crypto/keys.ts';
import type { Peer } from '../session/peer.ts';

export const LAN_NONCE_BYTES = 16;
export const LAN_TAG_BYTES = 8;
/** As many tags as fit into an announcement, and what their number is padded to a multiple of. */
export const MAX_LAN_TAGS = 64;
const TAG_BLOCK = 8;

const LABEL_LAN = utf8('udp-tool/1 lan');

/** The tags by which these peers recognise us, and as many random ones as hide how many they are; in random order. */
export function announcedTags(
  peers: Iterable<Peer>,
  own: PublicKey,
  nonce: Uint8Array,
  random: (length: number) => Uint8Array,
): Uint8Array[] {
  const tags = [...peers].slice(0, MAX_LAN_TAGS).map((peer) => tagOf(peer, own, nonce));
  const padded = Math.max(1, Math.ceil(tags.length / TAG_BLOCK)) * TAG_BLOCK;
  while (tags.length < padded) tags.push(random(LAN_TAG_BYTES));
  // To a stranger they are random: in their own order nothing shows of that of the peers.
  return tags.sort(compareBytes);
}

/** Those of the peers that made the announcement: one, or none. */
export function announcedBy(
  peers: Iterable<Peer>,
  nonce: Uint8Array,
  tags: readonly Uint8Array[],
): Peer | undefined {
  for (const peer of peers) {
    const expected = tagOf(peer, peer.publicKey, nonce);
    if (tags.some((tag) => equalBytes(tag, expected))) return peer;
  }
  return undefined;
}

function tagOf({ keys: { pairKey } }: Peer, announcer: PublicKey, nonce: Uint8Array): Uint8Array {
  return keyedBlake2b(32, pairKey, LABEL_LAN, announcer.bytes, nonce).slice(0, LAN_TAG_BYTES);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return (a[i] ?? 0) - (b[i] ?? 0);
  return 0;
}
