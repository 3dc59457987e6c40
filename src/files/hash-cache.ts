/**
 * Hashes of files that were hashed once, kept in a folder: a line for each file, by what it was then, and the tree of
 * each blob of more than one chunk. Whatever of it is lost is computed again.
 */
import { appendFile, type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../bytes.ts';
import { random } from '../transport/random.ts';
import { unlessGone } from './disk-error.ts';
import { type FileState, type HashOptions, hashFile, isSameState } from './hash-file.ts';

/** A file whose time is so near may change again without its time changing: what was seen of it is not kept. */
const SETTLED_MS = 2_000;

interface Known extends FileState {
  readonly id: string;
}

export class HashCache {
  readonly #dir: string;
  readonly #known = new Map<string, Known>();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async open(dir: string): Promise<HashCache> {
    const cache = new HashCache(dir);
    await mkdir(join(dir, 'trees'), { recursive: true, mode: 0o700 });
    await cache.#load();
    return cache;
  }

  /** Where the nodes of a blob are. */
  treePath(id: string): string {
    return join(this.#dir, 'trees', id);
  }

  /** The id of an open file, from what is known of it or computed. Null where it becomes shorter meanwhile. */
  async idOf(
    path: string,
    state: FileState,
    handle: FileHandle,
    options: HashOptions,
  ): Promise<string | null> {
    const known = this.#known.get(path);
    if (known !== undefined && isSameState(known, state)) {
      options.onBytes?.(state.size);
      return known.id;
    }
    const temporary = this.treePath(`${toHex(random(8))}.new`);
    let hasTree = false;
    try {
      const openNodes = (): Promise<FileHandle> => {
        hasTree = true;
        return open(temporary, 'wx', 0o600);
      };
      const hash = await hashFile(handle, state.size, { ...options, openNodes });
      if (hash === null) return null;
      const id = toHex(hash);
      if (hasTree) await rename(temporary, this.treePath(id));
      hasTree = false;
      await this.#keep(path, { ...state, id });
      return id;
    } finally {
      if (hasTree) await rm(temporary, { force: true });
    }
  }

  async #keep(path: string, { size, mtimeNs, ino, id }: Known): Promise<void> {
    this.#known.set(path, { size, mtimeNs, ino, id });
    const age = Date.now() - Number(mtimeNs / 1_000_000n);
    if (age < SETTLED_MS) return;
    const line = JSON.stringify([path, size, String(mtimeNs), String(ino), id]);
    await appendFile(join(this.#dir, 'hashes'), `${line}\n`, { mode: 0o600 });
  }

  async #load(): Promise<void> {
    const text = (await readFile(join(this.#dir, 'hashes'), 'utf8').catch(unlessGone)) ?? '';
    for (const line of text.split('\n')) {
      const [path, known] = parseLine(line) ?? [];
      if (path !== undefined && known !== undefined) this.#known.set(path, known);
    }
  }
}

function parseLine(line: string): readonly [string, Known] | null {
  try {
    const [path, size, mtimeNs, ino, id] = JSON.parse(line) as [string, number, string, string, string];
    return [path, { size, mtimeNs: BigInt(mtimeNs), ino: BigInt(ino), id }];
  } catch {
    return null; // half a line, of a process that was killed
  }
}
