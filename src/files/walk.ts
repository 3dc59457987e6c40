/** What is in a folder, in the order of a manifest, and what of it cannot be sent. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileState } from './hash-file.ts';
import { MAX_PATH_DEPTH, nameProblem } from './names.ts';

export interface Skipped {
  readonly path: string;
  readonly reason: string;
}

interface Found {
  /** Below the folder, with "/" between its parts. */
  readonly path: string;
  readonly state: FileState;
  readonly isExecutable: boolean;
}

export type WalkedEntry = (Found & { readonly kind: 'folder' }) | (Found & { readonly kind: 'file' });

/** A folder with a file of this name is a key folder: nobody means to offer that, or what lies beside it. */
const SECRET_KEY_FILE = 'secret.key';
export const KEEPS_KEYS = `a folder with a "${SECRET_KEY_FILE}" is never shared`;

/** Whether keys are among these names, or it is one of them itself. */
export function keepsKeys(...names: readonly string[]): boolean {
  return names.some((name) => name.toLowerCase() === SECRET_KEY_FILE);
}

/** How many are looked at together. */
const BATCH = 64;

/** Links are not followed, lest they lead out of the folder. What is skipped is told to `skip`. */
export async function* walk(root: string, skip: (skipped: Skipped) => void): AsyncGenerator<WalkedEntry> {
  yield* walkFolder(root, '', 1, skip);
}

async function* walkFolder(
  root: string,
  folder: string,
  depth: number,
  skip: (skipped: Skipped) => void,
): AsyncGenerator<WalkedEntry> {
  const names = await sendableNames(join(root, folder), skip);
  if (keepsKeys(...names)) {
    skip({ path: join(root, folder), reason: KEEPS_KEYS });
    return;
  }
  for (let start = 0; start < names.length; start += BATCH) {
    const batch = names
      .slice(start, start + BATCH)
      .map((name) => (folder === '' ? name : `${folder}/${name}`));
    for (const entry of await Promise.all(batch.map((path) => look(root, path, depth, skip)))) {
      if (entry === null) continue;
      yield entry;
      if (entry.kind === 'folder') yield* walkFolder(root, entry.path, depth + 1, skip);
    }
  }
}

/** In the order of their bytes. */
async function sendableNames(folder: string, skip: (skipped: Skipped) => void): Promise<string[]> {
  let found: Buffer[];
  try {
    found = await readdir(folder, { encoding: 'buffer' });
  } catch (error) {
    skip({ path: folder, reason: reasonOf(error) });
    return [];
  }
  const names: string[] = [];
  for (const bytes of found.sort(Buffer.compare)) {
    const name = bytes.toString();
    const problem = Buffer.from(name).equals(bytes) ? nameProblem(name) : 'its name is not UTF-8';
    if (problem === null) names.push(name);
    else skip({ path: join(folder, name), reason: `its name cannot be sent: ${problem}` });
  }
  return names;
}

async function look(
  root: string,
  path: string,
  depth: number,
  skip: (skipped: Skipped) => void,
): Promise<WalkedEntry | null> {
  const full = join(root, path);
  const refuse = (reason: string): null => {
    skip({ path: full, reason });
    return null;
  };
  try {
    const found = await lstat(full, { bigint: true });
    const state = { size: Number(found.size), mtimeNs: found.mtimeNs, ino: found.ino };
    const isExecutable = (found.mode & 0o100n) !== 0n;
    if (depth > MAX_PATH_DEPTH) return refuse('it is too deep');
    if (found.isDirectory()) return { kind: 'folder', path, state, isExecutable };
    if (found.isFile()) return { kind: 'file', path, state, isExecutable };
    return refuse(found.isSymbolicLink() ? 'links are not followed' : 'it is neither a file nor a folder');
  } catch (error) {
    return refuse(reasonOf(error));
  }
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
