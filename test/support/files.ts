import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
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
export async function described(root: string): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(root)).sort()) lines.push(...(await describedAs(name, join(root, name))));
  return lines;
}

/** The same of one path, under a name. */
export async function describedAs(name: string, path: string): Promise<string[]> {
  const { mode, mtimeMs } = await lstat(path);
  const time = Math.round(mtimeMs);
  if ((mode & constants.S_IFMT) === constants.S_IFDIR)
    return [`folder ${name} ${time}`, ...(await described(path)).map((line) => `${name}/ ${line}`)];
  if ((mode & constants.S_IFMT) !== constants.S_IFREG) return [`other ${name}`];
  const hash = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  return [`file ${name} ${(mode & 0o100) !== 0 ? 'x' : '-'} ${time} ${hash}`];
}

/** The paths of all files below a folder. */
export async function filesBelow(root: string): Promise<string[]> {
  const found = await readdir(root, { withFileTypes: true, recursive: true });
  return found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}
