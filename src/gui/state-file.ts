/** A file of JSON that the page's other side keeps for the next time. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export class StateFile<State> {
  readonly #path: string;
  readonly #check: (json: unknown) => State | null;
  /** One after the other. */
  #writing: Promise<void> = Promise.resolve();

  /** @param check gives null for what is no state */
  constructor(path: string, check: (json: unknown) => State | null) {
    this.#path = path;
    this.#check = check;
  }

  /** What cannot be read is as if it were not there. */
  async read(): Promise<State | null> {
    try {
      return this.#check(JSON.parse(await readFile(this.#path, 'utf8')));
    } catch {
      return null;
    }
  }

  /** Where it cannot be kept, it is not there the next time. */
  write(state: State): Promise<void> {
    const text = JSON.stringify(state);
    this.#writing = this.#writing
      .then(async () => {
        await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
        await writeFile(`${this.#path}.new`, text, { mode: 0o600 });
        await rename(`${this.#path}.new`, this.#path);
      })
      .catch(() => {});
    return this.#writing;
  }

  /** Resolves when nothing is being written any more. */
  settled(): Promise<void> {
    return this.#writing;
  }
}
