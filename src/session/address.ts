import type { Contents } from './tap.ts';

/** Where a datagram comes from or goes to. `ip` is a literal address, never a name; IPv6 without brackets. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

export function sameAddress(a: Address, b: Address): boolean {
  return a.port === b.port && a.ip === b.ip;
}

export function formatAddress(address: Address): string {
  return isIPv6Address(address.ip) ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

/** Of a literal address; whether it is well-formed was checked before. */
export function isIPv6Address(ip: string): boolean {
  return ip.includes(':');
}

/**
 * Where there is no address of a peer but a relay: what is sent there goes as a RELAY over that link of the peer with
 * that index (PROTOCOL §10.4). No literal address looks like it.
 */
export function relayAddress({ relay, link }: RelayLink): Address {
  return { ip: `relay-${relay}-${link}`, port: 1 };
}

export interface RelayLink {
  /** The relay's index among our peers. */
  readonly relay: number;
  readonly link: number;
}

export function isRelayAddress({ ip }: Address): boolean {
  return ip.startsWith('relay-');
}

/** Null for an address of the network. */
export function relayLinkOf({ ip }: Address): RelayLink | null {
  const [, relay, link] = /^relay-(\d+)-(\d+)$/.exec(ip) ?? [];
  return link === undefined ? null : { relay: Number(relay), link: Number(link) };
}

/** A datagram to send. */
export interface Transmit {
  readonly datagram: Uint8Array;
  readonly to: Address;
  /** Where somebody looks. */
  readonly contents?: Contents | undefined;
}
