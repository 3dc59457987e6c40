/** How offers are shown. */
import { type ManifestEntry, type Offer, toHex } from '../index.ts';
import { printable } from './output.ts';
import { size } from './progress.ts';

/** `3f2a9c01d4e5  1.2 GB  photos/  (312 files)` */
export function summary(offer: Offer): string {
  const name = printable(offer.name);
  const what = offer.kind === 'folder' ? `${name}/  (${offer.files} files)` : name;
  return `${toHex(offer.id).slice(0, 12)}  ${size(offer.size).padStart(8)}  ${what}`;
}

/** More than anybody reads; a terminal takes its time for a million. */
const MAX_LINES = 1_000;

/** What is in a folder, a line for each thing; of those beyond the first, how many they are, if that is known. */
export async function* listing(
  name: string,
  entries: AsyncIterable<ManifestEntry>,
  hasMore: boolean,
): AsyncGenerator<string> {
  let count = 0;
  let executable = 0;
  for await (const entry of entries) {
    const isExecutable = entry.kind === 'file' && entry.isExecutable;
    if (++count > MAX_LINES) executable += Number(isExecutable);
    else if (entry.kind === 'folder') yield `            ${name}/${printable(entry.path)}/`;
    else {
      const mark = isExecutable ? '  (executable)' : '';
      yield `  ${size(entry.size).padStart(8)}  ${name}/${printable(entry.path)}${mark}`;
    }
  }
  if (hasMore) yield '  … and more, executable or not: the list is too long to look at before it is taken';
  else if (count > MAX_LINES)
    yield `  … and ${count - MAX_LINES} more, of which ${executable} are executable`;
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
