/** Chunks of files that peers ask for one after the other: read several at once, since each reading costs a wake-up. */
import { CHUNK_BYTES } from './content-tree.ts';

/** Chunks of one reading. */
const RUN_CHUNKS = 8;
/** Readings that are kept. */
const MAX_RUNS = 16;

/** Reads from an offset as much as the file has, up to a length; null where the file is not what it was. */
export type ReadRun = (offset: number, maxBytes: number) => Promise<Uint8Array | null>;

interface Run<Key> {
  readonly key: Key;
  readonly number: number;
  readonly bytes: Promise<Uint8Array | null>;
}

/** @typeParam Key what stands for a file as it was when it was offered */
export class ReadAhead<Key extends object> {
  /** Those that were used last at the end. */
  #runs: Run<Key>[] = [];

  /** The chunk, copied from what was read; null where the file is not what it was. */
  async chunk(key: Key, index: number, read: ReadRun): Promise<Uint8Array | null> {
    const number = Math.floor(index / RUN_CHUNKS);
    let run = this.#runs.find((one) => one.key === key && one.number === number);
    if (run === undefined) {
      const bytes = read(number * RUN_CHUNKS * CHUNK_BYTES, RUN_CHUNKS * CHUNK_BYTES);
      run = { key, number, bytes };
    }
    const found = run;
    this.#runs = [...this.#runs.filter((one) => one !== found), found].slice(-MAX_RUNS);
    let bytes: Uint8Array | null = null;
    try {
      bytes = await found.bytes;
    } finally {
      if (bytes === null) this.#runs = this.#runs.filter((one) => one.key !== key);
    }
    const start = (index % RUN_CHUNKS) * CHUNK_BYTES;
    // A copy, or an answer that waits would hold eight times what is counted for it.
    return bytes?.slice(start, start + CHUNK_BYTES) ?? null;
  }
}
