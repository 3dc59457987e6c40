/** What this machine offers, and to whom. */
import type { FileHandle } from 'node:fs/promises';
import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { toHex } from '../bytes.ts';
import { UdpToolError } from '../errors.ts';
import { readAt } from './blob-file.ts';
import { CHUNK_BYTES, TreeShape } from './content-tree.ts';
import { failing } from './disk-error.ts';
import { Handles } from './handles.ts';
import { HashCache } from './hash-cache.ts';
import { type FileState, isSameState, mtimeMsOf, openForReading, stateOf } from './hash-file.ts';
import { levelOf, type Offer, type Subject } from './offer.ts';

const MAX_OPEN_FILES = 64;

export interface ShelfOptions {
  /** Where hashes are kept, so that what was hashed once need not be again. */
  readonly stateDir: string;
}

export interface AddOptions {
  /** Public keys as text; all peers if not given. */
  readonly to?: readonly string[];
  readonly signal?: AbortSignal;
  onProgress?(bytesHashed: number, bytesTotal: number): void;
}

export interface Skipped {
  readonly path: string;
  readonly reason: string;
}

/** A file that holds a blob, and what it was when it was hashed. */
interface Holder {
  readonly path: string;
  readonly state: FileState;
  readonly entry: Entry;
}

interface Entry {
  readonly path: string;
  /** Null for all peers. */
  readonly to: ReadonlySet<string> | null;
  offer: Offer;
}

export class Shelf {
  readonly #cache: HashCache;
  readonly #handles = new Handles(MAX_OPEN_FILES);
  readonly #entries = new Set<Entry>();
  /** By the id of the blob. */
  readonly #holders = new Map<string, Holder[]>();

  private constructor(cache: HashCache) {
    this.#cache = cache;
  }

  static async open({ stateDir }: ShelfOptions): Promise<Shelf> {
    return failing('keep hashes', stateDir, async () => new Shelf(await HashCache.open(stateDir)));
  }

  /**
   * Hashes a file or a folder, and offers it. Of a folder, what is no regular file or folder is skipped.
   * @throws UdpToolError `bad-usage`, `aborted`, `content-changed`, `no-permission`, `failed`
   */
  async add(path: string, options: AddOptions = {}): Promise<{ offer: Offer; skipped: readonly Skipped[] }> {
    return failing(`share ${path}`, path, async () => {
      const real = await realpath(path);
      const handle = await openForReading(real);
      try {
        return { offer: await this.#addFile(real, basename(path), handle, options), skipped: [] };
      } finally {
        await handle.close();
      }
    });
  }

  remove(id: Uint8Array): void {
    const key = toHex(id);
    for (const entry of this.#entries) if (toHex(entry.offer.id) === key) this.#withdraw(entry);
  }

  offersFor(peer: string): Offer[] {
    return [...this.#entries].filter((entry) => isFor(entry, peer)).map(({ offer }) => offer);
  }

  /**
   * The bytes of a chunk or a node; null where that is not offered to the peer, or is no place of the blob.
   * @throws UdpToolError `content-changed` where the file is not what was offered: its offer is withdrawn
   */
  async read(peer: string, subject: Subject): Promise<Uint8Array | null> {
    const id = toHex(subject.blob);
    const holder = this.#holders.get(id)?.find(({ entry }) => isFor(entry, peer));
    if (holder === undefined) return null;
    const shape = new TreeShape(holder.state.size);
    const length = shape.bytesAt(levelOf(subject), subject.index);
    if (length === null) return null;
    const bytes = new Uint8Array(length);
    const isThere =
      subject.kind === 'chunk'
        ? await this.#readChunk(holder, subject.index, bytes)
        : await this.#fill(this.#cache.treePath(id), bytes, shape.nodeOffset(subject.level, subject.index));
    if (isThere) return bytes;
    this.#withdraw(holder.entry);
    throw changed(holder.path);
  }

  async close(): Promise<void> {
    await this.#handles.close();
  }

  async #addFile(path: string, name: string, handle: FileHandle, options: AddOptions): Promise<Offer> {
    const state = await stateOf(handle);
    if (state === null) throw new UdpToolError('bad-usage', `${path} is neither a file nor a folder.`);
    let done = 0;
    const onBytes = (bytes: number): void => options.onProgress?.((done += bytes), state.size);
    const id = await this.#cache.idOf(path, state, handle, { signal: options.signal, onBytes });
    const after = await stateOf(handle);
    if (id === null || after === null || !isSameState(state, after)) throw changed(path);
    const { size, isExecutable } = state;
    const offer: Offer = {
      name,
      kind: 'file',
      size,
      files: 1,
      id: fromHex(id),
      mtimeMs: mtimeMsOf(state),
      isExecutable,
    };
    const entry: Entry = { path, to: options.to === undefined ? null : new Set(options.to), offer };
    this.#entries.add(entry);
    this.#hold(id, { path, state, entry });
    return offer;
  }

  #hold(id: string, holder: Holder): void {
    const holders = this.#holders.get(id);
    if (holders === undefined) this.#holders.set(id, [holder]);
    else holders.push(holder);
  }

  #withdraw(entry: Entry): void {
    if (!this.#entries.delete(entry)) return;
    for (const [id, holders] of this.#holders) {
      const others = holders.filter((holder) => holder.entry !== entry);
      if (others.length === 0) this.#holders.delete(id);
      else if (others.length < holders.length) this.#holders.set(id, others);
    }
  }

  /** Whether the file still is what it was, after reading: a writer dates a file before it changes it. */
  async #readChunk({ path, state }: Holder, index: number, bytes: Uint8Array): Promise<boolean> {
    return this.#handles
      .use(path, async (handle) => {
        const length = await readAt(handle, bytes, index * CHUNK_BYTES);
        const now = await stateOf(handle);
        return length === bytes.length && now !== null && isSameState(now, state);
      })
      .catch(() => false);
  }

  async #fill(path: string, bytes: Uint8Array, offset: number): Promise<boolean> {
    return this.#handles
      .use(path, async (handle) => (await readAt(handle, bytes, offset)) === bytes.length)
      .catch(() => false);
  }
}

function isFor({ to }: Entry, peer: string): boolean {
  return to === null || to.has(peer);
}

function changed(path: string): UdpToolError {
  return new UdpToolError('content-changed', `${path} is not what it was when it was offered.`);
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
