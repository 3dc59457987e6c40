/** Files open for reading: so many at most, those that were used last. */
import { constants, type FileHandle, open } from 'node:fs/promises';
import { NO_FOLLOW } from './blob-file.ts';

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
    // A pipe that took the file's place must not make us wait for its writer.
    const opened = this.#open.get(path) ?? {
      handle: open(path, constants.O_RDONLY | NO_FOLLOW | (constants.O_NONBLOCK ?? 0)),
      users: 0,
      isLetGo: false,
    };
    opened.users++;
    this.#open.delete(path);
    this.#open.set(path, opened);
    this.#trim();
    try {
      return await action(await opened.handle);
    } finally {
      opened.users--;
      if (opened.isLetGo && opened.users === 0) await close(opened);
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
