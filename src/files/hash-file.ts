/** The id of a file, and its tree of hashes as a file. */
import { constants, type FileHandle, open } from 'node:fs/promises';
import { NO_FOLLOW, readAt, writeAt } from './blob-file.ts';
import { CHUNK_BYTES, TreeBuilder, TreeShape } from './content-tree.ts';

/** What tells a file from what it was: cheap to ask, and different after any change that the system dates. */
export interface FileState {
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ino: bigint;
}

/** Also of a file that is open. Null for what is no regular file. */
export async function stateOf(handle: FileHandle): Promise<(FileState & { isExecutable: boolean }) | null> {
  const found = await handle.stat({ bigint: true });
  if (!found.isFile()) return null;
  const isExecutable = (found.mode & 0o100n) !== 0n;
  return { size: Number(found.size), mtimeNs: found.mtimeNs, ino: found.ino, isExecutable };
}

export function isSameState(a: FileState, b: FileState): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ino === b.ino;
}

export function mtimeMsOf({ mtimeNs }: FileState): number {
  return Number(mtimeNs / 1_000_000n);
}

/** A pipe must not make us wait for its writer, and a link not lead us elsewhere. */
export function openForReading(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | NO_FOLLOW | (constants.O_NONBLOCK ?? 0));
}

export interface HashOptions {
  readonly signal?: AbortSignal | undefined;
  onBytes?(bytes: number): void;
  /** Where the nodes go, for a file of more than one chunk. */
  openNodes?(): Promise<FileHandle>;
}

/** Reads so many bytes of an open file; null where they have become fewer meanwhile. */
export async function hashFile(
  handle: FileHandle,
  size: number,
  options: HashOptions = {},
): Promise<Uint8Array | null> {
  const shape = new TreeShape(size);
  const nodes = shape.height === 0 ? undefined : await options.openNodes?.();
  const whole: { offset: number; content: Uint8Array }[] = [];
  const builder = new TreeBuilder((level, index, content) => {
    if (nodes !== undefined) whole.push({ offset: shape.nodeOffset(level, index), content });
  });
  try {
    // The next chunk is read while this one is hashed.
    let reading = read(handle, shape, 0);
    for (let index = 0; index < shape.chunks; index++) {
      options.signal?.throwIfAborted();
      const chunk = await reading;
      if (chunk === null) return null;
      if (index + 1 < shape.chunks) reading = read(handle, shape, index + 1);
      builder.add(chunk);
      for (const { offset, content } of whole.splice(0)) await writeAt(nodes as FileHandle, content, offset);
      options.onBytes?.(chunk.length);
    }
    const id = builder.finish(size);
    for (const { offset, content } of whole) await writeAt(nodes as FileHandle, content, offset);
    return id;
  } finally {
    await nodes?.close();
  }
}

async function read(handle: FileHandle, shape: TreeShape, index: number): Promise<Uint8Array | null> {
  const chunk = new Uint8Array(shape.bytesAt(0, index) ?? 0);
  return (await readAt(handle, chunk, index * CHUNK_BYTES)) === chunk.length ? chunk : null;
}
