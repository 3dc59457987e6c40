import type { Download } from '../../src/files/download.ts';
import type { Shelf } from '../../src/files/shelf.ts';

/** Bytes that differ from chunk to chunk. */
export function patterned(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 13) * 7 + seed) & 0xff;
  return bytes;
}

/** Carries everything from the shelf to the download, so many pieces at a time. */
export async function copy(
  shelf: Shelf,
  download: Download,
  limit = Number.POSITIVE_INFINITY,
): Promise<number> {
  let carried = 0;
  for (
    let wanted = download.next();
    wanted !== null && carried < limit;
    wanted = download.next(), carried++
  ) {
    const bytes = await shelf.read('anybody', wanted.subject);
    if (bytes?.length !== wanted.bytes) throw new Error('the shelf does not have what is offered');
    if ((await download.accept(wanted.subject, bytes)) !== 'accepted') throw new Error('not accepted');
  }
  return carried;
}
