import { chmod, lstat, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Download } from '../../src/files/download.ts';
import type { Shelf } from '../../src/files/shelf.ts';

/** Bytes that differ from chunk to chunk. */
export function patterned(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 13) * 7 + seed) & 0xff;
  return bytes;
}

/** Carries everything from the shelf to the download, so many pieces at most; gives how many. */
export async function copy(
  shelf: Shelf,
  download: Pick<Download, 'next' | 'accept'>,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<number> {
  let carried = 0;
  for (let wanted = download.next(); wanted !== null; wanted = download.next()) {
    const bytes = await shelf.read('anybody', wanted.subject);
    if (bytes?.length !== wanted.bytes) throw new Error('the shelf does not have what is offered');
    if ((await download.accept(wanted.subject, bytes)) !== 'accepted') throw new Error('not accepted');
    if (++carried >= limit) break;
  }
  return carried;
}

/** What a path is to become: bytes of a file, or a folder. */
export type Tree = Readonly<Record<string, Uint8Array | string | null>>;

/** A time that no file gets by itself. */
export const LONG_AGO_MS = 1_234_567_890_123;

/** Makes a folder with files in it; `null` is an empty folder, and what ends with `.sh` may be run. */
export async function plant(root: string, tree: Tree): Promise<void> {
  await mkdir(root, { recursive: true });
  const folders = new Set([root]);
  for (const [path, content] of Object.entries(tree)) {
    const full = join(root, path);
    const folder = content === null ? full : dirname(full);
    await mkdir(folder, { recursive: true });
    for (let one = folder; one.length > root.length; one = dirname(one)) folders.add(one);
    if (content === null) continue;
    await writeFile(full, content);
    if (path.endsWith('.sh')) await chmod(full, 0o755);
    await utimes(full, LONG_AGO_MS / 1000, LONG_AGO_MS / 1000);
  }
  for (const folder of folders) await utimes(folder, LONG_AGO_MS / 1000 - 60, LONG_AGO_MS / 1000 - 60);
}

/** All that is below a folder, as a line for each: kind, mode, time, content. */
export async function described(root: string, path = ''): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(join(root, path))).sort()) {
    const below = path === '' ? name : `${path}/${name}`;
    const full = join(root, below);
    const found = await lstat(full);
    const run = (found.mode & 0o100) !== 0 ? 'x' : '-';
    const time = Math.floor(found.mtimeMs);
    if (found.isDirectory()) lines.push(`folder ${below} ${time}`, ...(await described(root, below)));
    else if (found.isFile())
      lines.push(`file ${below} ${run} ${time} ${(await readFile(full)).toString('base64')}`);
    else lines.push(`other ${below}`);
  }
  return lines;
}
