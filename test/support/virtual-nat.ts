/** A NAT in memory, by the words of RFC 4787: how it maps, and what it lets in. */
import type { Address } from '../../src/session/address.ts';
import { formatAddress } from '../../src/session/address.ts';
import type { Flight } from './virtual-network.ts';

export type NatKind = 'open' | 'address-restricted' | 'port-restricted' | 'symmetric';
export const NAT_KINDS: readonly NatKind[] = ['open', 'address-restricted', 'port-restricted', 'symmetric'];

interface Mapping {
  readonly inside: Address;
  readonly port: number;
  /** Where something was sent from it. */
  readonly sentTo: Address[];
}

export class VirtualNat {
  readonly ip: string;
  readonly #kind: NatKind;
  /** Beginning of the addresses behind it. */
  readonly #inside: string;
  #mappings = new Map<string, Mapping>();
  #nextPort = 40_000;

  constructor(kind: NatKind, ip: string, inside: string) {
    this.#kind = kind;
    this.ip = ip;
    this.#inside = inside;
  }

  isInside({ ip }: Address): boolean {
    return ip.startsWith(this.#inside);
  }

  /** Forgets every mapping, as after a restart; the new ones have other ports. */
  rebind(): void {
    this.#mappings.clear();
  }

  out({ datagram, from, to }: Flight): Flight {
    const key = formatAddress(from) + (this.#kind === 'symmetric' ? formatAddress(to) : '');
    let mapping = this.#mappings.get(key);
    if (mapping === undefined) {
      mapping = { inside: from, port: this.#nextPort++, sentTo: [] };
      this.#mappings.set(key, mapping);
    }
    mapping.sentTo.push(to);
    return { datagram, from: { ip: this.ip, port: mapping.port }, to };
  }

  /** Null for what it does not let in. */
  in({ datagram, from, to }: Flight): Flight | null {
    const mapping = [...this.#mappings.values()].find(({ port }) => port === to.port);
    if (mapping === undefined || !this.#lets(mapping, from)) return null;
    return { datagram, from, to: mapping.inside };
  }

  #lets({ sentTo }: Mapping, from: Address): boolean {
    switch (this.#kind) {
      case 'open':
        return true;
      case 'address-restricted':
        return sentTo.some(({ ip }) => ip === from.ip);
      default:
        return sentTo.some((to) => formatAddress(to) === formatAddress(from));
    }
  }
}

/** What becomes of a datagram on its way through these; private addresses lead nowhere else. */
export function throughNats(nats: readonly VirtualNat[], flight: Flight): Flight[] {
  const home = nats.find((nat) => nat.isInside(flight.from));
  if (home?.isInside(flight.to)) return [flight];
  const outside = home === undefined ? flight : home.out(flight);
  if (nats.some((nat) => nat.isInside(outside.to))) return [];
  const door = nats.find(({ ip }) => ip === outside.to.ip);
  if (door === undefined) return [outside];
  if (door === home) return []; // no hairpins
  const inside = door.in(outside);
  return inside === null ? [] : [inside];
}
