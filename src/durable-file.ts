/** Files that are there whole or not at all, also after the power went. */
import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasSystemCode } from './errors.ts';

/**
 * Writes a file for its owner alone: first beside its place, down to the disk, then renamed.
 * @param temporary where it is written first; must not exist
 * @param unless asked once `temporary` is ours: true leaves everything as it was
 * @returns whether it was written
 */
export async function writeDurably(
  path: string,
  temporary: string,
  bytes: Uint8Array,
  unless: () => Promise<boolean> = async () => false,
): Promise<boolean> {
  const file = await open(temporary, 'wx', 0o600);
  try {
    if (await unless()) {
      await unlink(temporary);
      return false;
    }
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
