/** mDNS on one interface, as much of it as is used; multicast-dns underneath, which sends nothing by itself. */
import { filteredSocket } from '../transport/filtered-socket.ts';

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

/** One that is not fragmented. */
const MAX_PACKET_BYTES = 1472;
/** Questions and records of one packet: ours have three. */
const MAX_RECORDS = 32;
const HEADER_BYTES = 12;
/** A name may end with a pointer to another one, but somewhere this label stands. */
const LABEL = '_udp-tool';

/**
 * Whether a packet may concern us, before anything of it is decoded: anybody can send one, and in a long one, full of
 * pointers to a name of many parts, that takes a tenth of a second.
 */
export function mayConcernUs(packet: Uint8Array): boolean {
  if (packet.length < HEADER_BYTES || packet.length > MAX_PACKET_BYTES) return false;
  let records = 0;
  for (let at = 4; at < HEADER_BYTES; at += 2)
    records += ((packet[at] as number) << 8) | (packet[at + 1] as number);
  return (
    records <= MAX_RECORDS && Buffer.from(packet.buffer, packet.byteOffset, packet.length).includes(LABEL)
  );
}

/** Loaded by whoever uses it alone: it costs the start of everybody else. */
export async function openMdns(ip: string): Promise<Mdns> {
  const { default: multicastDns } = await import('multicast-dns');
  // Bound to no address, since multicast does not come to a socket that is bound to one.
  const socket = filteredSocket(mayConcernUs);
  const mdns = multicastDns({ interface: ip, bind: '0.0.0.0', socket });
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
