/**
 * The folder beside the target where a download grows until it is whole: one for each id, for one process at a time. All
 * of the id is in its name: of two that begin alike, which can be made, what came of one would become part of the other.
 */
import { lstat, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../bytes.ts';
import { hasSystemCode, UdpToolError } from '../errors.ts';
import { inTheWay } from './blob-file.ts';
import { OWN_PREFIX } from './names.ts';
import { lockFolder } from './process-mark.ts';

export class PartialFolder {
  readonly path: string;
  /** Nothing was there before. */
  readonly isNew: boolean;
  readonly #lock: string;

  private constructor(path: string, isNew: boolean, lock: string) {
    this.path = path;
    this.isNew = isNew;
    this.#lock = lock;
  }

  static pathOf(into: string, id: Uint8Array): string {
    return join(into, `${OWN_PREFIX}partial-${toHex(id)}`);
  }

  /** @throws UdpToolError `locked`, `exists`; and what the file system says */
  static async open(into: string, id: Uint8Array): Promise<PartialFolder> {
    const path = PartialFolder.pathOf(into, id);
    const isNew = await makeFolder(path, 0o700);
    const { uid } = await lstat(path);
    // Somebody else's, in a folder where everybody may write, could be changed under our hands.
    if (uid !== (process.getuid?.() ?? uid)) throw inTheWay(path);
    const lock = await lockFolder(path);
    if (lock === null) {
      throw new UdpToolError('locked', 'The same is being fetched into that folder already.', {
        hint: 'Wait for the other one to end, or stop it.',
      });
    }
    return new PartialFolder(path, isNew, lock);
  }

  /** Another try may go on with what is in it. */
  async close(): Promise<void> {
    await rm(this.#lock, { force: true });
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Makes a folder where there is none yet, and never takes a link for one; whether it was made. */
export async function makeFolder(path: string, mode?: number): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    if (!hasSystemCode(error, 'EEXIST')) throw error;
    if (!(await lstat(path)).isDirectory()) throw inTheWay(path);
    return false;
  }
}
