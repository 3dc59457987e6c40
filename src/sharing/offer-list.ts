/** Offers and pieces of them, as peers tell and ask each other (PROTOCOL §10.3). */

import { isId, isSize } from '../files/manifest.ts';
import { type Offer, offerFromCbor, offerToCbor, type Subject } from '../files/offer.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../wire/cbor.ts';
import type { StreamSubject } from '../wire/stream-messages.ts';

/** Of an encoded list; what is beyond is left out of it. */
export const MAX_LIST_BYTES: number = 1024 * 1024;

export const OFFERS: StreamSubject = ['offers'];

/** The kinds of things that are asked for. */
export type Question =
  | { readonly kind: 'offers' }
  /** `push` is a number that tells a push from others of the same offer. */
  | { readonly kind: 'push'; readonly offer: Offer; readonly push: number }
  | { readonly kind: 'piece'; readonly piece: Subject };

/** What somebody asks for; null for what nobody honest asks. */
export function readQuestion([kind, ...fields]: StreamSubject): Question | null {
  const [first, second, third] = fields;
  switch (kind) {
    case 'offers':
      return fields.length === 0 ? { kind } : null;
    case 'push': {
      const offer = offerFromCbor(first);
      return offer === null || fields.length !== 2 || !isSize(second) ? null : { kind, offer, push: second };
    }
    case 'chunk':
      if (fields.length !== 2 || !isId(first) || !isSize(second)) return null;
      return { kind: 'piece', piece: { kind, blob: first, index: second } };
    case 'node':
      if (fields.length !== 3 || !isId(first) || !isSize(second) || !isSize(third)) return null;
      return { kind: 'piece', piece: { kind, blob: first, level: second, index: third } };
    default:
      return null;
  }
}

export function askForPiece(piece: Subject): StreamSubject {
  return piece.kind === 'chunk'
    ? ['chunk', piece.blob, piece.index]
    : ['node', piece.blob, piece.level, piece.index];
}

export function askToTake(offer: Offer, push: number): StreamSubject {
  return ['push', offerToCbor(offer), push];
}

/** As many of them as a list holds. */
export function encodeOffers(offers: readonly Offer[]): Uint8Array {
  let count = offers.length;
  for (;;) {
    const bytes = encodeCbor(offers.slice(0, count).map(offerToCbor));
    if (bytes.length <= MAX_LIST_BYTES) return bytes;
    count = Math.floor((count * MAX_LIST_BYTES) / bytes.length / 1.01);
  }
}

/** The offers in a list; null when it is none. An offer that this machine could not take is left out. */
export function decodeOffers(bytes: Uint8Array): Offer[] | null {
  const decoded = decodeCbor(bytes);
  if (!decoded.ok || !Array.isArray(decoded.value)) return null;
  const offers: Offer[] = [];
  for (const fields of decoded.value as readonly CborValue[]) {
    const offer = offerFromCbor(fields);
    if (offer !== null) offers.push(offer);
  }
  return offers;
}
