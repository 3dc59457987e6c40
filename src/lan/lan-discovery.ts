/** Finds peers in the local networks of this machine, and is found by them: mDNS on each interface (RFC 6762). */
import { LAN_NONCE_BYTES } from '../p2p/lan-tags.ts';
import { isIPv6Address } from '../session/address.ts';
import { interfaceAddresses, isInOwnNetwork } from '../transport/interfaces.ts';
import { random } from '../transport/random.ts';
import type { UdpEndpoint } from '../udp-endpoint.ts';
import {
  type Announcement,
  asksForUs,
  encodeAnnouncement,
  parseAnnouncement,
  SERVICE,
} from './announcement.ts';
import { type DnsPacket, type Mdns, openMdns } from './mdns.ts';

/** An observer in the network cannot tell longer than this that it is the same machine. */
const PSEUDONYM_MS = 600_000;
/** Questions after the start, and then. */
const ASK_AFTER_MS: readonly number[] = [0, 1_000, 3_000];
const ASK_EVERY_MS = 120_000;
/** Who asks more often is not answered more often. */
const ANSWER_INTERVAL_MS = 250;
/** Announcements looked at: each costs a hash a peer. */
const MAX_LOOKED_AT = 20;
const LOOKED_AT_MS = 1_000;

export interface LanDiscoveryOptions {
  readonly endpoint: UdpEndpoint;
  /** Whether it is announced too, as suits what goes on listening. */
  readonly announces: boolean;
  readonly onTrouble: (text: string) => void;
  /** For tests: mDNS on the interface with that address. */
  readonly open?: (ip: string) => Promise<Mdns>;
}

export class LanDiscovery implements AsyncDisposable {
  readonly #options: LanDiscoveryOptions;
  readonly #mdns: Mdns[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  #announced: { readonly announcement: Announcement; readonly peers: string; readonly at: number } | null =
    null;
  #lookedAt = { count: 0, since: 0 };
  #isTroubled = false;
  #isClosed = false;

  private constructor(options: LanDiscoveryOptions) {
    this.#options = options;
  }

  static async start(options: LanDiscoveryOptions): Promise<LanDiscovery> {
    const discovery = new LanDiscovery(options);
    const open = options.open ?? openMdns;
    for (const ip of addressesToUse(options.endpoint)) {
      try {
        discovery.#attach(await open(ip));
      } catch (error) {
        discovery.#trouble(error);
      }
    }
    return discovery;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    return Promise.all(this.#mdns.map((mdns) => mdns.close())).then(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #attach(mdns: Mdns): void {
    this.#mdns.push(mdns);
    let answeredAt = Number.NEGATIVE_INFINITY;
    const announce = (): void => {
      if (!this.#options.announces || this.#isClosed) return;
      const now = performance.now();
      if (now - answeredAt < ANSWER_INTERVAL_MS) return;
      answeredAt = now;
      mdns.respond(encodeAnnouncement(this.#announcement(now)));
    };
    const ask = (): void => {
      if (!this.#isClosed) mdns.ask({ name: SERVICE, type: 'PTR' });
    };
    mdns.onError((error) => this.#trouble(error));
    mdns.onQuery((packet) => {
      if (asksForUs(packet)) announce();
    });
    mdns.onResponse((packet, from) => this.#onResponse(packet, from));
    announce();
    for (const ms of ASK_AFTER_MS) this.#after(ms, ask);
    const again = setInterval(ask, ASK_EVERY_MS).unref();
    this.#timers.add(again);
  }

  /** The same while its pseudonym is: what two of one nonce have in common are the tags that hide nothing. */
  #announcement(now: number): Announcement {
    const { endpoint } = this.#options;
    const peers = endpoint.peers.map(({ publicKey }) => publicKey.toString()).join();
    const { at = 0, peers: before, announcement } = this.#announced ?? {};
    if (announcement !== undefined && before === peers && now - at < PSEUDONYM_MS) return announcement;
    const nonce = random(LAN_NONCE_BYTES);
    const port = endpoint.addresses[0]?.port ?? 0;
    const fresh = { port, nonce, tags: endpoint.announcedTags(nonce) };
    this.#announced = { announcement: fresh, peers, at: now };
    return fresh;
  }

  #onResponse(packet: DnsPacket, ip: string): void {
    const now = performance.now();
    if (now - this.#lookedAt.since >= LOOKED_AT_MS) this.#lookedAt = { count: 0, since: now };
    const announcement = parseAnnouncement(packet);
    if (this.#isClosed || announcement === null || this.#lookedAt.count++ >= MAX_LOOKED_AT) return;
    // What claims to come from elsewhere is to have us send something there (RFC 6762 §11).
    if (!isInOwnNetwork(ip)) return;
    const { nonce, tags, port } = announcement;
    this.#options.endpoint.announcedBy(nonce, tags)?.suggest('lan', [{ ip, port }]);
  }

  #after(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms).unref();
    this.#timers.add(timer);
  }

  #trouble(error: unknown): void {
    if (this.#isTroubled) return;
    this.#isTroubled = true;
    const why = error instanceof Error ? error.message : String(error);
    this.#options.onTrouble(`Peers in the local network are not looked for: ${why}`);
  }
}

/** IPv4 ones, of networks: one for each interface. */
function addressesToUse({ addresses }: UdpEndpoint): string[] {
  const listens = (ip: string): boolean => addresses.some((at) => at.ip === '0.0.0.0' || at.ip === ip);
  const byInterface = new Map<string, string>();
  for (const { interface: name, ip, internal } of interfaceAddresses()) {
    if (!internal && !isIPv6Address(ip) && listens(ip) && !byInterface.has(name)) byInterface.set(name, ip);
  }
  return [...byInterface.values()];
}
