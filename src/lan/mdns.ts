/** mDNS on one interface, as much of it as is used; multicast-dns underneath, which sends nothing by itself. */

/** A resource record or a question; which fields there are depends on the type. */
export interface DnsRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl?: number;
  /** From the network: anything. */
  readonly data?: unknown;
}

export interface DnsPacket {
  readonly questions?: readonly DnsRecord[];
  readonly answers?: readonly DnsRecord[];
  readonly additionals?: readonly DnsRecord[];
}

export interface Mdns {
  onQuery(listener: (packet: DnsPacket) => void): void;
  onResponse(listener: (packet: DnsPacket, fromIp: string) => void): void;
  onError(listener: (error: Error) => void): void;
  ask(question: DnsRecord): void;
  respond(answers: readonly DnsRecord[]): void;
  close(): Promise<void>;
}

/** Loaded by whoever uses it alone: it costs the start of everybody else. */
export async function openMdns(ip: string): Promise<Mdns> {
  const { default: multicastDns } = await import('multicast-dns');
  // Bound to no address, since multicast does not come to a socket that is bound to one.
  const mdns = multicastDns({ interface: ip, bind: '0.0.0.0', reuseAddr: true });
  mdns.on('warning', () => {}); // what others send that is no DNS, and interfaces that go
  return {
    onQuery: (listener) => mdns.on('query', (packet) => listener(packet as DnsPacket)),
    onResponse: (listener) =>
      mdns.on('response', (packet, { address }) => listener(packet as DnsPacket, address)),
    onError: (listener) => mdns.on('error', listener),
    ask: (question) => mdns.query({ questions: [question as never] }),
    respond: (answers) => mdns.respond({ answers: answers as never }),
    close: () => new Promise((done) => mdns.destroy(() => done())),
  };
}
