/** Where peers were found last, on disk: places to look for them again. Nothing is believed of it. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PublicKey } from './crypto/keys.ts';
import { writeDurably } from './durable-file.ts';
import { hasSystemCode } from './errors.ts';
import { scopeOf } from './p2p/candidates.ts';
import type { Address } from './session/address.ts';
import { formatHostPort, parseHostPort } from './transport/resolve.ts';

const FILE = 'seen.json';
const MAX_ADDRESSES = 4;
const MAX_PEERS = 1_024;
/** It is written no more often than this, and at the end. */
const WRITE_AFTER_MS = 60_000;

export interface Sighting {
  readonly address: Address;
  readonly at: Date;
}

type Sightings = Map<string, Sighting[]>;

export class LastSeen {
  readonly #path: string;
  readonly #onTrouble: (text: string) => void;
  readonly #sightings: Sightings;
  /** Not on disk yet. */
  readonly #news = new Map<string, Sighting[]>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, onTrouble: (text: string) => void, sightings: Sightings) {
    this.#path = path;
    this.#onTrouble = onTrouble;
    this.#sightings = sightings;
  }

  /** @param onTrouble told, as a sentence, what cannot be read or written */
  static async open(folder: string, onTrouble: (text: string) => void): Promise<LastSeen> {
    const path = join(folder, FILE);
    return new LastSeen(path, onTrouble, await read(path, onTrouble));
  }

  /** The newest first. */
  of(publicKey: PublicKey): readonly Sighting[] {
    return this.#sightings.get(publicKey.toString()) ?? [];
  }

  /** A handshake with the peer went through there. */
  saw(publicKey: PublicKey, address: Address): void {
    if (scopeOf(address.ip) === 'none') return;
    const key = publicKey.toString();
    const news = [{ address, at: new Date() }];
    this.#sightings.set(key, newestFirst([...news, ...this.of(publicKey)]));
    this.#news.set(key, newestFirst([...news, ...(this.#news.get(key) ?? [])]));
    this.#timer ??= setTimeout(() => void this.flush(), WRITE_AFTER_MS).unref();
  }

  /** Writes what is new, beside what other processes wrote. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    if (this.#news.size === 0) return;
    const news = new Map(this.#news);
    this.#news.clear();
    try {
      const temporary = `${this.#path}.${randomBytes(6).toString('hex')}`;
      await writeDurably({ path: this.#path, temporary }, async () => {
        const all = await read(this.#path, () => {});
        for (const [key, seen] of news) all.set(key, newestFirst([...seen, ...(all.get(key) ?? [])]));
        return textOf(all);
      });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#onTrouble(`Where peers were seen is not kept: ${why}`);
    }
  }
}

async function read(path: string, onTrouble: (text: string) => void): Promise<Sightings> {
  try {
    return parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (!hasSystemCode(cause, 'ENOENT')) {
      const why = cause instanceof Error ? cause.message : String(cause);
      onTrouble(`${path} tells nothing, and is ignored: ${why}`);
    }
    return new Map();
  }
}

/** @throws Error for what is not as {@link textOf} writes it */
function parse(text: string): Sightings {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error('it is no object');
  const sightings: Sightings = new Map();
  for (const [key, seen] of Object.entries(value).slice(0, MAX_PEERS)) {
    if (!Array.isArray(seen)) throw new Error(`"${key}" has no list`);
    sightings.set(key, newestFirst(seen.slice(0, MAX_ADDRESSES).map(parseSighting)));
  }
  return sightings;
}

function parseSighting(value: unknown): Sighting {
  const { address, at } = value as { address?: unknown; at?: unknown };
  if (typeof address !== 'string' || typeof at !== 'string' || Number.isNaN(Date.parse(at))) {
    throw new Error('an entry is not {"address": …, "at": …}');
  }
  const { host, port } = parseHostPort(address);
  if (scopeOf(host) === 'none') throw new Error(`"${address}" is no address of a machine`);
  return { address: { ip: host, port }, at: new Date(at) };
}

function textOf(sightings: Sightings): string {
  const newest = [...sightings].sort(([, [a]], [, [b]]) => (b?.at.getTime() ?? 0) - (a?.at.getTime() ?? 0));
  const entries = newest.slice(0, MAX_PEERS).map(([key, seen]) => [
    key,
    seen.map(({ address: { ip, port }, at }) => ({
      address: formatHostPort({ host: ip, port }),
      at: at.toISOString(),
    })),
  ]);
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

/** Each address once, and not too many. */
function newestFirst(seen: readonly Sighting[]): Sighting[] {
  const byAddress = new Map<string, Sighting>();
  for (const sighting of seen) {
    const { ip, port } = sighting.address;
    const key = formatHostPort({ host: ip, port });
    const known = byAddress.get(key);
    if (known === undefined || known.at < sighting.at) byAddress.set(key, sighting);
  }
  return [...byAddress.values()].sort((a, b) => b.at.getTime() - a.at.getTime()).slice(0, MAX_ADDRESSES);
}
