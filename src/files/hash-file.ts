/** The id of an open file, and its nodes as a file. */
import { constants, type FileHandle, open } from 'node:fs/promises';
import { UdpToolError } from '../errors.ts';
import { NO_FOLLOW, readAt, writeAt } from './blob-file.ts';
import { CHUNK_BYTES, TreeBuilder, TreeShape } from './content-tree.ts';

/** What tells a file from what it was: cheap to ask, and different after any change that the system dates. */
export interface FileState {
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ino: bigint;
}

/** Null for what is no regular file. */
export async function stateOf(handle: FileHandle): Promise<FileState | null> {
  const found = await handle.stat({ bigint: true });
  if (!found.isFile()) return null;
  return { size: Number(found.size), mtimeNs: found.mtimeNs, ino: found.ino };
}

export function isSameState(a: FileState, b: FileState): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ino === b.ino;
}

/** The nearest millisecond: a time that was set to one may be some nanoseconds beside it, as numbers are rounded. */
export function mtimeMsOf({ mtimeNs }: Pick<FileState, 'mtimeNs'>): number {
  const half = mtimeNs < 0n ? -500_000n : 500_000n;
  return Number((mtimeNs + half) / 1_000_000n);
}

/** A pipe must not make us wait for its writer, and a link not lead us elsewhere. */
export function openForReading(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | NO_FOLLOW | (constants.O_NONBLOCK ?? 0));
}

export function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new UdpToolError('aborted', 'Hashing was aborted.', { cause: signal.reason });
}

export interface HashFileOptions {
  readonly signal?: AbortSignal | undefined;
  /** Where the nodes go, for a file of more than one chunk. */
  readonly nodesPath: string;
  onBytes?(bytes: number): void;
}

/** Null where the file has fewer bytes than that. */
export async function hashFile(
  handle: FileHandle,
  size: number,
  options: HashFileOptions,
): Promise<Uint8Array | null> {
  const shape = new TreeShape(size);
  const nodes = shape.height === 0 ? null : await open(options.nodesPath, 'w', 0o600);
  try {
    return await hashTo(nodes, handle, shape, options);
  } finally {
    await nodes?.close();
  }
}

async function hashTo(
  nodes: FileHandle | null,
  handle: FileHandle,
  shape: TreeShape,
  { signal, onBytes }: HashFileOptions,
): Promise<Uint8Array | null> {
  const whole: { readonly offset: number; readonly content: Uint8Array }[] = [];
  const builder = new TreeBuilder((level, index, content) =>
    whole.push({ offset: shape.nodeOffset(level, index), content }),
  );
  const writeNodes = async (): Promise<void> => {
    for (const { offset, content } of whole.splice(0))
      if (nodes !== null) await writeAt(nodes, content, offset);
  };
  const lengthAt = (index: number): number => shape.bytesAt(0, index) ?? 0;
  const read = async (index: number): Promise<Uint8Array> => {
    const chunk = new Uint8Array(lengthAt(index));
    return chunk.subarray(0, await readAt(handle, chunk, index * CHUNK_BYTES));
  };
  for (let index = 0, reading = read(0); index < shape.chunks; index++) {
    const chunk = await reading;
    if (chunk.length < lengthAt(index)) return null;
    refuseAborted(signal);
    // The next chunk is read while this one is hashed.
    if (index + 1 < shape.chunks) reading = read(index + 1);
    reading.catch(() => {}); // seen when it is awaited, if it still is
    builder.add(chunk);
    await writeNodes();
    onBytes?.(chunk.length);
  }
  const id = builder.finish(shape.size);
  await writeNodes();
  return id;
}
