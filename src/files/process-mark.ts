/** Names of files that belong to a process: `lock-4711-98765-0123456789abcdef`. They outlive it when it is killed. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../bytes.ts';
import { hasSystemCode } from '../errors.ts';
import { random } from '../transport/random.ts';

const MARKED = /^[a-z]+-(\d+)-(\d+)-[0-9a-f]{16}$/;

/** A name for this process, and for nobody else. */
export async function markedName(prefix: string): Promise<string> {
  return `${prefix}-${process.pid}-${await startOf(process.pid)}-${toHex(random(8))}`;
}

/** Whether the process runs whose name that is; undefined where it is no such name. */
export async function isOwnerRunning(name: string): Promise<boolean | undefined> {
  const [, pid, start] = MARKED.exec(name) ?? [];
  if (pid === undefined) return undefined;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (hasSystemCode(error, 'ESRCH')) return false;
  }
  return (await startOf(Number(pid))) === start;
}

/**
 * Takes a folder for this process: of two that begin at once, at least one finds the other's lock and gives way. Locks of
 * processes that died go.
 * @returns the path of the lock, whose removal gives the folder back; null where another has it
 * @throws what the file system says
 */
export async function lockFolder(path: string): Promise<string | null> {
  const own = await markedName('lock');
  await writeFile(join(path, own), '', { flag: 'wx', mode: 0o600 });
  for (const name of await readdir(path)) {
    const isRunning = name === own ? undefined : await isOwnerRunning(name);
    if (isRunning === false) await rm(join(path, name), { force: true });
    if (isRunning !== true) continue;
    await rm(join(path, own), { force: true });
    return null;
  }
  return join(path, own);
}

/** Killed, and not yet cleared away by whoever started it. */
const ENDED = ['Z', 'X'];

/** When a process began, which tells it from a later one with its number; 0 where the system does not say. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // Fields 3 and 22, counted behind the name, which may hold anything (proc_pid_stat(5)).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (ENDED.includes(fields[0] ?? '')) return 'ended';
  const start = fields[19] ?? '';
  return /^\d+$/.test(start) ? start : '0';
}
