/** One transfer, timed from the start of the receiving program to its end, and checked. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { appendFile, mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

const MIB = 1 << 20;

/** Files of random bytes, each made once. */
export class Sources {
  #folder;
  #digests = new Map();

  constructor(folder) {
    this.#folder = folder;
  }

  async ofSize(mebibytes) {
    const path = join(this.#folder, `${mebibytes}-MiB`);
    if (!this.#digests.has(path)) {
      for (let i = 0; i < mebibytes; i++) await appendFile(path, randomBytes(MIB));
      this.#digests.set(path, await sha256(path));
    }
    return { source: path, bytes: mebibytes * MIB, digest: this.#digests.get(path) };
  }
}

/** Megabytes a second: over the whole, and as the tool itself tells it (NaN where it does not). */
export async function transfer({ programs, folder }, { source, bytes, digest }, { receive, ownRate }) {
  const received = join(folder, 'received');
  await rm(received, { recursive: true, force: true });
  await mkdir(received);
  const target = join(received, basename(source));
  const result = await programs.run(receive(target));
  if ((await sha256(target)) !== digest) throw new Error(`"${receive(target).join(' ')}" got another file.`);
  await rm(received, { recursive: true });
  return { rate: bytes / result.ms / 1000, ownRate: ownRate(result) / 1e6 };
}

async function sha256(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: MIB }), hash);
  return hash.digest('hex');
}
