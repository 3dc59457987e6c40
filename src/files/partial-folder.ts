/**
 * The folder beside the target where a download grows until it is whole: one for each id, for one process at a time. All
 * of the id is in its name: of two that begin alike, which can be made, what came of one would become part of the other.
 */
import { lstat, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../bytes.ts';
import { hasSystemCode, UdpToolError } from '../errors.ts';
import { inTheWay } from './blob-file.ts';
import { OWN_PREFIX } from './names.ts';
import { isOwnerRunning, markedName } from './process-mark.ts';

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

  /** @throws UdpToolError `locked`, `exists`; and what the file system says */
  static async open(into: string, id: Uint8Array): Promise<PartialFolder> {
    const path = join(into, `${OWN_PREFIX}partial-${toHex(id)}`);
    const isNew = await makeFolder(path, 0o700);
    const { uid } = await lstat(path);
    // Somebody else's, in a folder where everybody may write, could be changed under our hands.
    if (uid !== (process.getuid?.() ?? uid)) throw inTheWay(path);
    const lock = await markedName('lock');
    await writeFile(join(path, lock), '', { flag: 'wx', mode: 0o600 });
    await refuseRivals(path, lock);
    return new PartialFolder(path, isNew, join(path, lock));
  }

  /** Another try may go on with what is in it. */
  async close(): Promise<void> {
    await rm(this.#lock, { force: true });
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Of two that begin at once, at least one finds the other's lock and gives way. Locks of processes that died go. */
async function refuseRivals(path: string, own: string): Promise<void> {
  for (const name of await readdir(path)) {
    const isRunning = name === own ? undefined : await isOwnerRunning(name);
    if (isRunning === false) await rm(join(path, name), { force: true });
    if (isRunning !== true) continue;
    await rm(join(path, own), { force: true });
    throw new UdpToolError('locked', 'The same is being fetched into that folder already.', {
      hint: 'Wait for the other one to end, or stop it.',
    });
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
