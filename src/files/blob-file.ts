/**
 * A blob that becomes a file. What the file holds already, from an earlier try, is found by its hashes as these arrive:
 * so nothing has to be written down beside it, and whatever a crash left behind is judged by what it is.
 */
import { constants, type FileHandle, lstat, open } from 'node:fs/promises';
import { UdpToolError } from '../errors.ts';
import { BlobReader, type Wanted } from './blob-reader.ts';
import { CHUNK_BYTES } from './content-tree.ts';
import { unlessGone } from './disk-error.ts';
import type { Subject } from './offer.ts';
import { RunWriter } from './run-writer.ts';

export interface BlobFileOptions {
  readonly path: string;
  readonly id: Uint8Array;
  readonly size: number;
  readonly isExecutable: boolean;
}

export type Verdict = 'accepted' | 'wrong' | 'unwanted';

export class BlobFile {
  readonly #path: string;
  readonly #reader: BlobReader;
  readonly #mode: number;
  /** How long the file was when it was opened: beyond, it is zeros until something is written. */
  #oldSize = 0;
  #oldMtimeMs: number | undefined;
  /** Where what was written since ends; 0 where nothing was. */
  #writtenEnd = 0;
  #handle: Promise<FileHandle> | undefined;
  readonly #writer = new RunWriter(() => this.#open());

  private constructor({ path, id, size, isExecutable }: BlobFileOptions) {
    this.#path = path;
    this.#reader = new BlobReader(id, size);
    this.#mode = isExecutable ? 0o777 : 0o666; // less the user's umask
  }

  static async open(options: BlobFileOptions): Promise<BlobFile> {
    const file = new BlobFile(options);
    const found = await lstat(options.path).catch(unlessGone);
    if (found !== undefined && !found.isFile()) throw inTheWay(options.path);
    file.#oldSize = found?.size ?? 0;
    file.#oldMtimeMs = found && Math.round(found.mtimeMs);
    await file.#look();
    return file;
  }

  get doneBytes(): number {
    return this.#reader.doneBytes;
  }

  get isComplete(): boolean {
    return this.#reader.isComplete;
  }

  next(): Wanted | null {
    return this.#reader.next();
  }

  /** Whether it was awaited. */
  release(subject: Subject): boolean {
    return this.#reader.release(subject);
  }

  async accept(subject: Subject, bytes: Uint8Array): Promise<Verdict> {
    const verdict = this.#reader.arrived(subject, bytes);
    if (verdict !== 'verified') return verdict;
    if (subject.kind === 'node') await this.#look();
    else await this.#store(subject.index, bytes);
    return 'accepted';
  }

  get doneFiles(): number {
    return this.isComplete ? 1 : 0;
  }

  /** Gives the complete file its size and its time. */
  async seal(mtimeMs: number): Promise<void> {
    await this.#writer.assertFlushed();
    const { size } = this.#reader.shape;
    const isThere = this.#oldMtimeMs !== undefined;
    if (isThere && this.#writtenEnd === 0 && this.#oldSize === size && this.#oldMtimeMs === mtimeMs) return;
    const handle = await this.#open();
    // Zeros at the end are not written; and it may have been longer.
    if (Math.max(this.#oldSize, this.#writtenEnd) !== size) await handle.truncate(size);
    const seconds = secondsOf(mtimeMs);
    await handle.utimes(seconds, seconds);
  }

  /** The complete file is on the disk afterwards. */
  async finish(mtimeMs: number): Promise<void> {
    await this.seal(mtimeMs);
    await (await this.#open()).sync();
    await this.close();
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await this.#writer.settled();
    await (await handle)?.close();
  }

  async #store(index: number, bytes: Uint8Array): Promise<void> {
    let isStored = false;
    const offset = index * CHUNK_BYTES;
    this.#writtenEnd = Math.max(this.#writtenEnd, offset + bytes.length);
    try {
      await this.#writer.write(bytes, offset);
      isStored = true;
    } finally {
      this.#reader.stored(index, isStored);
    }
  }

  /** Looks which of the chunks whose hashes came are there already. */
  async #look(): Promise<void> {
    for (let span = this.#reader.unlooked(); span !== null; span = this.#reader.unlooked()) {
      for (let index = span.first; index < span.first + span.count; index++)
        if (await this.#has(index)) this.#reader.found(index);
      this.#reader.lookedAt(span.first);
    }
  }

  async #has(index: number): Promise<boolean> {
    const offset = index * CHUNK_BYTES;
    if (offset >= this.#oldSize) return this.#reader.isZeros(index);
    const bytes = new Uint8Array(this.#reader.shape.bytesAt(0, index) ?? 0);
    await readAt(await this.#open(), bytes, offset); // what the file is too short for are zeros
    return this.#reader.matches(index, bytes);
  }

  #open(): Promise<FileHandle> {
    this.#handle ??= open(this.#path, constants.O_RDWR | constants.O_CREAT | NO_FOLLOW, this.#mode);
    return this.#handle;
  }
}

/** Windows has no such flag, and lets no ordinary user make a symbolic link. */
export const NO_FOLLOW: number = constants.O_NOFOLLOW ?? 0;

export function inTheWay(path: string): UdpToolError {
  return new UdpToolError('exists', `${path} is not what this program put there.`, { hint: 'Move it away.' });
}

/** A time as `utimes` takes it: a fraction of a microsecond more, lest it become a hair less than the millisecond. */
export function secondsOf(mtimeMs: number): number {
  return (mtimeMs + 0.0005) / 1000;
}

/** Fills the bytes as far as the file goes; returns how many. */
export async function readAt(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

export async function writeAt(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}
