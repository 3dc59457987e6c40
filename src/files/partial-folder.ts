/** The folder beside the target where a download grows until it is whole: one for each id, for one process at a time. */
import { lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../bytes.ts';
import { hasSystemCode, UdpToolError } from '../errors.ts';
import { random } from '../transport/random.ts';
import { inTheWay } from './blob-file.ts';

export const PARTIAL_PREFIX = '.udp-tool-partial-';
const ID_BYTES = 8;
const LOCK = /^lock-(\d+)-(\d+)-[0-9a-f]+$/;

export class PartialFolder {
  readonly path: string;
  readonly #lock: string;

  private constructor(path: string, lock: string) {
    this.path = path;
    this.#lock = lock;
  }

  /** @throws UdpToolError `locked`, `exists`; and what the file system says */
  static async open(into: string, id: Uint8Array): Promise<PartialFolder> {
    const path = join(into, PARTIAL_PREFIX + toHex(id.subarray(0, ID_BYTES)));
    await mkdir(path, { mode: 0o700 }).catch(unlessThere);
    const found = await lstat(path);
    // Somebody else's, in a folder where everybody may write, could be changed under our hands.
    if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? found.uid)) throw inTheWay(path);
    const lock = `lock-${process.pid}-${await startOf(process.pid)}-${toHex(random(8))}`;
    await writeFile(join(path, lock), '', { flag: 'wx', mode: 0o600 });
    await refuseRivals(path, lock);
    return new PartialFolder(path, join(path, lock));
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
    const [, pid, start] = LOCK.exec(name) ?? [];
    if (pid === undefined || start === undefined || name === own) continue;
    if (await isRunning(Number(pid), start)) {
      await rm(join(path, own), { force: true });
      throw new UdpToolError('locked', 'The same thing is being fetched into that folder already.', {
        hint: 'Wait for the other one to end, or stop it.',
      });
    }
    await rm(join(path, name), { force: true });
  }
}

async function isRunning(pid: number, start: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (hasSystemCode(error, 'ESRCH')) return false;
  }
  return (await startOf(pid)) === start;
}

/** When a process began, which tells it from a later one with its number; 0 where the system does not say. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // Field 22, counted behind the name, which may hold anything (proc_pid_stat(5)).
  return /^\d+$/.exec(text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '')?.[0] ?? '0';
}

function unlessThere(error: unknown): void {
  if (!hasSystemCode(error, 'EEXIST')) throw error;
}
