import { type Offer, toHex } from '../../../index.ts';
import type { OfferView } from '../../api.ts';

export function offerView(offer: Offer): OfferView {
  const { kind, name, size, files, id, mtimeMs } = offer;
  const isExecutable = offer.kind === 'file' && offer.isExecutable;
  return { kind, name, size, files, id: toHex(id), modifiedAt: mtimeMs, isExecutable };
}
