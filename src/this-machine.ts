/** What other machines need to know of this one: a name, where it is reached, and the line that adds it there. */
import { hostname, networkInterfaces } from 'node:os';
import type { PublicKey } from './crypto/keys.ts';
import { isPeerName } from './peer-name.ts';

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
