/** What peers offer, and who has what. */
import { equalBytes, toHex } from '../bytes.ts';
import { UdpToolError } from '../errors.ts';
import type { Offer } from '../files/offer.ts';
import type { RemotePeer } from '../remote-peer.ts';
import { decodeOffers, MAX_LIST_BYTES, OFFERS } from './offer-list.ts';

/** An offer, and all who have the same. */
export interface Found {
  readonly offer: Offer;
  readonly peers: readonly RemotePeer[];
}

export interface FindOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * What a peer offers to this machine.
 * @throws UdpToolError `no-answer`, `not-offered` where it offers no files to anybody, `name-not-found`, `failed`
 */
export async function offersOf(peer: RemotePeer, { timeoutMs, signal }: FindOptions): Promise<Offer[]> {
  const late = AbortSignal.timeout(timeoutMs);
  const result = await peer.ask({
    subject: OFFERS,
    maxBytes: MAX_LIST_BYTES,
    patienceMs: timeoutMs,
    signal: signal === undefined ? late : AbortSignal.any([signal, late]),
  });
  if (!result.ok) {
    if (result.reason === 'lost' || (result.reason === 'refused' && result.code === 'busy')) {
      throw new UdpToolError('no-answer', `"${peer.name}" does not answer.`, {
        hint: `See why: udp-tool doctor ${peer.name}`,
      });
    }
    throw new UdpToolError('not-offered', `"${peer.name}" offers no files.`, {
      hint: 'There, "udp-tool share FILE" or "udp-tool serve --share FOLDER" offers some.',
    });
  }
  const offers = decodeOffers(result.bytes);
  if (offers === null) throw new UdpToolError('failed', `"${peer.name}" answers with no list of offers.`);
  return offers;
}

/** The same content under the same name, of whoever has it, together. */
export function gather(lists: ReadonlyMap<RemotePeer, readonly Offer[]>): Found[] {
  const found = new Map<string, { offer: Offer; peers: RemotePeer[] }>();
  for (const [peer, offers] of lists) {
    for (const offer of offers) {
      const key = `${toHex(offer.id)}/${offer.name}`;
      const same = found.get(key);
      if (same === undefined) found.set(key, { offer, peers: [peer] });
      else if (!same.peers.includes(peer)) same.peers.push(peer);
    }
  }
  return [...found.values()];
}

/** Every peer that offers the same bytes, under whatever name. */
export function holdersOf(lists: ReadonlyMap<RemotePeer, readonly Offer[]>, { id }: Offer): RemotePeer[] {
  return [...lists]
    .filter(([, offers]) => offers.some((one) => equalBytes(one.id, id)))
    .map(([peer]) => peer);
}

/** The first characters of an id are enough, where no other id begins so. */
const MIN_ID_CHARACTERS = 6;

/**
 * The one that is meant by a name, or by the beginning of an id.
 * @throws UdpToolError `not-offered`, or `bad-usage` where it could be several
 */
export function choose(found: readonly Found[], nameOrId: string): Found {
  const named = found.filter(({ offer }) => offer.name === nameOrId);
  const isId = /^[0-9a-f]+$/.test(nameOrId) && nameOrId.length >= MIN_ID_CHARACTERS;
  const meant =
    named.length > 0 ? named : isId ? found.filter(({ offer }) => toHex(offer.id).startsWith(nameOrId)) : [];
  const [first] = meant;
  if (first === undefined) {
    throw new UdpToolError('not-offered', `Nobody offers "${nameOrId}" to this machine.`, {
      hint: 'See what there is with "udp-tool files".',
    });
  }
  if (meant.some(({ offer }) => !equalBytes(offer.id, first.offer.id))) {
    const ids = meant.map(
      ({ offer, peers }) => `${shortId(offer)} of ${peers.map(({ name }) => name).join(', ')}`,
    );
    throw new UdpToolError('bad-usage', `Different files are called "${nameOrId}".`, {
      hint: `Say which by its id, or by --from: ${ids.join('; ')}.`,
    });
  }
  return first;
}

/** For people. */
function shortId({ id }: Offer): string {
  return toHex(id).slice(0, 12);
}
