/** What peers offer, and who has what. */
import { toHex } from '../bytes.ts';
import { UdpToolError } from '../errors.ts';
import type { Offer } from '../files/offer.ts';
import type { RemotePeer } from '../remote-peer.ts';
import { decodeOffers, MAX_LIST_BYTES, OFFERS } from './offer-list.ts';
import { within } from './within.ts';

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
  const result = await within(timeoutMs, signal, (late) =>
    peer.ask({ subject: OFFERS, maxBytes: MAX_LIST_BYTES, patienceMs: timeoutMs, signal: late }),
  );
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
      const key = `${contentKey(offer)}/${offer.name}`;
      const same = found.get(key);
      if (same === undefined) found.set(key, { offer, peers: [peer] });
      else {
        if (!same.peers.includes(peer)) same.peers.push(peer);
        // Nothing shows which of them is right: it is marked as executable where all say so.
        if (offer.kind === 'file' && !offer.isExecutable) same.offer = offer;
      }
    }
  }
  return [...found.values()];
}

/** Every peer that offers the same bytes, under whatever name. */
export function holdersOf(lists: ReadonlyMap<RemotePeer, readonly Offer[]>, offer: Offer): RemotePeer[] {
  const key = contentKey(offer);
  return [...lists]
    .filter(([, offers]) => offers.some((one) => contentKey(one) === key))
    .map(([peer]) => peer);
}

/**
 * What has to be the same for the content to be: the id, and what is said beside it and only shows once the content
 * comes. Who lies about that must not have the honest ones asked for what they do not have.
 */
function contentKey(offer: Offer): string {
  const { kind, id, size, files } = offer;
  return [kind, toHex(id), size, files, kind === 'folder' ? offer.manifestSize : 0].join();
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
  if (meant.some(({ offer }) => contentKey(offer) !== contentKey(first.offer))) {
    const ids = meant.map(
      ({ offer, peers }) => `${shortId(offer)} of ${peers.map(({ name }) => name).join(', ')}`,
    );
    throw new UdpToolError('bad-usage', `Different files are called "${nameOrId}".`, {
      hint: `Say which by its id, or of whom by --from: ${ids.join('; ')}.`,
    });
  }
  return first;
}

/** For people. */
function shortId({ id }: Offer): string {
  return toHex(id).slice(0, 12);
}
