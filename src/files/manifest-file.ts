/** A manifest that is on the disk and verified, read entry by entry with memory for a chunk of it. */
import { type FileHandle, open } from 'node:fs/promises';
import { readAt } from './blob-file.ts';
import { CHUNK_BYTES } from './content-tree.ts';
import { type ManifestEntry, ManifestReader } from './manifest.ts';

export class ManifestFile {
  readonly #handle: FileHandle;
  readonly #reader = new ManifestReader();
  #entries: ManifestEntry[] = [];
  #next = 0;
  #offset = 0;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async open(path: string): Promise<ManifestFile> {
    return new ManifestFile(await open(path, 'r'));
  }

  /** The entry that comes next, or null after the last, or where the manifest is refused: see {@link problem}. */
  async peek(): Promise<ManifestEntry | null> {
    while (this.#next >= this.#entries.length) {
      const bytes = new Uint8Array(CHUNK_BYTES);
      const length = await readAt(this.#handle, bytes, this.#offset);
      this.#offset += length;
      if (length === 0) this.#reader.end();
      const entries = length === 0 ? null : this.#reader.push(bytes.subarray(0, length));
      if (entries === null) return null;
      this.#entries = entries;
      this.#next = 0;
    }
    return this.#entries[this.#next] ?? null;
  }

  /** The entry that was seen is done with. */
  advance(): void {
    this.#next++;
  }

  /** Why the rest of the manifest is refused; null where it was good so far. */
  get problem(): string | null {
    return this.#reader.problem;
  }

  /** Of the entries so far. */
  get totals(): { readonly files: number; readonly bytes: number } {
    return { files: this.#reader.files, bytes: this.#reader.bytes };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** All entries of a manifest that was found good. */
  static async *entries(path: string): AsyncGenerator<ManifestEntry> {
    const manifest = await ManifestFile.open(path);
    try {
      for (let entry = await manifest.peek(); entry !== null; entry = await manifest.peek()) {
        yield entry;
        manifest.advance();
      }
    } finally {
      await manifest.close();
    }
  }
}
