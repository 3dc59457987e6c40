/** An announcement as DNS-SD has it (RFC 6763): no name of a host or a person, no key, and no address in it. */
import { toHex } from '../bytes.ts';
import { LAN_NONCE_BYTES, LAN_TAG_BYTES, MAX_LAN_TAGS } from '../p2p/lan-tags.ts';
import type { DnsPacket, DnsRecord } from './mdns.ts';

export const SERVICE = '_udp-tool._udp.local';
/** Seconds; an announcement is replaced after ten minutes at the latest. */
const TTL = 120;
/** A string of TXT has 255 bytes, `t=` among them. */
const TAGS_PER_STRING: number = Math.floor((255 - 2) / LAN_TAG_BYTES);

export interface Announcement {
  readonly port: number;
  readonly nonce: Uint8Array;
  readonly tags: readonly Uint8Array[];
}

export function encodeAnnouncement({ port, nonce, tags }: Announcement): DnsRecord[] {
  const pseudonym = toHex(nonce.subarray(0, 8));
  const name = `${pseudonym}.${SERVICE}`;
  const strings = [Buffer.concat([Buffer.from('n='), nonce])];
  for (let from = 0; from < tags.length; from += TAGS_PER_STRING) {
    strings.push(Buffer.concat([Buffer.from('t='), ...tags.slice(from, from + TAGS_PER_STRING)]));
  }
  return [
    { type: 'PTR', name: SERVICE, ttl: TTL, data: name },
    { type: 'SRV', name, ttl: TTL, data: { port, target: `${pseudonym}.local`, priority: 0, weight: 0 } },
    { type: 'TXT', name, ttl: TTL, data: strings },
  ];
}

/** Null for a packet that holds none; of several, the first. */
export function parseAnnouncement({ answers = [], additionals = [] }: DnsPacket): Announcement | null {
  const records = [...answers, ...additionals].filter(({ name }) =>
    name.toLowerCase().endsWith(`.${SERVICE}`),
  );
  const srv = records.find((record) => record.type === 'SRV');
  const txt = records.find((record) => record.type === 'TXT');
  const { port } = (srv?.data ?? {}) as { port?: unknown };
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return null;
  let nonce: Uint8Array | null = null;
  const tags: Uint8Array[] = [];
  for (const bytes of [txt?.data].flat()) {
    if (!(bytes instanceof Uint8Array)) continue;
    const value = new Uint8Array(bytes.subarray(2));
    const field = String.fromCharCode(...bytes.subarray(0, 2));
    if (field === 'n=' && value.length === LAN_NONCE_BYTES) nonce = value;
    if (field !== 't=') continue;
    for (
      let from = 0;
      from + LAN_TAG_BYTES <= value.length && tags.length < MAX_LAN_TAGS;
      from += LAN_TAG_BYTES
    ) {
      tags.push(value.subarray(from, from + LAN_TAG_BYTES));
    }
  }
  return nonce === null ? null : { port, nonce, tags };
}

export function asksForUs({ questions = [] }: DnsPacket): boolean {
  return questions.some(
    ({ name, type }) => name.toLowerCase() === SERVICE && (type === 'PTR' || type === 'ANY'),
  );
}
