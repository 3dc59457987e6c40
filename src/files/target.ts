/** The name under which a download appears, once it is whole. */
import { link, lstat, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../durable-file.ts';
import { hasSystemCode, UdpToolError } from '../errors.ts';
import { unlessGone } from './disk-error.ts';

/** What becomes of a name that is taken: `fail` and `skip` leave both, and differ in what the caller makes of it. */
export type Conflict = 'fail' | 'skip' | 'overwrite' | 'rename';

export interface Target {
  readonly into: string;
  readonly name: string;
  readonly kind: 'file' | 'folder';
  readonly conflict: Conflict;
}

/** Above it, somebody makes names faster than we find free ones. */
const MAX_NUMBER = 10_000;

/** @throws UdpToolError `exists` where the name is taken and stays so; folders are never overwritten */
export async function refuseTaken({ into, name, kind, conflict }: Target): Promise<void> {
  if (conflict === 'rename') return;
  const found = await lstat(join(into, name)).catch(unlessGone);
  if (found === undefined) return;
  if (conflict === 'overwrite' && kind === 'file' && !found.isDirectory()) return;
  throw taken(join(into, name), conflict);
}

function taken(path: string, conflict: Conflict): UdpToolError {
  const never = conflict === 'overwrite' ? ' A folder is never overwritten.' : '';
  return new UdpToolError('exists', `${path} is there already.${never}`, {
    hint: 'Move it away, give another name with -o, or add --conflict rename.',
  });
}

/** Gives what is whole its final name, down to the disk. Returns the path. */
export async function place(source: string, target: Target): Promise<string> {
  const { into, name, conflict } = target;
  await refuseTaken(target);
  if (conflict === 'overwrite' && target.kind === 'file') {
    await rename(source, join(into, name));
    await unlink(source).catch(unlessGone); // still there where both were the same file
    await syncFolder(into);
    return join(into, name);
  }
  for (let number = 1; number < MAX_NUMBER; number++) {
    const path = join(into, number === 1 ? name : numbered(target, number));
    if (await moveTo(source, path, target.kind)) {
      await syncFolder(into);
      return path;
    }
    if (conflict !== 'rename') break;
  }
  throw taken(join(into, name), conflict);
}

/** `report (2).pdf`, `folder (2)`. */
function numbered({ name, kind }: Target, number: number): string {
  const dot = kind === 'file' ? name.lastIndexOf('.') : -1;
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  return `${stem} (${number})${extension}`;
}

/** Whether it could be moved there, nothing being there. */
async function moveTo(source: string, path: string, kind: 'file' | 'folder'): Promise<boolean> {
  if ((await lstat(path).catch(unlessGone)) !== undefined) return false;
  try {
    // A folder can only take the place of an empty folder.
    if (kind === 'folder') await rename(source, path);
    else await moveFile(source, path);
    return true;
  } catch (error) {
    if (hasSystemCode(error, 'EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EISDIR')) return false;
    throw error;
  }
}

/** A rename that replaces nothing: a second name, then the first goes. */
async function moveFile(source: string, path: string): Promise<void> {
  try {
    await link(source, path);
  } catch (error) {
    if (!hasSystemCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error;
    // A file system without second names: the name is taken first, and replaced at once.
    await (await open(path, 'wx')).close();
    await rename(source, path);
    return;
  }
  await unlink(source);
}
