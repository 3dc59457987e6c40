/** A disk of a given size that can be filled, emptied, and made read-only: `await using disk = await TinyDisk.mount(path)`. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FILLER = 'filler';
/** A page: what this file system takes for anything. */
const BLOCK_BYTES = 4096;

export class TinyDisk implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async mount(path: string, kilobytes: number): Promise<TinyDisk> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    mountAs(path, `size=${kilobytes}k,mode=700`);
    return new TinyDisk(path);
  }

  /** To the last block. */
  async fill(): Promise<void> {
    const file = await open(join(this.path, FILLER), 'w');
    const block = new Uint8Array(BLOCK_BYTES);
    try {
      for (;;) await file.writeFile(block);
    } catch {
      // That was the last one.
    } finally {
      await file.close();
    }
  }

  async makeRoom(): Promise<void> {
    await rm(join(this.path, FILLER));
  }

  makeReadOnly(): void {
    mountAs(this.path, 'remount,ro');
  }

  makeWritable(): void {
    mountAs(this.path, 'remount,rw');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Also while somebody has a file open there.
    execFileSync('umount', ['--lazy', this.path]);
  }
}

function mountAs(path: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' });
}

/** Why there can be no such disks here; null where there can. */
export const noDisks: string | null = await (async () => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux can mount disks';
  const path = await mkdtemp(join(tmpdir(), 'udp-tool-disk-'));
  try {
    const disk = await TinyDisk.mount(path, 16);
    await disk[Symbol.asyncDispose]();
    return null;
  } catch {
    return 'the system lets nobody mount a tmpfs';
  } finally {
    await rm(path, { recursive: true, force: true });
  }
})();
