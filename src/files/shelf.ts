/** What this machine offers, and to whom. */
import { type FileHandle, mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { toHex } from '../bytes.ts';
import { hasSystemCode, UdpToolError } from '../errors.ts';
import { readAt } from './blob-file.ts';
import { TreeShape } from './content-tree.ts';
import { diskError, failing } from './disk-error.ts';
import { Handles } from './handles.ts';
import { HashCache } from './hash-cache.ts';
import { isSameState, refuseAborted, stateOf } from './hash-file.ts';
import { type Holder, type MakeOptions, OfferMaker } from './make-offer.ts';
import { nameProblem } from './names.ts';
import { bytesOf, type Offer, type Subject } from './offer.ts';
import { isOwnerRunning, markedName } from './process-mark.ts';
import { ReadAhead } from './read-ahead.ts';
import { KEEPS_KEYS, keepsKeys, reasonOf, type Skipped } from './walk.ts';

const MAX_OPEN_FILES = 64;

/** What became of an offer by itself: `withdrawn` where its content is not what it was, `offered` as what it is now. */
export type ShelfNews =
  | { readonly kind: 'offered' | 'withdrawn'; readonly path: string; readonly offer: Offer }
  | { readonly kind: 'skipped'; readonly path: string; readonly reason: string };

export interface ShelfOptions {
  /** Where hashes are kept, so that what was hashed once need not be again. */
  readonly stateDir: string;
  onNews?(news: ShelfNews): void;
}

export interface AddOptions {
  /** Public keys as text; all peers if not given. */
  readonly to?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (bytesHashed: number, bytesTotal: number) => void;
}

/** What is on the shelf. */
export interface Shared {
  /** Without links. */
  readonly path: string;
  readonly name: string;
  /** Public keys as text; undefined for all peers. */
  readonly to: readonly string[] | undefined;
  /** Null while it is gone or not what it was. */
  readonly offer: Offer | null;
  /** Found in a folder that is watched, rather than added by itself. */
  readonly isFound: boolean;
}

/** A path that is offered, and what of it is at the moment. */
interface Share {
  readonly path: string;
  readonly name: string;
  to: readonly string[] | undefined;
  entry: Entry | undefined;
  isFound: boolean;
}

interface Entry {
  readonly share: Share;
  readonly offer: Offer;
  readonly holders: ReadonlyMap<string, Holder>;
}

export class Shelf {
  readonly #maker: OfferMaker;
  /** Manifests of this process, and of nobody else. */
  readonly #ownDir: string;
  readonly #onNews: (news: ShelfNews) => void;
  readonly #handles = new Handles(MAX_OPEN_FILES);
  readonly #readAhead = new ReadAhead<Holder>();
  /** By path. */
  readonly #shares = new Map<string, Share>();
  /** Folders of which each thing is offered, and to whom. */
  readonly #watched = new Map<string, readonly string[] | undefined>();
  /** Paths in them that are not to be offered. */
  readonly #leftOut = new Set<string>();
  /** By the ids of the blobs that they hold. */
  readonly #entries = new Map<string, Entry[]>();
  /** One change after the other. */
  #changing: Promise<unknown> = Promise.resolve();
  #refreshing: Promise<void> | undefined;

  private constructor(cache: HashCache, ownDir: string, onNews: (news: ShelfNews) => void) {
    this.#maker = new OfferMaker(cache, ownDir);
    this.#ownDir = ownDir;
    this.#onNews = onNews;
  }

  /** @throws UdpToolError `no-permission`, `disk-full`, `failed` */
  static open({ stateDir, onNews = () => {} }: ShelfOptions): Promise<Shelf> {
    return failing('keep hashes', stateDir, async () => {
      const cache = await HashCache.open(stateDir);
      for (const name of await readdir(stateDir))
        if ((await isOwnerRunning(name)) === false)
          await rm(join(stateDir, name), { recursive: true, force: true });
      const ownDir = join(stateDir, await markedName('manifests'));
      await mkdir(ownDir, { mode: 0o700 });
      return new Shelf(cache, ownDir, onNews);
    });
  }

  /**
   * Hashes a file or a folder, and offers it; a path that is offered already is offered as it is now. Of a folder, what
   * cannot be sent is skipped.
   * @param path may be a link to what is meant; below it, links are not followed
   * @throws UdpToolError `bad-usage`, `too-large`, `aborted`, `content-changed`, `no-permission`, `disk-full`, `failed`
   */
  add(
    path: string,
    { to, ...options }: AddOptions = {},
  ): Promise<{ offer: Offer; skipped: readonly Skipped[] }> {
    return this.#change(`share ${path}`, path, async () => {
      const name = basename(resolve(path));
      const problem = nameProblem(name);
      if (problem !== null)
        throw new UdpToolError('bad-usage', `The name of ${path} cannot be sent: ${problem}.`);
      const share: Share = { path: await realpath(path), name, to, entry: undefined, isFound: false };
      await refuseKeys(share.path);
      const { entry, skipped } = await this.#make(share, options);
      this.#leftOut.delete(share.path);
      this.#put(entry);
      return { offer: entry.offer, skipped };
    });
  }

  /**
   * From the next {@link refresh}, each thing in the folder is an offer, but for what is hidden by a dot.
   * @throws UdpToolError `bad-usage` for what is no folder, or keeps keys
   */
  watch(folder: string, { to }: Pick<AddOptions, 'to'> = {}): Promise<void> {
    return this.#change(`share ${folder}`, folder, async () => {
      const path = await realpath(folder);
      if (!(await stat(path)).isDirectory()) throw new UdpToolError('bad-usage', `${folder} is no folder.`);
      await refuseKeys(path);
      this.#watched.set(path, to);
    });
  }

  /**
   * Looks again at all that is offered, hashes what changed, and offers it as it is now; news are told to `onNews`. It
   * looks at each file, so it is for whoever wants to know what is offered, not for each chunk.
   */
  refresh(signal?: AbortSignal): Promise<void> {
    this.#refreshing ??= this.#change('look at what is shared', this.#ownDir, () =>
      this.#refresh({ signal }),
    ).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** All that is offered, or will be again once it is back. */
  list(): Shared[] {
    return [...this.#shares.values()].map(({ path, name, to, entry, isFound }) => ({
      path,
      name,
      to,
      offer: entry?.offer ?? null,
      isFound,
    }));
  }

  /** The folders that are watched. */
  get watched(): Pick<Shared, 'path' | 'to'>[] {
    return [...this.#watched].map(([path, to]) => ({ path, to }));
  }

  /**
   * Offers it to nobody any more, from now on: an offer, or a folder that is watched with all that was found in it. What
   * was found is left out from then on, until it is added.
   * @param path as {@link list} or {@link watched} has it
   * @returns whether there was such a path
   */
  remove(path: string): boolean {
    const wasWatched = this.#watched.delete(path);
    if (wasWatched) {
      for (const one of this.#foundIn(path)) this.#takeAway(one);
      for (const one of this.#leftOut) if (dirname(one) === path) this.#leftOut.delete(one);
    }
    const share = this.#shares.get(path);
    if (share === undefined) return wasWatched;
    this.#takeAway(share);
    if (this.#watched.has(dirname(path))) this.#leftOut.add(path);
    return true;
  }

  /**
   * Offers it to others than before, from now on. Of a folder that is watched: all that was found in it, and was not
   * given to others by itself.
   * @param path as {@link list} or {@link watched} has it
   * @param to public keys as text; undefined for all peers
   * @returns whether there is such a path
   */
  offerTo(path: string, to: readonly string[] | undefined): boolean {
    const isWatched = this.#watched.has(path);
    if (isWatched) {
      this.#watched.set(path, to);
      for (const one of this.#foundIn(path)) one.to = to;
    }
    const share = this.#shares.get(path);
    if (share === undefined) return isWatched;
    share.to = to;
    share.isFound = false; // when it is gone and comes back, it is still for these
    return true;
  }

  offersFor(peer: string): Offer[] {
    const entries = [...this.#shares.values()].map(({ entry }) => entry);
    return entries
      .filter((entry) => entry !== undefined && isFor(entry, peer))
      .map((entry) => (entry as Entry).offer);
  }

  /**
   * The bytes of a chunk or a node; null where that is not offered to the peer, or is no place of the blob.
   * @throws UdpToolError `content-changed` where the file is not what was offered: its offer is withdrawn, until the next
   *   {@link refresh} offers it as it is then
   */
  async read(peer: string, subject: Subject): Promise<Uint8Array | null> {
    const id = toHex(subject.blob);
    const entry = this.#entryOf(peer, id);
    const holder = entry?.holders.get(id);
    if (entry === undefined || holder === undefined) return null;
    const length = bytesOf(subject, new TreeShape(holder.state.size));
    if (length === null) return null;
    const bytes = await this.#piece(holder, subject, length);
    if (bytes !== null) return bytes;
    if (this.#drop(entry.share, entry))
      this.#onNews({ kind: 'withdrawn', path: entry.share.path, offer: entry.offer });
    throw new UdpToolError('content-changed', `${holder.path} is not what it was when it was offered.`);
  }

  /** What a piece is of, among what is offered to the peer: the first, where several have it; null where none has. */
  offerOf(peer: string, { blob }: Subject): Offer | null {
    return this.#entryOf(peer, toHex(blob))?.offer ?? null;
  }

  async close(): Promise<void> {
    await this.#changing;
    await this.#handles.close();
    await rm(this.#ownDir, { recursive: true, force: true });
  }

  async #refresh(options: MakeOptions): Promise<void> {
    const shares = new Map(this.#shares);
    for (const [folder, to] of this.#watched) {
      for (const name of await readdir(folder)) {
        const path = join(folder, name);
        const isWanted = !name.startsWith('.') && nameProblem(name) === null && !this.#leftOut.has(path);
        if (isWanted && !shares.has(path))
          shares.set(path, { path, name, to, entry: undefined, isFound: true });
      }
    }
    for (const share of shares.values()) {
      try {
        const wasShared = this.#shares.get(share.path) === share;
        const { entry, skipped } = await this.#make(share, options);
        // Meanwhile it may have been taken away.
        if (wasShared ? this.#shares.get(share.path) !== share : !this.#watched.has(dirname(share.path)))
          continue;
        if (!wasShared) share.to = this.#watched.get(dirname(share.path));
        const isNews = share.entry === undefined || !isSameOffer(share.entry.offer, entry.offer);
        this.#put(entry);
        if (!isNews) continue;
        this.#onNews({ kind: 'offered', path: share.path, offer: entry.offer });
        for (const one of skipped) this.#onNews({ kind: 'skipped', ...one });
      } catch (error) {
        refuseAborted(options.signal);
        this.#failed(share, error);
      }
    }
  }

  /** It is gone, or cannot be read. */
  #failed(share: Share, error: unknown): void {
    const { path, entry } = share;
    // What was named may come back; what was only found is found again.
    if (share.isFound && this.#shares.get(path) === share) this.#shares.delete(path);
    if (this.#drop(share) && entry !== undefined)
      this.#onNews({ kind: 'withdrawn', path, offer: entry.offer });
    else if (!hasSystemCode(error, 'ENOENT', 'ELOOP'))
      this.#onNews({ kind: 'skipped', path, reason: reasonOf(error) });
  }

  #entryOf(peer: string, id: string): Entry | undefined {
    return this.#entries.get(id)?.find((one) => isFor(one, peer));
  }

  #foundIn(folder: string): Share[] {
    return [...this.#shares.values()].filter(({ path, isFound }) => isFound && dirname(path) === folder);
  }

  #takeAway(share: Share): void {
    this.#drop(share);
    this.#shares.delete(share.path);
  }

  async #make(share: Share, options: MakeOptions): Promise<{ entry: Entry; skipped: readonly Skipped[] }> {
    const { offer, holders, skipped } = await this.#maker.make(share.path, share.name, options);
    return { entry: { share, offer, holders }, skipped };
  }

  #put(entry: Entry): void {
    const { share } = entry;
    const before = this.#shares.get(share.path);
    if (before !== undefined) this.#drop(before);
    this.#shares.set(share.path, share);
    share.entry = entry;
    for (const id of entry.holders.keys()) {
      const entries = this.#entries.get(id);
      if (entries === undefined) this.#entries.set(id, [entry]);
      else entries.push(entry);
    }
  }

  /** Takes back what is offered of a share, or if that is still this entry; whether there was something. */
  #drop(share: Share, only?: Entry): boolean {
    const { entry } = share;
    if (entry === undefined || (only !== undefined && only !== entry)) return false;
    share.entry = undefined;
    for (const id of entry.holders.keys()) {
      const others = (this.#entries.get(id) ?? []).filter((other) => other !== entry);
      if (others.length === 0) this.#entries.delete(id);
      else this.#entries.set(id, others);
    }
    return true;
  }

  /** Bytes that are what was offered; null where it is not that any more. */
  async #piece(holder: Holder, subject: Subject, length: number): Promise<Uint8Array | null> {
    const { path, state, nodesPath } = holder;
    if (subject.kind === 'node') {
      const bytes = new Uint8Array(length);
      const offset = new TreeShape(state.size).nodeOffset(subject.level, subject.index);
      const isThere = await this.#readFrom(
        nodesPath,
        async (handle) => (await readAt(handle, bytes, offset)) === length,
      );
      return isThere ? bytes : null;
    }
    const read = async (): Promise<Uint8Array | null> => {
      const chunk = await this.#readAhead.chunk(holder, subject.index, (offset, maxBytes) =>
        this.#readRun(holder, offset, maxBytes),
      );
      return chunk?.length === length ? chunk : null;
    };
    const first = await read();
    if (first !== null) return first;
    // Another file may have taken its place, which was looked at since.
    await this.#handles.letGo(path);
    return read();
  }

  async #readRun({ path, state }: Holder, offset: number, maxBytes: number): Promise<Uint8Array | null> {
    const bytes = new Uint8Array(Math.min(maxBytes, state.size - offset));
    const isSame = await this.#readFrom(path, async (handle) => {
      const length = await readAt(handle, bytes, offset);
      // After reading: a writer dates a file before it changes it.
      const now = await stateOf(handle);
      return length === bytes.length && now !== null && isSameState(now, state);
    });
    return isSame ? bytes : null;
  }

  /** False also for what is gone, or is not for us any more. */
  async #readFrom(path: string, action: (handle: FileHandle) => Promise<boolean>): Promise<boolean> {
    try {
      return await this.#handles.use(path, action);
    } catch (error) {
      if (hasSystemCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'EPERM', 'ENXIO', 'EISDIR'))
        return false;
      throw diskError(`read ${path}`, error, path);
    }
  }

  #change<T>(what: string, path: string, action: () => Promise<T>): Promise<T> {
    const change = this.#changing.then(() => failing(what, path, action));
    this.#changing = change.catch(() => {});
    return change;
  }
}

/** @throws UdpToolError `bad-usage` for a key folder, or the secret key itself */
async function refuseKeys(path: string): Promise<void> {
  const names = await readdir(path).catch(() => []); // what is no folder has none in it
  if (keepsKeys(basename(path), ...names))
    throw new UdpToolError('bad-usage', `Cannot share ${path}: ${KEEPS_KEYS}.`);
}

function isFor({ share }: Entry, peer: string): boolean {
  return share.to === undefined || share.to.includes(peer);
}

function isSameOffer(a: Offer, b: Offer): boolean {
  return toHex(a.id) === toHex(b.id) && a.mtimeMs === b.mtimeMs;
}
