/** Files that are there whole or not at all, also after the power went. */
import { mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasSystemCode } from './errors.ts';

export interface DurableFile {
  readonly path: string;
  /** Where it is written first, in the same folder; that this exists keeps a second writer away (`EEXIST`). */
  readonly temporary: string;
  /** For its owner alone if not given. */
  readonly mode?: number;
}

/**
 * Writes a file beside its place and down to the disk, then renames it.
 * @param content asked for once `temporary` is ours; null leaves everything as it was
 * @returns whether it was written
 */
export async function writeDurably(
  { path, temporary, mode = 0o600 }: DurableFile,
  content: () => Promise<string | Uint8Array | null>,
): Promise<boolean> {
  const file = await open(temporary, 'wx', 0o600);
  try {
    const bytes = await content();
    if (bytes === null) {
      await unlink(temporary);
      return false;
    }
    await file.chmod(mode);
    await file.writeFile(bytes);
    await file.sync();
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
  await syncFolder(dirname(path));
  return true;
}

/** Makes a folder where there is none, and those above it; for its owner alone if no mode is given. */
export async function makeFolder(path: string, mode = 0o700): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode });
  } catch (error) {
    // Node says ENOENT of a disk that is read-only; asked for one folder alone, it says what the system does.
    if (hasSystemCode(error, 'ENOENT')) await mkdir(path, { mode });
    else throw error;
  }
}

/** Names in a folder are on the disk once the folder is. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    // Where folders cannot be opened or synced, the file system sees to it.
    if (!hasSystemCode(error, 'EISDIR', 'EPERM', 'EINVAL', 'ENOTSUP')) throw error;
  }
}
