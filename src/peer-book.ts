/** The peer book's text: TOML with a table for each peer, which a person can read and edit. */
import { parse, TomlError } from 'smol-toml';
import { PublicKey } from './crypto/keys.ts';
import { UdpToolError } from './errors.ts';
import { isPeerName } from './peer-name.ts';
import { DEFAULT_ALLOW, type Permissions } from './rpc/permissions.ts';
import { parseHostPort } from './transport/resolve.ts';

interface Kind {
  readonly name: string;
  readonly fits: (value: unknown) => boolean;
}

const TEXT: Kind = { name: 'a text in quotes', fits: (value) => typeof value === 'string' };
const TEXTS: Kind = {
  name: 'a list of texts, ["time", "temp"]',
  fits: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
};
const BOOLEAN: Kind = { name: 'true or false', fits: (value) => typeof value === 'boolean' };
const FIELDS: ReadonlyMap<string, Kind> = new Map([
  ['key', TEXT],
  ['at', TEXT],
  ['psk', TEXT],
  ['allow', TEXTS],
  ['deny', TEXTS],
  ['paused', BOOLEAN],
]);

const BOOK_HEADER = `# The peers that this machine trusts. udp-tool keeps your comments; a running "serve" notices changes.
#
# [name]
# key = "udp1…"               what "udp-tool keygen" printed there
# at = "192.168.2.3:9999"     where it listens, if this machine asks it
# psk = "/path/to/file"       32 random bytes that both sides have, if you like
# allow = ["time", "temp"]    what it may call; "*" for everything; time, lucky, msg, mail if not given
# paused = true               it gets no answer for the time being
`;

/** A peer as the book has it. */
export interface PeerEntry {
  readonly name: string;
  readonly publicKey: PublicKey;
  readonly at?: string;
  /** Path of the pre-shared key's file, from the key folder on. */
  readonly psk?: string;
  /** What it may call; {@link DEFAULT_ALLOW} if not given. */
  readonly allow?: readonly string[];
  /** What it may not call, though `allow` says so. */
  readonly deny?: readonly string[];
  /** As if it were not there. */
  readonly paused?: boolean;
}

export function permissionsOf({ allow = DEFAULT_ALLOW, deny = [] }: PeerEntry): Permissions {
  return { allow, deny };
}

/**
 * What the book says already of a peer with that name and key.
 * @throws UdpToolError `bad-usage` for a name or key that is another peer's
 */
export function placeFor({ name, publicKey }: PeerEntry, peers: readonly PeerEntry[]): PeerEntry | undefined {
  const sameKey = peers.find((peer) => peer.publicKey.equals(publicKey));
  if (sameKey?.name === name) return sameKey;
  if (peers.some((peer) => peer.name === name)) {
    throw new UdpToolError('bad-usage', `There is a peer "${name}" already.`, {
      hint: `Choose another name ("pair" takes it with --name), or first "udp-tool peer remove ${name}".`,
    });
  }
  if (sameKey === undefined) return undefined;
  throw new UdpToolError('bad-usage', `That key is trusted already, as "${sameKey.name}".`, {
    hint: `To change it, first "udp-tool peer remove ${sameKey.name}".`,
  });
}

/** @throws UdpToolError `bad-peer-book` */
export function parseBook(text: string, path: string): PeerEntry[] {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new UdpToolError('bad-peer-book', `${path}: ${problem}`, {
      cause,
      hint: 'Mend it with an editor; the comment at its head says what it looks like.',
    });
  };
  let tables: Record<string, unknown>;
  try {
    tables = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    // It is no cause: its own message quotes the lines, and somebody may have pasted a secret there.
    return refuse(`line ${cause.line}: ${cause.message.split('\n')[0]}`);
  }
  const entries: PeerEntry[] = [];
  for (const [name, table] of Object.entries(tables)) {
    if (!isPeerName(name)) refuse(`"${name}" cannot be a peer's name`);
    if (typeof table !== 'object' || table === null) refuse(`"${name}" should be a table: [${name}]`);
    const fields = table as Record<string, unknown>;
    for (const [field, value] of Object.entries(fields)) {
      const kind = FIELDS.get(field);
      if (kind === undefined) refuse(`[${name}] has an unknown field "${field}"`);
      else if (!kind.fits(value)) refuse(`[${name}] ${field} should be ${kind.name}`);
    }
    if (fields['key'] === undefined) return refuse(`[${name}] has no key`);
    const { key, ...rest } = fields as { key: string } & Omit<PeerEntry, 'name' | 'publicKey'>;
    try {
      if (rest.at !== undefined) parseHostPort(rest.at);
      entries.push({ name, publicKey: PublicKey.parse(key), ...rest });
    } catch (cause) {
      refuse(`[${name}] ${cause instanceof Error ? cause.message : String(cause)}`, cause);
    }
  }
  for (const [i, entry] of entries.entries()) {
    const twin = entries.slice(0, i).find((other) => other.publicKey.equals(entry.publicKey));
    if (twin !== undefined) refuse(`[${twin.name}] and [${entry.name}] have the same key`);
  }
  return entries;
}

/** The book with a table at its end. */
export function withTable(text: string, { name, publicKey, ...rest }: PeerEntry): string {
  const lines = [`[${name}]`, `key = "${publicKey}"`];
  // JSON's texts, lists of texts and booleans are TOML's too.
  for (const [field, value] of Object.entries(rest)) {
    if (value !== undefined) lines.push(`${field} = ${JSON.stringify(value)}`);
  }
  const before = text.trim() === '' ? BOOK_HEADER : text.endsWith('\n') ? text : `${text}\n`;
  return `${before}\n${lines.join('\n')}\n`;
}

/** The book without a table: from its header up to the next one; comments elsewhere stay. */
export function withoutTable(text: string, name: string): string {
  const lines = text.split('\n');
  const isHeader = (line: string): boolean => line.trimStart().startsWith('[');
  const start = lines.findIndex((line) => new RegExp(`^\\s*\\[\\s*["']?${name}["']?\\s*\\]`).test(line));
  if (start < 0) {
    throw new UdpToolError('bad-peer-book', `The table of "${name}" is not written as [${name}].`, {
      hint: 'Remove it with an editor.',
    });
  }
  const next = lines.findIndex((line, i) => i > start && isHeader(line));
  let end = next < 0 ? lines.length : next;
  // What stands right above the next table is about that one.
  while (end > start + 1 && /^\s*(#|$)/.test(lines[end - 1] as string)) end--;
  lines.splice(start, end - start);
  return `${lines.join('\n').trim()}\n`;
}
