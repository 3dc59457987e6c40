/**
 * A folder on its way: first its manifest, which is believed once all of it was read, then its files, so many at a time
 * and in order. They grow in a tree beside the manifest, under the names that they will have.
 */
import { open, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../bytes.ts';
import { syncFolder } from '../durable-file.ts';
import { UdpToolError } from '../errors.ts';
import { BlobFile, NO_FOLLOW, secondsOf, type Verdict } from './blob-file.ts';
import type { Wanted } from './blob-reader.ts';
import { concurrently } from './concurrently.ts';
import { refuseClashes } from './folding.ts';
import { refuseAborted } from './hash-file.ts';
import { type FileEntry, MAX_MANIFEST_BYTES, type ManifestEntry } from './manifest.ts';
import { ManifestFile } from './manifest-file.ts';
import type { FolderOffer, Subject } from './offer.ts';
import { makeFolder } from './partial-folder.ts';

/** Files that are asked for at once: enough small ones to fill a long path. */
const MAX_ACTIVE = 256;
/** Files that are brought to the disk at once, which it does faster together. */
const MAX_SYNCING = 32;

interface Active {
  readonly entry: FileEntry;
  readonly file: BlobFile;
}

export class FolderContent {
  readonly #offer: FolderOffer;
  readonly #manifest: BlobFile;
  readonly #manifestPath: string;
  readonly #tree: string;
  readonly #signal: AbortSignal | undefined;
  /** What is left of the manifest, once it is believed. */
  #entries: ManifestFile | undefined;
  #isRead = false;
  /** By the id of the blob, which several files may have. */
  readonly #active = new Map<string, Active[]>();
  #activeCount = 0;
  #doneFiles = 0;
  #doneFileBytes = 0;
  #filling: Promise<void> = Promise.resolve();
  #isStopped = false;

  private constructor(offer: FolderOffer, manifest: BlobFile, folder: string, signal?: AbortSignal) {
    this.#signal = signal;
    this.#offer = offer;
    this.#manifest = manifest;
    this.#manifestPath = join(folder, 'manifest');
    this.#tree = join(folder, 'tree');
  }

  /** @throws UdpToolError `integrity` for a manifest that is there already and is refused */
  static async open(offer: FolderOffer, folder: string, signal?: AbortSignal): Promise<FolderContent> {
    if (offer.manifestSize > MAX_MANIFEST_BYTES) throw refusedManifest('its manifest is too long');
    const path = join(folder, 'manifest');
    const manifest = await BlobFile.open({
      path,
      id: offer.id,
      size: offer.manifestSize,
      isExecutable: false,
    });
    // Of an empty folder, nothing comes that would make the file.
    if (offer.manifestSize === 0) await manifest.seal(offer.mtimeMs);
    const content = new FolderContent(offer, manifest, folder, signal);
    try {
      if (manifest.isComplete) await content.#begin();
      return content;
    } catch (error) {
      await content.close();
      throw error;
    }
  }

  get doneBytes(): number {
    let bytes = this.#doneFileBytes;
    for (const { file } of this.#files()) bytes += file.doneBytes;
    return bytes;
  }

  get doneFiles(): number {
    return this.#doneFiles;
  }

  get isComplete(): boolean {
    return this.#isRead && this.#activeCount === 0;
  }

  next(): Wanted | null {
    if (!this.#manifest.isComplete) return this.#manifest.next();
    for (const { file } of this.#files()) {
      const wanted = file.next();
      if (wanted !== null) return wanted;
    }
    return null;
  }

  release(subject: Subject): void {
    this.#manifest.release(subject);
    for (const { file } of this.#active.get(toHex(subject.blob)) ?? []) if (file.release(subject)) return;
  }

  async accept(subject: Subject, bytes: Uint8Array): Promise<Verdict> {
    if (this.#entries === undefined) return this.#acceptManifest(subject, bytes);
    let verdict: Verdict = 'unwanted';
    for (const active of this.#active.get(toHex(subject.blob)) ?? []) {
      verdict = await active.file.accept(subject, bytes);
      if (verdict === 'accepted' && active.file.isComplete) await this.#end(active);
      if (verdict !== 'unwanted') break;
    }
    await this.#fill();
    return verdict;
  }

  async finish(mtimeMs: number): Promise<void> {
    await concurrently(ManifestFile.entries(this.#manifestPath), MAX_SYNCING, async (entry) => {
      const path = join(this.#tree, entry.path);
      if (entry.kind === 'file') return syncFile(path);
      await setFolderTime(path, entry.mtimeMs);
      await syncFolder(path);
    });
    await setFolderTime(this.#tree, mtimeMs);
    await syncFolder(this.#tree);
    await this.close();
  }

  /** Turns to no further files. */
  stop(): void {
    this.#isStopped = true;
  }

  async close(): Promise<void> {
    this.stop();
    await this.#filling;
    await this.#manifest.close();
    await this.#entries?.close();
    for (const { file } of this.#files()) await file.close();
  }

  async #acceptManifest(subject: Subject, bytes: Uint8Array): Promise<Verdict> {
    const verdict = await this.#manifest.accept(subject, bytes);
    if (verdict === 'accepted' && this.#manifest.isComplete) await this.#begin();
    return verdict;
  }

  /** The manifest has come: judges it, then turns to the files. */
  async #begin(): Promise<void> {
    await this.#manifest.close();
    await truncate(this.#manifestPath, this.#offer.manifestSize);
    await this.#judge();
    await makeFolder(this.#tree);
    this.#entries = await ManifestFile.open(this.#manifestPath);
    await this.#fill();
  }

  async #judge(): Promise<void> {
    const manifest = await ManifestFile.open(this.#manifestPath);
    try {
      await refuseClashes(manifest, join(this.#manifestPath, '..'));
      if (manifest.problem !== null) throw refusedManifest(manifest.problem);
      refuseOtherTotals(this.#offer, manifest.totals);
    } finally {
      await manifest.close();
    }
  }

  /** Turns to further files, while there is room for them. One call after the other. */
  #fill(): Promise<void> {
    const filling = this.#filling.then(() => this.#fillUp());
    this.#filling = filling.catch(() => {});
    return filling;
  }

  async #fillUp(): Promise<void> {
    while (!this.#isRead && !this.#isStopped && this.#activeCount < MAX_ACTIVE) {
      refuseAborted(this.#signal);
      const entry = (await this.#entries?.peek()) ?? null;
      if (entry === null) this.#isRead = true;
      else await this.#take(entry);
      this.#entries?.advance();
    }
  }

  async #take(entry: ManifestEntry): Promise<void> {
    const path = join(this.#tree, entry.path);
    if (entry.kind === 'folder') {
      await makeFolder(path);
      return;
    }
    const active = { entry, file: await BlobFile.open({ ...entry, path }) };
    if (active.file.isComplete) return this.#settle(active);
    const id = toHex(entry.id);
    const same = this.#active.get(id);
    if (same === undefined) this.#active.set(id, [active]);
    else same.push(active);
    this.#activeCount++;
  }

  /** Several may bring the last piece of a file at once: one of them ends it. */
  async #end(active: Active): Promise<void> {
    const id = toHex(active.entry.id);
    const same = this.#active.get(id) ?? [];
    if (!same.includes(active)) return;
    // Before anything is waited for, or another of them would end it too.
    const others = same.filter((one) => one !== active);
    if (others.length === 0) this.#active.delete(id);
    else this.#active.set(id, others);
    await this.#settle(active);
    this.#activeCount--;
  }

  async #settle({ entry, file }: Active): Promise<void> {
    await file.seal(entry.mtimeMs);
    await file.close();
    this.#doneFiles++;
    this.#doneFileBytes += entry.size;
  }

  *#files(): Generator<Active> {
    for (const same of this.#active.values()) yield* same;
  }
}

export function refusedManifest(reason: string): UdpToolError {
  return new UdpToolError('integrity', `What is said to be in the folder is refused: ${reason}.`, {
    hint: 'Nothing of it was written to where it was to be. Tell whoever offers it.',
  });
}

/** @throws UdpToolError `integrity` where a whole manifest has something else than was offered */
export function refuseOtherTotals(
  offer: FolderOffer,
  { files, bytes }: { readonly files: number; readonly bytes: number },
): void {
  if (files === offer.files && bytes === offer.size) return;
  throw refusedManifest(
    `it has ${files} files of ${bytes} bytes, and ${offer.files} of ${offer.size} were offered`,
  );
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, NO_FOLLOW);
  await handle.sync().finally(() => handle.close());
}

async function setFolderTime(path: string, mtimeMs: number): Promise<void> {
  const seconds = secondsOf(mtimeMs);
  await utimes(path, seconds, seconds);
}
