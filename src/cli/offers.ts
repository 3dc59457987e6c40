/** How offers are shown. */
import { type Offer, toHex } from '../index.ts';
import { printable } from './output.ts';
import { size } from './progress.ts';

/** `3f2a9c01d4e5  1.2 GB  photos/  (312 files)` */
export function summary(offer: Offer): string {
  const name = printable(offer.name);
  const what = offer.kind === 'folder' ? `${name}/  (${offer.files} files)` : name;
  return `${toHex(offer.id).slice(0, 12)}  ${size(offer.size).padStart(8)}  ${what}`;
}

export function offerAsJson(offer: Offer): Record<string, unknown> {
  const { name, kind, files, mtimeMs } = offer;
  return {
    name,
    kind,
    size: offer.size,
    files,
    id: toHex(offer.id),
    modified: new Date(mtimeMs).toISOString(),
  };
}
