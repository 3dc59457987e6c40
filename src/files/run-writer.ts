/** Writes pieces of a file. What comes while a write is under way goes in one with its neighbours: each costs a wake-up. */
import type { FileHandle } from 'node:fs/promises';

/** Of one write. */
const MAX_PIECES = 64;
/** So much is brought down to the disk meanwhile, so that little is left for the end. */
const FLUSH_BYTES = 32 * 1024 * 1024;

interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly done: () => void;
  readonly fail: (error: unknown) => void;
}

export class RunWriter {
  readonly #open: () => Promise<FileHandle>;
  #waiting: Piece[] = [];
  #isWriting = false;
  /** Written since the disk was told to take it. */
  #unflushed = 0;
  #flushing: Promise<void> | null = null;
  /** The disk did not take something that was written. */
  #failure: { readonly error: unknown } | null = null;

  constructor(open: () => Promise<FileHandle>) {
    this.#open = open;
  }

  /** Resolves when it is written; the bytes are left alone until then. */
  write(bytes: Uint8Array, offset: number): Promise<void> {
    return new Promise((done, fail) => {
      this.#waiting.push({ offset, bytes, done, fail });
      if (!this.#isWriting) void this.#writeAll();
    });
  }

  /** Resolves when nothing of it is under way any more; the file may be closed then. */
  async settled(): Promise<void> {
    await this.#flushing;
  }

  /** Waits until nothing is under way, and rejects where the disk did not take everything that it was told to. */
  async assertFlushed(): Promise<void> {
    await this.#flushing;
    if (this.#failure !== null) throw this.#failure.error;
  }

  #flushSoon(handle: FileHandle, run: readonly Piece[]): void {
    for (const { bytes } of run) this.#unflushed += bytes.length;
    if (this.#unflushed < FLUSH_BYTES || this.#flushing !== null) return;
    this.#unflushed = 0;
    // What went wrong is said once: whoever syncs at the end would not hear of it (fsync(2), errors).
    this.#flushing = handle
      .datasync()
      .catch((error: unknown) => {
        this.#failure = { error };
      })
      .finally(() => {
        this.#flushing = null;
      });
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const pieces = this.#waiting.sort((a, b) => a.offset - b.offset);
      this.#waiting = [];
      for (const run of runsOf(pieces)) {
        try {
          const handle = await this.#open();
          await writeRun(handle, run);
          this.#flushSoon(handle, run);
          for (const { done } of run) done();
        } catch (error) {
          for (const { fail } of run) fail(error);
        }
      }
    }
    this.#isWriting = false;
  }
}

function* runsOf(pieces: readonly Piece[]): Generator<Piece[]> {
  let run: Piece[] = [];
  let end = 0;
  for (const piece of pieces) {
    if (run.length > 0 && (piece.offset !== end || run.length === MAX_PIECES)) {
      yield run;
      run = [];
    }
    run.push(piece);
    end = piece.offset + piece.bytes.length;
  }
  if (run.length > 0) yield run;
}

async function writeRun(handle: FileHandle, run: readonly Piece[]): Promise<void> {
  let rest = run.map(({ bytes }) => bytes);
  let offset = run[0]?.offset ?? 0;
  while (rest.length > 0) {
    let { bytesWritten } = await handle.writev(rest, offset);
    offset += bytesWritten;
    while (bytesWritten > 0 && bytesWritten >= (rest[0]?.length ?? 0)) {
      bytesWritten -= rest[0]?.length ?? 0;
      rest = rest.slice(1);
    }
    const [first] = rest;
    if (first !== undefined && bytesWritten > 0) rest = [first.subarray(bytesWritten), ...rest.slice(1)];
    while (rest[0]?.length === 0) rest = rest.slice(1);
  }
}
