/** What other machines need to know of this one: a name, where it is reached, and the line that adds it there. */
import { hostname, networkInterfaces } from 'node:os';
import { PublicKey } from './crypto/keys.ts';
import { UdpToolError } from './errors.ts';
import { checkPeerName, isPeerName } from './peer-name.ts';

type Family = 'IPv4' | 'IPv6';

/** The host's own name, as far as it can be a peer's. */
export function nameOfThisMachine(): string {
  const [first = ''] = hostname().split('.');
  const name = first
    .replace(/[^A-Za-z0-9_-]/g, '')
    .replace(/^[_-]+/, '')
    .slice(0, 32);
  return isPeerName(name) ? name : 'me';
}

/**
 * The addresses of a family at which other machines reach this one. Without link-local IPv6, which means nothing
 * elsewhere: its zone is the name of an interface here.
 */
export function addressesOfThisMachine(family: Family): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((one) => one.family === family && !one.internal && !LINK_LOCAL.test(one.address))
    .map(({ address }) => address);
}

/** fe80::/10 (RFC 4291 §2.4) */
const LINK_LOCAL = /^fe[89ab]/i;

/** What to type, or to paste, on a machine that is to trust this peer. */
export function peerAddLine({ name, publicKey, at }: AddLineOptions): string {
  const line = `udp-tool peer add ${name} ${publicKey}`;
  return at === undefined ? line : `${line} --at ${shellWord(at)}`;
}

export interface AddLineOptions {
  readonly name: string;
  readonly publicKey: PublicKey;
  readonly at?: string;
}

/** An address as a word of a command line: a shell takes the brackets of IPv6 for a pattern. */
export function shellWord(address: string): string {
  return /^[\w.:%-]+$/.test(address) ? address : `'${address}'`;
}

/** What such a line says, or a public key alone. */
export interface ReadAddLine {
  readonly name?: string;
  readonly publicKey: PublicKey;
  readonly at?: string;
}

/**
 * Reads what {@link peerAddLine} makes, as somebody pasted or scanned it, with or without the words before the key.
 * @throws UdpToolError `bad-key`, `bad-usage`
 */
export function readPeerAddLine(text: string): ReadAddLine {
  const words = text.trim().replaceAll("'", '').split(/\s+/);
  const keyAt = words.findIndex((word) => word.startsWith('udp1'));
  const publicKey = PublicKey.parse(words[Math.max(0, keyAt)] ?? '');
  const before = words.slice(0, keyAt);
  const after = words.slice(keyAt + 1);
  const name = before.at(-1) === 'add' ? undefined : before.at(-1);
  if (name !== undefined) checkPeerName(name);
  const [option, at, ...rest] = after;
  if (after.length > 0 && (option !== '--at' || at === undefined || rest.length > 0)) {
    throw new UdpToolError('bad-usage', 'Behind the key stands something that cannot be read.', {
      hint: 'Paste the line as the other machine shows it: udp-tool peer add NAME KEY --at HOST:PORT',
    });
  }
  return { ...(name !== undefined && { name }), publicKey, ...(at !== undefined && { at }) };
}
