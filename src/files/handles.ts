/** Files open for reading: so many at most, those that were used last. */
import type { FileHandle } from 'node:fs/promises';
import { openForReading } from './hash-file.ts';

interface Opened {
  readonly handle: Promise<FileHandle>;
  users: number;
  /** No longer in the table: closed by whoever uses it last. */
  isLetGo: boolean;
}

export class Handles {
  readonly #limit: number;
  /** In the order of use. */
  readonly #open = new Map<string, Opened>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Lends the open file to `action`. */
  async use<T>(path: string, action: (handle: FileHandle) => Promise<T>): Promise<T> {
    const opened = this.#open.get(path) ?? { handle: openForReading(path), users: 0, isLetGo: false };
    opened.users++;
    this.#open.delete(path);
    this.#open.set(path, opened);
    this.#trim();
    try {
      return await action(await this.#opened(path, opened));
    } finally {
      opened.users--;
      if (opened.isLetGo && opened.users === 0) await close(opened);
    }
  }

  async #opened(path: string, opened: Opened): Promise<FileHandle> {
    try {
      return await opened.handle;
    } catch (error) {
      if (this.#open.get(path) === opened) this.#open.delete(path);
      throw error;
    }
  }

  async letGo(path: string): Promise<void> {
    const opened = this.#open.get(path);
    if (opened === undefined) return;
    this.#open.delete(path);
    opened.isLetGo = true;
    if (opened.users === 0) await close(opened);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((path) => this.letGo(path)));
  }

  #trim(): void {
    for (const path of this.#open.keys()) {
      if (this.#open.size <= this.#limit) return;
      void this.letGo(path);
    }
  }
}

async function close(opened: Opened): Promise<void> {
  await (await opened.handle.catch(() => undefined))?.close();
}
