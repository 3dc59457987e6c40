/**
 * Hashes of files that were hashed once, kept in a folder: a line for each file, by what it was then, and the nodes of
 * each blob of more than one chunk. Whatever of it is lost is computed again.
 */
import { appendFile, type FileHandle, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../bytes.ts';
import { writeDurably } from '../durable-file.ts';
import { random } from '../transport/random.ts';
import { CHUNK_BYTES } from './content-tree.ts';
import { unlessGone } from './disk-error.ts';
import { type FileState, hashFile, isSameState, mtimeMsOf, stateOf } from './hash-file.ts';

/** A file that was changed so lately may change again without its time changing: what was seen of it is not trusted later. */
const SETTLED_MS = 2_000;
const MAX_KNOWN = 1_000_000;
/** Lines that wait to be written together. */
const MAX_UNWRITTEN = 256;
/** Nodes that no line names are removed after so long: another process may be about to write the line. */
const ABANDONED_MS = 60 * 60 * 1000;

interface Known extends FileState {
  readonly id: string;
}

export interface HashingOptions {
  readonly signal?: AbortSignal | undefined;
  onBytes(bytes: number): void;
}

export class HashCache {
  readonly #dir: string;
  readonly #known = new Map<string, Known>();
  #unwritten: string[] = [];

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async open(dir: string): Promise<HashCache> {
    const cache = new HashCache(dir);
    await mkdir(join(dir, 'nodes'), { recursive: true, mode: 0o700 });
    await cache.#load();
    return cache;
  }

  /** Where the nodes of a blob are, if it has more than one chunk. */
  nodesPath(id: string): string {
    return join(this.#dir, 'nodes', id);
  }

  /** The id of a file that was hashed when it was what it is; null where it has to be hashed. */
  async known(path: string, state: FileState): Promise<string | null> {
    const known = this.#known.get(path);
    if (known === undefined || !isSameState(known, state)) return null;
    const hasNodes = state.size <= CHUNK_BYTES || (await stat(this.nodesPath(known.id)).catch(unlessGone));
    return hasNodes ? known.id : null;
  }

  /** Hashes an open file. Null where it is not, or does not stay, what it was when it was looked at. */
  async hash(
    path: string,
    state: FileState,
    handle: FileHandle,
    options: HashingOptions,
  ): Promise<string | null> {
    const nodesPath = this.nodesPath(`${toHex(random(8))}.new`);
    const startedAtMs = Date.now();
    try {
      const hash = await hashFile(handle, state.size, { ...options, nodesPath });
      const now = await stateOf(handle);
      if (hash === null || now === null || !isSameState(now, state)) return null;
      const id = toHex(hash);
      if (state.size > CHUNK_BYTES) await rename(nodesPath, this.nodesPath(id));
      if (Math.abs(startedAtMs - mtimeMsOf(state)) >= SETTLED_MS) await this.#keep(path, { ...state, id });
      return id;
    } finally {
      // Gone already where all went well.
      if (state.size > CHUNK_BYTES) await rm(nodesPath, { force: true });
    }
  }

  /** Writes down what is known. */
  async flush(): Promise<void> {
    const lines = this.#unwritten.splice(0);
    if (lines.length > 0) await appendFile(this.#linesPath, lines.join(''), { mode: 0o600 });
  }

  async #keep(path: string, known: Known): Promise<void> {
    this.#known.set(path, known);
    this.#unwritten.push(lineOf(path, known));
    if (this.#unwritten.length >= MAX_UNWRITTEN) await this.flush();
  }

  async #load(): Promise<void> {
    const lines = ((await readFile(this.#linesPath, 'utf8').catch(unlessGone)) ?? '').split('\n');
    for (const line of lines) {
      const [path, known] = parseLine(line) ?? [];
      if (path === undefined || known === undefined) continue;
      this.#known.delete(path); // to the end
      this.#known.set(path, known);
    }
    for (const path of this.#known.keys()) {
      if (this.#known.size <= MAX_KNOWN) break;
      this.#known.delete(path);
    }
    if (lines.length > 2 * this.#known.size + MAX_UNWRITTEN) await this.#rewrite();
    await this.#removeAbandoned();
  }

  /** Without the lines that later ones replaced. What another process adds meanwhile is lost, and hashed again. */
  async #rewrite(): Promise<void> {
    const text = [...this.#known].map(([path, known]) => lineOf(path, known)).join('');
    const temporary = `${this.#linesPath}.${toHex(random(8))}.new`;
    await writeDurably({ path: this.#linesPath, temporary }, async () => text);
  }

  async #removeAbandoned(): Promise<void> {
    const named = new Set([...this.#known.values()].map(({ id }) => id));
    for (const name of await readdir(join(this.#dir, 'nodes'))) {
      if (named.has(name)) continue;
      const found = await stat(this.nodesPath(name)).catch(unlessGone);
      if (found !== undefined && Math.abs(Date.now() - found.mtimeMs) > ABANDONED_MS)
        await rm(this.nodesPath(name), { force: true });
    }
  }

  get #linesPath(): string {
    return join(this.#dir, 'hashes');
  }
}

function lineOf(path: string, { size, mtimeNs, ino, id }: Known): string {
  return `${JSON.stringify([path, size, String(mtimeNs), String(ino), id])}\n`;
}

/** Null for half a line of a process that was killed, and what else is none. */
function parseLine(line: string): readonly [path: string, known: Known] | null {
  try {
    const [path, size, mtimeNs, ino, id] = JSON.parse(line) as unknown[];
    if (typeof path !== 'string' || typeof size !== 'number' || typeof id !== 'string') return null;
    if (!/^[0-9a-f]{64}$/.test(id)) return null;
    return [path, { size, mtimeNs: BigInt(String(mtimeNs)), ino: BigInt(String(ino)), id }];
  } catch {
    return null;
  }
}
