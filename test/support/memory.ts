/** The memory of a process of ours, as a thief of it would have it: Linux shows it to its parent. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bech32m } from '@scure/base';
import { knownByte } from './known-random.mjs';

/** Why no memory can be read here; undefined where it can. */
export const NO_MEMORY: string | undefined = process.platform === 'linux' ? undefined : 'there is no /proc';

/** What a program is started by that is to leave a core file in its folder where it is aborted. */
export const DUMPS_CORE = ['sh', '-c', 'ulimit -c unlimited; exec "$@"', 'sh'];

/** Why there are no core files here, as core(5) says; undefined where there are. */
export const NO_CORES: string | undefined = NO_MEMORY ?? whyNoCores();

function whyNoCores(): string | undefined {
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
  if (pattern !== 'core') return `core files go to "${pattern}"`;
  const { status } = spawnSync(DUMPS_CORE[0] as string, [...DUMPS_CORE.slice(1), 'true']);
  return status === 0 ? undefined : 'their size is limited';
}

/** What `node` is started with, and the environment: then {@link Memory.drawn} finds what it drew. */
export const KNOWN_RANDOM = {
  args: ['--import', fileURLToPath(new URL('./known-random.mjs', import.meta.url))],
  env: { UDP_TOOL_KNOWN_RANDOM: 'yes' },
} as const;

const PAGE_BYTES = 4096;
/** Of known randomness: what a test draws. */
const PAGES = 4;
/** Shorter pieces are ids and nonces, which everybody may see. */
const WINDOW_BYTES = 16;

/** Bytes of the page that are in memory, one behind the other. */
export interface Run {
  readonly page: number;
  readonly from: number;
  readonly to: number;
}

/** Everything that it can write to: heaps, stacks, WebAssembly, what was freed and not given back. */
export class Memory {
  readonly #regions: readonly Buffer[];

  private constructor(regions: readonly Buffer[]) {
    this.#regions = regions;
  }

  /** It stands still meanwhile. */
  static of(pid: number): Memory {
    process.kill(pid, 'SIGSTOP');
    const [memory, pagemap] = ['mem', 'pagemap'].map((name) => openSync(`/proc/${pid}/${name}`, 'r')) as [
      number,
      number,
    ];
    try {
      return new Memory(writableRegions(pid).flatMap((region) => partsOf(region, memory, pagemap)));
    } finally {
      closeSync(memory);
      closeSync(pagemap);
      process.kill(pid, 'SIGCONT');
    }
  }

  /** As the system wrote it to a folder when a process of ours was aborted there. */
  static ofCore(folder: string): Memory {
    const cores = readdirSync(folder).filter((name) => /^core(\.\d+)?$/.test(name));
    if (cores.length !== 1) throw new Error(`There are ${cores.length} core files.`);
    return new Memory([readFileSync(join(folder, cores[0] as string))]);
  }

  get size(): number {
    return this.#regions.reduce((sum, { length }) => sum + length, 0);
  }

  /** How often each of these is there, by name; those that are not are left out. */
  counts(needles: Readonly<Record<string, Uint8Array>>): Record<string, number> {
    const counts: Record<string, number> = {};
    const count = (name: string): void => {
      counts[name] = (counts[name] ?? 0) + 1;
    };
    const named = Object.entries(needles).map(([name, bytes]) => ({ name, needle: Buffer.from(bytes) }));
    // What begins with zeros is begun everywhere: that is for the system's own search.
    const isRare = ({ needle }: { readonly needle: Buffer }): boolean => !needle.subarray(0, 4).includes(0);
    for (const { name, needle } of named.filter((one) => !isRare(one))) {
      for (const bytes of this.#regions)
        for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) count(name);
    }
    const windows = windowsOf(named.filter(isRare).map((is) => ({ start: is.needle, is })));
    this.#look(windows, (bytes, at, { name, needle }) => {
      if (bytes.subarray(at, at + needle.length).equals(needle)) count(name);
      return 1;
    });
    return counts;
  }

  /** The forms in which 32 secret bytes are there, and how often. */
  formsOf(secret: Uint8Array): Record<string, number> {
    return this.counts(formsInMemory(secret));
  }

  /** Which of these secrets are there as they are, by name. */
  holds(secrets: Readonly<Record<string, Uint8Array>>): string[] {
    const counts = this.counts(secrets);
    return Object.keys(secrets).filter((name) => counts[name] !== undefined);
  }

  /** What of the known randomness is there and was drawn: what is left of the last page is not drawn yet. */
  drawn(): Run[] {
    return this.#runs().filter(({ to }) => to < PAGE_BYTES);
  }

  #runs(): Run[] {
    const runs: Run[] = [];
    this.#look(knownWindows(), (bytes, at, { page, from }) => {
      let to = from;
      while (to < PAGE_BYTES && bytes[at + to - from] === knownByte(page, to)) to++;
      if (to - from < WINDOW_BYTES) return 1;
      runs.push({ page, from, to });
      return to - from;
    });
    return runs;
  }

  /** One walk through it, for all there is to find. @param found says how many bytes are passed by then */
  #look<What>(
    { firsts, filter, places }: Windows<What>,
    found: (bytes: Buffer, at: number, what: What) => number,
  ): void {
    for (const bytes of this.#regions) {
      const end = bytes.length - 4;
      for (let i = 0; i <= end; i++) {
        const two = (bytes[i] as number) | ((bytes[i + 1] as number) << 8);
        if (firsts[two] === 0) continue;
        const first = two | ((bytes[i + 2] as number) << 16);
        if (((filter[first >> 3] as number) & (1 << (first & 7))) === 0) continue;
        let passed = 1;
        for (const what of places.get(bytes.readInt32LE(i)) ?? [])
          passed = Math.max(passed, found(bytes, i, what));
        i += passed - 1;
      }
    }
  }
}

interface Region {
  readonly start: number;
  readonly end: number;
  readonly pageBytes: number;
}

/** Of proc_pid_smaps(5): a line of its range and rights, then one a fact. */
function writableRegions(pid: number): Region[] {
  const smaps = readFileSync(`/proc/${pid}/smaps`, 'utf8');
  const heads = /^([0-9a-f]+)-([0-9a-f]+) rw[\s\S]*?^KernelPageSize: +(\d+) kB$/gm;
  return [...smaps.matchAll(heads)].map(([, start, end, kB]) => ({
    start: Number.parseInt(start as string, 16),
    end: Number.parseInt(end as string, 16),
    pageBytes: Number(kB) * 1024,
  }));
}

const PAGEMAP_ENTRY_BYTES = 8;
/** In an entry's last byte: the page is in memory, or in swap (proc_pid_pagemap(5)). */
const IS_THERE = 0b1100_0000;

/** What of a region there is: most of some was never touched. */
function partsOf({ start, end, pageBytes }: Region, memory: number, pagemap: number): Buffer[] {
  const entries = Buffer.alloc(((end - start) / pageBytes) * PAGEMAP_ENTRY_BYTES);
  readSync(pagemap, entries, 0, entries.length, (start / pageBytes) * PAGEMAP_ENTRY_BYTES);
  const isThere = (page: number): boolean =>
    ((entries[page * PAGEMAP_ENTRY_BYTES + PAGEMAP_ENTRY_BYTES - 1] ?? 0) & IS_THERE) !== 0;
  const parts: Buffer[] = [];
  for (let page = 0; page < entries.length / PAGEMAP_ENTRY_BYTES; page++) {
    const from = page;
    while (isThere(page)) page++;
    if (page > from) parts.push(readAt(memory, start + from * pageBytes, (page - from) * pageBytes));
  }
  return parts;
}

function readAt(memory: number, at: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const read = readSync(memory, bytes, done, length - done, at + done);
    if (read === 0) throw new Error(`The memory ends at ${at + done}.`);
    done += read;
  }
  return bytes;
}

/** What begins with which bytes. */
interface Windows<What> {
  /** A byte for the first two, which the processor's cache holds. */
  readonly firsts: Uint8Array;
  /** A bit for the first three. */
  readonly filter: Uint8Array;
  /** By the first four. */
  readonly places: ReadonlyMap<number, readonly What[]>;
}

function windowsOf<What>(all: readonly { readonly start: Buffer; readonly is: What }[]): Windows<What> {
  const firsts = new Uint8Array(2 ** 16);
  const filter = new Uint8Array(2 ** 21);
  const places = new Map<number, What[]>();
  for (const { start, is } of all) {
    const first = start.readUIntLE(0, 3);
    firsts[first & 0xffff] = 1;
    filter[first >> 3] = (filter[first >> 3] as number) | (1 << (first & 7));
    const key = start.readInt32LE(0);
    places.set(key, [...(places.get(key) ?? []), is]);
  }
  return { firsts, filter, places };
}

let known: Windows<{ readonly page: number; readonly from: number }> | undefined;

/** Each place of each page. */
function knownWindows(): NonNullable<typeof known> {
  if (known !== undefined) return known;
  const all = Array.from({ length: PAGES }, (_, page) => {
    const bytes = Buffer.from(Uint8Array.from({ length: PAGE_BYTES }, (_, i) => knownByte(page, i)));
    return Array.from({ length: PAGE_BYTES - 3 }, (_, from) => ({
      start: bytes.subarray(from, from + 4),
      is: { page, from },
    }));
  });
  known = windowsOf(all.flat());
  return known;
}

/** How JavaScript keeps bytes: as they are, as text of one or two bytes a letter, as numbers. */
function formsInMemory(secret: Uint8Array): Record<string, Buffer> {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  // The end of it: the prefix is no secret.
  const key = bech32m.encodeFromBytes('udp-secret-key-', secret).slice(-50);
  const words = bech32m.toWords(secret).slice(0, 40);
  const texts = {
    hex,
    'HEX in capitals': hex.toUpperCase(),
    base64: bytes.toString('base64').slice(0, 40),
    base64url: bytes.toString('base64url').slice(0, 40),
    bech32m: key,
    'bech32m in capitals': key.toUpperCase(),
  };
  return {
    bytes,
    'bytes from the last one': Buffer.from(bytes).reverse(),
    ...Object.fromEntries(
      Object.entries(texts).flatMap(([name, text]) => [
        [name, Buffer.from(text, 'latin1')],
        [`${name}, two bytes a letter`, Buffer.from(text, 'utf16le')],
      ]),
    ),
    numbers: smallIntegers(bytes),
    'numbers of 32 bits': Buffer.from(Uint32Array.from(bytes).buffer),
    'numbers of 64 bits': Buffer.from(Float64Array.from(bytes).buffer),
    'five bits each': Buffer.from(words),
    'numbers of five bits': smallIntegers(words),
  };
}

/** V8 keeps a small integer in the upper half of a word. */
function smallIntegers(numbers: ArrayLike<number>): Buffer {
  const bytes = Buffer.alloc(numbers.length * 8);
  for (let i = 0; i < numbers.length; i++) bytes.writeUInt32LE(numbers[i] as number, i * 8 + 4);
  return bytes;
}
