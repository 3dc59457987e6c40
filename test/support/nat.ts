/**
 * Two hosts behind a router each, and public hosts that both reach: `await using internet = await NattedNetwork.open({
 * a: 'port-restricted', b: 'symmetric' })`. Names of the kinds are those of RFC 3489 and RFC 4787.
 *
 *     a ── router of a ──┬── router of b ── b
 *                      p ┴ q
 *
 * A router keeps the port of the one host behind it, but for the symmetric kind, and forgets after the 30 s of silence
 * that are usual; nobody reaches his own network by its public address.
 */
import { Network } from './namespaces.ts';

export type NatKind =
  /** Who has sent anything out is reached by everybody (full cone). */
  | 'endpoint-independent'
  /** By the addresses that it has sent to. */
  | 'address-restricted'
  /** By the addresses and ports that it has sent to. */
  | 'port-restricted'
  /** By those, and each of them sees another port of the router. */
  | 'symmetric'
  /** No router: the host has a public address. */
  | 'none';

export type InnerHost = 'a' | 'b';
/** `p` and `q` are public. */
export type NattedHost = InnerHost | 'p' | 'q';

const SILENCE_SECONDS = 30;

interface Translation {
  readonly masquerade: string;
  /** What a datagram to the outside leaves in the router's memory, and what one from the outside is looked up by. */
  readonly memory?: { readonly type: string; readonly outbound: string; readonly inbound: string };
}

/** Linux itself is port-restricted: it keeps ports where it can, and lets in what answers. */
const TRANSLATIONS: Readonly<Record<Exclude<NatKind, 'none'>, Translation>> = {
  'endpoint-independent': {
    masquerade: 'masquerade',
    memory: { type: 'inet_service', outbound: 'udp sport', inbound: 'udp dport' },
  },
  'address-restricted': {
    masquerade: 'masquerade',
    memory: {
      type: 'ipv4_addr . inet_service',
      outbound: 'ip daddr . udp sport',
      inbound: 'ip saddr . udp dport',
    },
  },
  'port-restricted': { masquerade: 'masquerade' },
  symmetric: { masquerade: 'masquerade random,fully-random' },
};

const INSIDE = { a: '10.0.1', b: '10.0.2' } as const;
const PUBLIC = '198.51.100';
/** The last number of each first public address; a router's grows each time that it gets another one. */
const FIRST = { a: 20, b: 120, p: 10, q: 11 } as const;

export class NattedNetwork implements AsyncDisposable {
  readonly #network = new Network();
  readonly #kinds: Readonly<Record<InnerHost, NatKind>>;
  readonly #rebindings = { a: 0, b: 0 };

  private constructor(kinds: Readonly<Record<InnerHost, NatKind>>) {
    this.#kinds = kinds;
  }

  static async open(kinds: Readonly<Record<InnerHost, NatKind>>): Promise<NattedNetwork> {
    const network = new NattedNetwork(kinds);
    try {
      await network.#build();
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What a program is started by, to run there. */
  launcher(host: NattedHost): readonly string[] {
    return this.#network.launcher(host);
  }

  /** The address that the host itself has. */
  addressOf(host: NattedHost): string {
    return isInner(host) && this.#kinds[host] !== 'none' ? `${INSIDE[host]}.2` : this.publicAddressOf(host);
  }

  /** The address that public hosts see it at. */
  publicAddressOf(host: NattedHost): string {
    return `${PUBLIC}.${FIRST[host] + (isInner(host) ? this.#rebindings[host] : 0)}`;
  }

  /** The router forgets whom it let in, and gets another public address, as after a restart. */
  async rebind(host: InnerHost): Promise<void> {
    const kind = this.#kinds[host];
    if (kind === 'none') throw new Error(`${host} is behind no router`);
    const before = this.publicAddressOf(host);
    this.#rebindings[host]++;
    const router = routerOf(host);
    await this.#network.ip(
      router,
      `address del ${before}/24 dev wan`,
      `address add ${this.publicAddressOf(host)}/24 dev wan`,
    );
    await this.#translate(host, kind);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network[Symbol.asyncDispose]();
  }

  async #build(): Promise<void> {
    for (const host of ['p', 'q'] as const) await this.#attach(host, host);
    for (const host of ['a', 'b'] as const) {
      const kind = this.#kinds[host];
      if (kind === 'none') await this.#attach(host, host);
      else await this.#hide(host, kind);
    }
  }

  async #hide(host: InnerHost, kind: Exclude<NatKind, 'none'>): Promise<void> {
    const router = routerOf(host);
    await this.#network.cable(
      { host, interface: 'eth0', address: `${INSIDE[host]}.2/24` },
      { host: router, interface: 'lan', address: `${INSIDE[host]}.1/24` },
    );
    await this.#network.ip(host, `route add default via ${INSIDE[host]}.1`);
    await this.#attach(router, host);
    await this.#network.forward(router);
    await this.#translate(host, kind);
  }

  /** Connects the machine, which has the public address of `host`, to all the others that are public. */
  async #attach(machine: string, host: NattedHost): Promise<void> {
    const first = host === 'p';
    await this.#network.cable(
      { host: machine, interface: 'wan', address: `${this.publicAddressOf(host)}/24` },
      { host: 'segment', interface: machine },
    );
    if (first) await this.#network.ip('segment', 'link add switch type bridge', 'link set switch up');
    await this.#network.ip('segment', `link set dev ${machine} master switch`);
  }

  /** Connections tracked so far are in another zone then, and translated no more: nftables cannot delete them. */
  #translate(host: InnerHost, kind: Exclude<NatKind, 'none'>): Promise<void> {
    const { masquerade, memory } = TRANSLATIONS[kind];
    const rules = `
flush ruleset
table ip nat {
  ${memory ? `set known { type ${memory.type}; flags dynamic,timeout; timeout ${SILENCE_SECONDS}s; }` : ''}
  chain generation {
    type filter hook prerouting priority raw;
    ct zone set ${1 + this.#rebindings[host]}
  }
  chain inbound {
    type nat hook prerouting priority dstnat;
    ${memory ? `iifname "wan" ${memory.inbound} @known dnat to ${INSIDE[host]}.2` : ''}
  }
  chain through {
    type filter hook forward priority filter; policy drop;
    ${memory ? `iifname "lan" update @known { ${memory.outbound} }` : ''}
    iifname "lan" accept
    ct state established,related accept
    ct status dnat accept
  }
  # A datagram that the router itself took would hold its port against the one that goes out to the same place later.
  chain unasked {
    type filter hook input priority filter;
    iifname "wan" meta l4proto { tcp, udp } drop
  }
  chain outbound {
    type nat hook postrouting priority srcnat;
    oifname "wan" ${masquerade}
  }
}
`;
    return this.#network.nft(routerOf(host), rules);
  }
}

function isInner(host: NattedHost): host is InnerHost {
  return host === 'a' || host === 'b';
}

function routerOf(host: InnerHost): string {
  return `router-${host}`;
}
