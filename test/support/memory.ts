/** The memory of a process of ours, as a thief of it would have it: Linux tells its parent. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { bech32m } from '@scure/base';
import { knownByte } from './known-random.mjs';

/** Why no memory can be read here; undefined where it can. */
export const NO_MEMORY: string | undefined = process.platform === 'linux' ? undefined : 'there is no /proc';

/** What call of the randomness of {@link knownByte} the bytes are of, and from where to where. */
export interface Drawn {
  readonly call: number;
  readonly from: number;
  readonly to: number;
}

const WINDOW_BYTES = 16;
/** As large as the page of src/transport/random.ts. */
export const PAGE_BYTES = 4096;
const CALLS = 24;

interface Region {
  readonly start: bigint;
  readonly name: string;
  readonly bytes: Buffer;
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
      const regions = [];
      for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
        const [, from, to, name = ''] = /^(\w+)-(\w+) rw\S+ \S+ \S+ \S+\s*(.*)$/.exec(line) ?? [];
        if (from === undefined || to === undefined) continue;
        const start = BigInt(`0x${from}`);
        const bytes = Buffer.alloc(Number(BigInt(`0x${to}`) - start));
        try {
          readSync(memory, bytes, 0, bytes.length, start as unknown as number);
        } catch {
          continue; // of a device
        }
        regions.push({ start, name, bytes });
      }
      return new Memory(regions);
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

  /** The forms in which a secret is there, and how often. */
  formsOf(secret: Uint8Array): Record<string, number> {
    const found = Object.entries(formsInMemory(secret)).map(
      ([form, bytes]) => [form, this.find(bytes).length] as const,
    );
    return Object.fromEntries(found.filter(([, count]) => count > 0));
  }

  /** What of the known randomness is there: runs of 16 bytes or more. */
  drawn(): (Drawn & { readonly where: string })[] {
    const table = knownWindows();
    const runs: (Drawn & { where: string })[] = [];
    for (const { start, name, bytes } of this.#regions) {
      for (let i = 0; i + WINDOW_BYTES <= bytes.length; i++) {
        const first =
          (bytes[i] as number) | ((bytes[i + 1] as number) << 8) | ((bytes[i + 2] as number) << 16);
        if (((table.filter[first >> 3] as number) & (1 << (first & 7))) === 0) continue;
        const place = table.places.get(bytes.readInt32LE(i));
        if (place === undefined) continue;
        const [call, from] = [Math.floor(place / PAGE_BYTES), place % PAGE_BYTES];
        let length = 0;
        while (from + length < PAGE_BYTES && bytes[i + length] === knownByte(call, from + length)) length++;
        if (length < WINDOW_BYTES) continue;
        runs.push({ call, from, to: from + length, where: `${(start + BigInt(i)).toString(16)} ${name}` });
        i += length - 1;
      }
    }
    return runs;
  }
}

let windows: { readonly filter: Uint8Array; readonly places: Map<number, number> } | undefined;

function knownWindows(): NonNullable<typeof windows> {
  if (windows !== undefined) return windows;
  const filter = new Uint8Array(2 ** 21);
  const places = new Map<number, number>();
  for (let call = 0; call < CALLS; call++) {
    const stream = Buffer.from(Uint8Array.from({ length: PAGE_BYTES }, (_, i) => knownByte(call, i)));
    for (let i = 0; i + 4 <= PAGE_BYTES; i++) {
      const first = stream.readUIntLE(i, 3);
      filter[first >> 3] = (filter[first >> 3] as number) | (1 << (first & 7));
      places.set(stream.readInt32LE(i), call * PAGE_BYTES + i);
    }
  }
  windows = { filter, places };
  return windows;
}

/** How JavaScript keeps bytes: as they are, as text of one or two bytes a letter, as arrays of numbers. */
function formsInMemory(secret: Uint8Array): Record<string, Buffer> {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const key = bech32m.encodeFromBytes('udp-secret-key-', secret);
  const texts = {
    hex,
    HEX: hex.toUpperCase(),
    base64: bytes.toString('base64').slice(0, 40),
    base64url: bytes.toString('base64url').slice(0, 40),
    // Without the prefix, which is no secret, and in pieces, as a sliced text is.
    bech32: key.slice(-50),
    BECH32: key.slice(-50).toUpperCase(),
  };
  return {
    raw: bytes,
    reversed: Buffer.from(bytes).reverse(),
    ...texts_(texts),
    numbers: smis(bytes),
    'numbers of 32 bits': Buffer.from(Uint32Array.from(bytes).buffer),
    doubles: Buffer.from(Float64Array.from(bytes).buffer),
    'words of 5 bits': smis(bech32m.toWords(secret).slice(0, 40)),
    'bytes of 5 bits': Buffer.from(bech32m.toWords(secret).slice(0, 40)),
  };
}

function texts_(texts: Record<string, string>): Record<string, Buffer> {
  return Object.fromEntries(
    Object.entries(texts).flatMap(([name, text]) => [
      [name, Buffer.from(text, 'latin1')],
      [`${name} in UTF-16`, Buffer.from(text, 'utf16le')],
    ]),
  );
}

/** V8 keeps a small number in the upper half of a word. */
function smis(numbers: ArrayLike<number>): Buffer {
  const bytes = Buffer.alloc(numbers.length * 8);
  for (let i = 0; i < numbers.length; i++) bytes.writeUInt32LE(numbers[i] as number, i * 8 + 4);
  return bytes;
}
