/** What is dropped on the page: a file or a folder each, kept in a folder of its own until nobody needs it. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { diskError, pathProblem, UdpToolError } from '../../../index.ts';

/** Begun, and neither shared nor pushed yet. */
const MAX_OPEN = 64;
/** Nothing came for so long: its page went away. */
const FORSAKEN_MS = 600_000;

interface Drop {
  /** Of the file or folder. */
  readonly name: string;
  /** Of it, nothing is written any more. */
  isWhole: boolean;
  /** Files that are being written. */
  writes: number;
  usedAt: number;
}

export class Drops {
  readonly #dir: string;
  readonly #now: () => number;
  readonly #drops = new Map<string, Drop>();

  /** @param now milliseconds of a monotonic clock */
  constructor(dir: string, now: () => number) {
    this.#dir = dir;
    this.#now = now;
  }

  /** Removes what is left of other times, unless one of these paths is in it. */
  async clear(kept: readonly string[]): Promise<void> {
    for (const id of await readdir(this.#dir).catch(() => []))
      if (!kept.some((path) => path.startsWith(join(this.#dir, id) + sep))) await this.#remove(id);
  }

  /** @throws UdpToolError `bad-usage`, `spool-full` */
  begin(name: string): string {
    const problem = name.includes('/') ? 'it has a slash' : pathProblem(name);
    if (problem !== null)
      throw new UdpToolError('bad-usage', `The name "${name}" cannot be sent: ${problem}.`);
    this.#removeForsaken();
    if ([...this.#drops.values()].filter(({ isWhole }) => !isWhole).length >= MAX_OPEN)
      throw new UdpToolError('spool-full', 'Too much is being dropped at once.');
    const id = randomBytes(16).toString('hex');
    this.#drops.set(id, { name, isWhole: false, writes: 0, usedAt: this.#now() });
    return id;
  }

  /**
   * @param path below the folder; empty for a file that is dropped by itself
   * @throws UdpToolError `bad-usage`, `aborted`, `exists`, `disk-full`, `no-permission`, `failed`; nothing of the file is left
   */
  async write(id: string, path: string, body: AsyncIterable<Uint8Array>): Promise<void> {
    const drop = this.#open(id);
    const target = join(this.#pathOf(drop, id), ...this.#parts(path));
    drop.writes++;
    try {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      const file = await open(target, 'wx', 0o600);
      try {
        for await (const bytes of body) await file.writeFile(bytes);
      } catch (error) {
        await rm(target, { force: true });
        throw error;
      } finally {
        await file.close();
      }
    } catch (error) {
      throw refusal(error, target);
    } finally {
      drop.writes--;
      drop.usedAt = this.#now();
    }
  }

  /** What was dropped, once it is whole. @throws UdpToolError `bad-usage` */
  finish(id: string): string {
    const drop = this.#open(id);
    drop.isWhole = true;
    return this.#pathOf(drop, id);
  }

  async cancel(id: string): Promise<void> {
    this.#open(id);
    await this.#remove(id);
  }

  /** Of a path in a drop: all of that drop. What cannot be removed goes with the next start. */
  async removeAt(path: string): Promise<void> {
    const [id = ''] = path.startsWith(this.#dir + sep) ? path.slice(this.#dir.length + 1).split(sep) : [];
    if (id !== '') await this.#remove(id);
  }

  #removeForsaken(): void {
    for (const [id, { isWhole, writes, usedAt }] of this.#drops)
      if (!isWhole && writes === 0 && this.#now() - usedAt >= FORSAKEN_MS) void this.#remove(id);
  }

  #open(id: string): Drop {
    const drop = this.#drops.get(id);
    if (drop === undefined || drop.isWhole) throw new UdpToolError('bad-usage', 'There is no such drop.');
    return drop;
  }

  #pathOf({ name }: Drop, id: string): string {
    return join(this.#dir, id, name);
  }

  #parts(path: string): string[] {
    if (path === '') return [];
    const problem = pathProblem(path);
    if (problem !== null) throw new UdpToolError('bad-usage', `"${path}" cannot be sent: ${problem}.`);
    return path.split('/');
  }

  async #remove(id: string): Promise<void> {
    this.#drops.delete(id);
    await rm(join(this.#dir, id), { recursive: true, force: true }).catch(() => {});
  }
}

function refusal(error: unknown, path: string): UdpToolError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EEXIST') return new UdpToolError('exists', 'That was dropped already.', { cause: error });
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE')
    return new UdpToolError('aborted', 'The page went away.', { cause: error });
  return diskError('keep what was dropped', error, dirname(path));
}
