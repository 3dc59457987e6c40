/** The memory of a process of ours, as a thief of it would have it: Linux shows it to its parent. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bech32m } from '@scure/base';
import { knownByte } from './known-random.mjs';

/** Why no memory can be read here; undefined where it can. */
export const NO_MEMORY: string | undefined = process.platform === 'linux' ? undefined : 'there is no /proc';

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

interface Region {
  readonly start: bigint;
  readonly name: string;
  readonly bytes: Buffer;
}

/** Bytes of the page that are in memory, one behind the other. */
export interface Run {
  readonly page: number;
  readonly from: number;
  readonly to: number;
}

/** Everything that it can write to: heaps, stacks, WebAssembly, what was freed and not given back. */
export class Memory {
  readonly #regions: readonly Region[];

  private constructor(regions: readonly Region[]) {
    this.#regions = regions;
  }

  /** It stands still meanwhile. */
  static of(pid: number): Memory {
    process.kill(pid, 'SIGSTOP');
    const memory = openSync(`/proc/${pid}/mem`, 'r');
    try {
      return new Memory(readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n').flatMap(regionsOf(memory)));
    } finally {
      closeSync(memory);
      process.kill(pid, 'SIGCONT');
    }
  }

  get size(): number {
    return this.#regions.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Where these bytes are. */
  find(needle: Uint8Array): string[] {
    const places: string[] = [];
    for (const { start, name, bytes } of this.#regions) {
      for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1))
        places.push(`${(start + BigInt(at)).toString(16)} ${name}`);
    }
    return places;
  }

  /** The forms in which 32 secret bytes are there, and how often. */
  formsOf(secret: Uint8Array): Record<string, number> {
    const counts = Object.entries(formsInMemory(secret)).map(
      ([form, bytes]) => [form, this.find(bytes).length] as const,
    );
    return Object.fromEntries(counts.filter(([, count]) => count > 0));
  }

  /** Which of these secrets are there as they are, by name. */
  holds(secrets: Readonly<Record<string, Uint8Array>>): string[] {
    return Object.entries(secrets).flatMap(([name, secret]) => (this.find(secret).length > 0 ? [name] : []));
  }

  /** What of the known randomness is there and was drawn: what is left of the last page is not drawn yet. */
  drawn(): Run[] {
    return this.#runs().filter(({ to }) => to < PAGE_BYTES);
  }

  #runs(): Run[] {
    const { filter, places } = knownWindows();
    const runs: Run[] = [];
    for (const { bytes } of this.#regions) {
      for (let i = 0; i + WINDOW_BYTES <= bytes.length; i++) {
        const first =
          (bytes[i] as number) | ((bytes[i + 1] as number) << 8) | ((bytes[i + 2] as number) << 16);
        if (((filter[first >> 3] as number) & (1 << (first & 7))) === 0) continue;
        const place = places.get(bytes.readInt32LE(i));
        if (place === undefined) continue;
        const { page, at: from } = place;
        let to = from;
        while (to < PAGE_BYTES && bytes[i + to - from] === knownByte(page, to)) to++;
        if (to - from < WINDOW_BYTES) continue;
        runs.push({ page, from, to });
        i += to - from - 1;
      }
    }
    return runs;
  }
}

/** What of a region was ever written to: of most, only zeros are left out. */
function regionsOf(memory: number): (line: string) => Region[] {
  return (line) => {
    const [, from, to, name = ''] = /^(\w+)-(\w+) rw\S+ \S+ \S+ \S+\s*(.*)$/.exec(line) ?? [];
    if (from === undefined || to === undefined) return [];
    const start = BigInt(`0x${from}`);
    const bytes = Buffer.allocUnsafe(Number(BigInt(`0x${to}`) - start));
    try {
      if (readSync(memory, bytes, 0, bytes.length, start as unknown as number) < bytes.length) return [];
    } catch {
      return []; // of a device
    }
    return writtenParts({ start, name, bytes });
  };
}

const ZEROS = Buffer.alloc(PAGE_BYTES);

function writtenParts({ start, name, bytes }: Region): Region[] {
  const parts: Region[] = [];
  let from = -1;
  for (let at = 0; at <= bytes.length; at += PAGE_BYTES) {
    const isZero = at === bytes.length || bytes.subarray(at, at + PAGE_BYTES).equals(ZEROS);
    if (!isZero && from < 0) from = at;
    if (!isZero || from < 0) continue;
    parts.push({ start: start + BigInt(from), name, bytes: bytes.subarray(from, at) });
    from = -1;
  }
  return parts;
}

interface Windows {
  /** A bit for the first three bytes of each. */
  readonly filter: Uint8Array;
  /** By the first four. */
  readonly places: ReadonlyMap<number, { readonly page: number; readonly at: number }>;
}

let windows: Windows | undefined;

function knownWindows(): Windows {
  if (windows !== undefined) return windows;
  const filter = new Uint8Array(2 ** 21);
  const places = new Map<number, { readonly page: number; readonly at: number }>();
  for (let page = 0; page < PAGES; page++) {
    const bytes = Buffer.from(Uint8Array.from({ length: PAGE_BYTES }, (_, i) => knownByte(page, i)));
    for (let at = 0; at + 4 <= PAGE_BYTES; at++) {
      const first = bytes.readUIntLE(at, 3);
      filter[first >> 3] = (filter[first >> 3] as number) | (1 << (first & 7));
      places.set(bytes.readInt32LE(at), { page, at });
    }
  }
  windows = { filter, places };
  return windows;
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
