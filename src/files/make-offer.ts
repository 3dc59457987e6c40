/** Hashes a file or a folder, and makes the offer of it. */
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../bytes.ts';
import { UdpToolError } from '../errors.ts';
import { random } from '../transport/random.ts';
import { concurrently } from './concurrently.ts';
import { CHUNK_BYTES } from './content-tree.ts';
import { unlessGone } from './disk-error.ts';
import type { HashCache, HashingOptions } from './hash-cache.ts';
import { type FileState, hashFile, mtimeMsOf, openForReading, refuseAborted, stateOf } from './hash-file.ts';
import { encodeEntry, MAX_ENTRIES, MAX_MANIFEST_BYTES } from './manifest.ts';
import type { Offer } from './offer.ts';
import { reasonOf, type Skipped, type WalkedEntry, walk } from './walk.ts';

/** A file that holds a blob, and what it was when it was hashed. */
export interface Holder {
  readonly path: string;
  readonly state: FileState;
  /** Where its nodes are, if it has more than one chunk. */
  readonly nodesPath: string;
}

export interface Made {
  readonly offer: Offer;
  /** Who holds what, by the id of the blob. */
  readonly holders: ReadonlyMap<string, Holder>;
  readonly skipped: readonly Skipped[];
}

export interface MakeOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((bytesHashed: number, bytesTotal: number) => void) | undefined;
}

/** Files that are hashed at once: small ones wait for the disk more than for us. */
const MAX_HASHING = 8;

export class OfferMaker {
  readonly #cache: HashCache;
  /** Where manifests are kept. */
  readonly #dir: string;

  constructor(cache: HashCache, dir: string) {
    this.#cache = cache;
    this.#dir = dir;
  }

  /**
   * @param path without links in it
   * @throws UdpToolError `bad-usage` for what is neither, `too-large`, `content-changed`; and what the file system says
   */
  async make(path: string, name: string, options: MakeOptions): Promise<Made> {
    const handle = await openForReading(path);
    try {
      const found = await handle.stat({ bigint: true });
      const state = { size: Number(found.size), mtimeNs: found.mtimeNs, ino: found.ino };
      if (found.isDirectory()) return await this.#makeFolder(path, name, mtimeMsOf(state), options);
      if (!found.isFile()) throw new UdpToolError('bad-usage', `${path} is neither a file nor a folder.`);
      return await this.#makeFile(
        { kind: 'file', path, state, isExecutable: (found.mode & 0o100n) !== 0n },
        name,
        options,
      );
    } finally {
      await handle.close();
      await this.#cache.flush();
    }
  }

  async #makeFile(file: WalkedEntry, name: string, options: MakeOptions): Promise<Made> {
    const { path, state, isExecutable } = file;
    const id = await this.#hash(path, state, hashing(options, state.size));
    if (id === null) throw new UdpToolError('content-changed', `${path} changed while it was read.`);
    const { size } = state;
    return {
      offer: { kind: 'file', name, size, files: 1, id: bytesOf(id), mtimeMs: mtimeMsOf(state), isExecutable },
      holders: new Map([[id, this.#holder(path, state, id)]]),
      skipped: [],
    };
  }

  async #makeFolder(root: string, name: string, mtimeMs: number, options: MakeOptions): Promise<Made> {
    const skipped: Skipped[] = [];
    const entries: WalkedEntry[] = [];
    for await (const entry of walk(root, (one) => skipped.push(one))) {
      refuseAborted(options.signal);
      if (entries.push(entry) > MAX_ENTRIES)
        throw new UdpToolError('too-large', `${root} has more than ${MAX_ENTRIES} files and folders.`);
    }
    const ids = await this.#hashAll(root, entries, options, (one) => skipped.push(one));

    const holders = new Map<string, Holder>();
    const manifest: Uint8Array[] = [];
    let files = 0;
    let size = 0;
    for (const entry of entries) {
      const { path, state, isExecutable } = entry;
      const times = { path, mtimeMs: mtimeMsOf(state) };
      const id = ids.get(entry);
      if (entry.kind === 'folder') manifest.push(encodeEntry({ kind: 'folder', ...times }));
      if (id === undefined) continue;
      manifest.push(encodeEntry({ kind: 'file', ...times, size: state.size, isExecutable, id: bytesOf(id) }));
      holders.set(id, this.#holder(join(root, path), state, id));
      files++;
      size += state.size;
    }
    const bytes = Buffer.concat(manifest);
    if (bytes.length > MAX_MANIFEST_BYTES)
      throw new UdpToolError('too-large', `The names in ${root} have too many bytes together.`);
    const { id, holder } = await this.#writeManifest(bytes);
    holders.set(id, holder);
    const manifestSize = holder.state.size;
    return {
      offer: { kind: 'folder', name, size, files, id: bytesOf(id), manifestSize, mtimeMs },
      holders,
      skipped,
    };
  }

  /** The ids of the files; what cannot be read is told to `skip`. */
  async #hashAll(
    root: string,
    entries: readonly WalkedEntry[],
    options: MakeOptions,
    skip: (skipped: Skipped) => void,
  ): Promise<Map<WalkedEntry, string>> {
    const files = entries.filter(({ kind }) => kind === 'file');
    const progress = hashing(
      options,
      files.reduce((sum, { state }) => sum + state.size, 0),
    );
    const ids = new Map<WalkedEntry, string>();
    await concurrently(files, MAX_HASHING, async (entry) => {
      const path = join(root, entry.path);
      try {
        const id = await this.#hash(path, entry.state, progress);
        if (id !== null) ids.set(entry, id);
        else skip({ path, reason: 'it changed while it was read' });
      } catch (error) {
        refuseAborted(options.signal);
        skip({ path, reason: reasonOf(error) });
      }
    });
    return ids;
  }

  /** Null where the file is not, or does not stay, what it was when it was looked at. */
  async #hash(path: string, state: FileState, options: HashingOptions): Promise<string | null> {
    const known = await this.#cache.known(path, state);
    if (known !== null) {
      options.onBytes(state.size);
      return known;
    }
    const handle = await openForReading(path);
    return this.#cache.hash(path, state, handle, options).finally(() => handle.close());
  }

  async #writeManifest(bytes: Uint8Array): Promise<{ id: string; holder: Holder }> {
    const temporary = join(this.#dir, `${toHex(random(8))}.new`);
    const handle = await open(temporary, 'wx+', 0o600);
    const nodesPath = `${temporary}.nodes`;
    try {
      await handle.writeFile(bytes);
      const id = toHex((await hashFile(handle, bytes.length, { nodesPath })) ?? new Uint8Array());
      const path = join(this.#dir, id);
      // Where it is there already, it may be open, and stays.
      const there = await openForReading(path).catch(unlessGone);
      if (there === undefined) {
        if (bytes.length > CHUNK_BYTES) await rename(nodesPath, `${path}.nodes`);
        await rename(temporary, path);
      }
      const state = await stateOf(there ?? handle);
      await there?.close();
      if (state === null) throw new UdpToolError('failed', `${path} is no file.`);
      return { id, holder: { path, state, nodesPath: `${path}.nodes` } };
    } finally {
      await handle.close();
      await rm(temporary, { force: true });
      await rm(nodesPath, { force: true });
    }
  }

  #holder(path: string, state: FileState, id: string): Holder {
    return { path, state, nodesPath: this.#cache.nodesPath(id) };
  }
}

function hashing({ signal, onProgress }: MakeOptions, total: number): HashingOptions {
  let done = 0;
  const onBytes = (bytes: number): void => onProgress?.((done += bytes), total);
  return { signal, onBytes };
}

function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}
