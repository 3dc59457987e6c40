/**
 * Files in memory, at paths of their own: every other path is on the disk as ever. Thousands of inputs a second need no
 * disk, and this one fails when it is told to.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname } from 'node:path';
import { check } from './target.ts';

const ROOT = '/udp-tool-files-in-memory/';
/** No test needs larger ones. */
const MAX_FILE_BYTES = 2 ** 26;
const disks = new Map<string, MemoryDisk>();
let count = 0;

export class MemoryDisk implements Disposable {
  readonly path: string;
  /** By path. */
  readonly files = new Map<string, File>();
  readonly folders: Set<string>;
  /** So many more things are done; the one after them fails, half done. Null: nothing fails. */
  failsAfter: number | null = null;
  /** After one that failed, all others do: who uses it was killed. */
  killsUser = false;
  hasFailed = false;

  constructor() {
    if (count === 0) install();
    this.path = `${ROOT}${++count}`;
    disks.set(this.path, this);
    this.folders = new Set([this.path]);
  }

  [Symbol.dispose](): void {
    disks.delete(this.path);
  }

  /** What there is, without the path of the disk. */
  get names(): string[] {
    return [...this.files.keys(), ...this.folders].map((path) => path.slice(this.path.length + 1)).sort();
  }

  /** It is in order again. */
  mend(): void {
    this.failsAfter = null;
    this.killsUser = false;
  }

  has(path: string): boolean {
    return this.files.has(path) || this.folders.has(path);
  }

  /** A new file, empty. */
  add(path: string): File {
    if (!this.folders.has(dirname(path))) throw systemError('ENOENT');
    const file = new File();
    this.files.set(path, file);
    return file;
  }

  /** What has this path, or one below it; null for folders. */
  within(path: string): (readonly [string, File | null])[] {
    const isWithin = (one: string): boolean => one === path || one.startsWith(`${path}/`);
    return [...[...this.folders].map((folder) => [folder, null] as const), ...this.files].filter(([one]) =>
      isWithin(one),
    );
  }

  remove(path: string): void {
    this.files.delete(path);
    this.folders.delete(path);
  }

  get(path: string): File {
    const file = this.files.get(path);
    if (file === undefined) throw systemError('ENOENT');
    return file;
  }

  /** Something is done. */
  step(): void {
    if (this.failsAfter === null) return;
    if (this.failsAfter > 0) {
      this.failsAfter--;
      return;
    }
    this.hasFailed = true;
    if (!this.killsUser) this.failsAfter = null;
    throw systemError('ENOSPC');
  }
}

class Handle {
  readonly #disk: MemoryDisk;
  readonly #path: string;
  /** What it was opened for has another name by now, or none: it is the same file still. */
  readonly #file: File | null;

  constructor(disk: MemoryDisk, path: string) {
    this.#disk = disk;
    this.#path = path;
    this.#file = disk.files.get(path) ?? null;
  }

  async stat(): Promise<Stats> {
    this.#disk.step();
    return new Stats(this.#disk, this.#path);
  }

  async truncate(length: number): Promise<void> {
    this.#disk.step();
    this.#its.resize(length);
  }

  async write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    at: number,
  ): Promise<{ bytesWritten: number }> {
    this.#its.put(bytes.subarray(offset, offset + (length >> 1)), at);
    this.#disk.step();
    this.#its.put(bytes.subarray(offset, offset + length), at);
    return { bytesWritten: length };
  }

  async writev(pieces: readonly Uint8Array[], at: number): Promise<{ bytesWritten: number }> {
    const bytes = Buffer.concat(pieces);
    return this.write(bytes, 0, bytes.length, at);
  }

  async read(bytes: Uint8Array, offset: number, length: number, at: number): Promise<{ bytesRead: number }> {
    this.#disk.step();
    const found = this.#its.bytes.subarray(at, at + length);
    bytes.set(found, offset);
    return { bytesRead: found.length };
  }

  async writeFile(bytes: Uint8Array): Promise<void> {
    await this.write(bytes, 0, bytes.length, 0);
  }

  async sync(): Promise<void> {
    this.#disk.step();
  }

  async utimes(_atime: number, mtime: number): Promise<void> {
    this.#disk.step();
    this.#its.mtimeMs = mtime * 1000;
  }

  async chmod(): Promise<void> {}

  async close(): Promise<void> {}

  get #its(): File {
    if (this.#file === null) throw systemError('EISDIR');
    return this.#file;
  }
}

class File {
  bytes = Buffer.alloc(0);
  mtimeMs = Date.now();

  put(bytes: Uint8Array, at: number): void {
    if (at + bytes.length > this.bytes.length) this.resize(at + bytes.length);
    this.bytes.set(bytes, at);
  }

  resize(length: number): void {
    check(length <= MAX_FILE_BYTES, `a file gets ${length} bytes`);
    const old = this.bytes;
    this.bytes = Buffer.alloc(length);
    this.bytes.set(old.subarray(0, length));
  }
}

class Stats {
  readonly size: number;
  readonly blocks: number;
  readonly mtimeMs: number;
  readonly uid = process.getuid?.() ?? 0;
  readonly #isFile: boolean;

  constructor(disk: MemoryDisk, path: string) {
    const file = disk.files.get(path);
    if (file === undefined && !disk.folders.has(path)) throw systemError('ENOENT');
    this.#isFile = file !== undefined;
    this.size = file?.bytes.length ?? 0;
    this.blocks = Math.ceil(this.size / 512);
    this.mtimeMs = file?.mtimeMs ?? 0;
  }

  isFile(): boolean {
    return this.#isFile;
  }

  isDirectory(): boolean {
    return !this.#isFile;
  }
}

/** Those of node:fs/promises that the code calls which is fuzzed, on a disk in memory. */
const inMemory = {
  async open(disk: MemoryDisk, path: string, flags: string | number): Promise<Handle> {
    disk.step();
    const isThere = disk.has(path);
    if (flags === 'wx' && isThere) throw systemError('EEXIST');
    const makes = typeof flags === 'string' ? flags !== 'r' : (flags & fs.constants.O_CREAT) !== 0;
    if (!makes && !isThere) throw systemError('ENOENT');
    if (!isThere) disk.add(path);
    return new Handle(disk, path);
  },
  async readFile(disk: MemoryDisk, path: string): Promise<Buffer> {
    disk.step();
    return Buffer.from(disk.get(path).bytes);
  },
  async writeFile(disk: MemoryDisk, path: string, bytes: Uint8Array | string): Promise<void> {
    disk.step();
    disk.add(path).put(Buffer.from(bytes), 0);
  },
  async readdir(disk: MemoryDisk, path: string): Promise<string[]> {
    disk.step();
    if (!disk.folders.has(path)) throw systemError('ENOENT');
    return [...disk.files.keys(), ...disk.folders]
      .filter((one) => dirname(one) === path)
      .map((one) => basename(one));
  },
  async stat(disk: MemoryDisk, path: string): Promise<Stats> {
    disk.step();
    return new Stats(disk, path);
  },
  lstat(disk: MemoryDisk, path: string): Promise<Stats> {
    return inMemory.stat(disk, path);
  },
  async statfs(disk: MemoryDisk): Promise<{ bavail: number; bsize: number }> {
    disk.step();
    return { bavail: MAX_FILE_BYTES / 4096, bsize: 4096 };
  },
  async realpath(_disk: MemoryDisk, path: string): Promise<string> {
    return path;
  },
  async mkdir(
    disk: MemoryDisk,
    path: string,
    { recursive = false }: { readonly recursive?: boolean } = {},
  ): Promise<void> {
    disk.step();
    if (disk.has(path) && !recursive) throw systemError('EEXIST');
    if (!disk.folders.has(dirname(path))) throw systemError('ENOENT');
    disk.folders.add(path);
  },
  async rename(disk: MemoryDisk, from: string, to: string): Promise<void> {
    disk.step();
    if (!disk.has(from)) throw systemError('ENOENT');
    if (disk.folders.has(to)) throw systemError('ENOTEMPTY');
    if (disk.folders.has(from) && disk.files.has(to)) throw systemError('ENOTDIR');
    for (const [path, file] of disk.within(from)) {
      const renamed = to + path.slice(from.length);
      disk.remove(path);
      if (file === null) disk.folders.add(renamed);
      else disk.files.set(renamed, file);
    }
  },
  async rm(disk: MemoryDisk, path: string): Promise<void> {
    disk.step();
    for (const [one] of disk.within(path)) disk.remove(one);
  },
  async unlink(disk: MemoryDisk, path: string): Promise<void> {
    disk.step();
    disk.get(path);
    disk.remove(path);
  },
  async link(disk: MemoryDisk, from: string, to: string): Promise<void> {
    disk.step();
    if (disk.has(to)) throw systemError('EEXIST');
    disk.files.set(to, disk.get(from));
  },
  async truncate(disk: MemoryDisk, path: string, length = 0): Promise<void> {
    disk.step();
    disk.get(path).resize(length);
  },
  async utimes(disk: MemoryDisk, path: string): Promise<void> {
    disk.step();
    if (!disk.has(path)) throw systemError('ENOENT');
  },
};

function install(): void {
  for (const [name, ours] of Object.entries(inMemory) as [string, (...args: unknown[]) => unknown][]) {
    const real = fs.promises[name as keyof typeof inMemory] as (...args: unknown[]) => unknown;
    const either = (path: unknown, ...rest: unknown[]): unknown => {
      // When a process began is asked too; the answer is no matter of disks, and there at once.
      if (name === 'readFile' && String(path).startsWith('/proc/'))
        return new Promise((done) => done(fs.readFileSync(String(path), ...(rest as ['latin1']))));
      const disk = typeof path === 'string' ? disks.get(path.split('/', 3).join('/')) : undefined;
      return disk === undefined ? real(path, ...rest) : ours(disk, path, ...rest);
    };
    Object.assign(fs.promises, { [name]: either });
  }
  syncBuiltinESMExports();
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
