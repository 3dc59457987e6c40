/** What peers and an introducer tell each other (PROTOCOL §10.4), and announcements in the local network. */
import { asksForUs, encodeAnnouncement, parseAnnouncement, SERVICE } from '../../../src/lan/announcement.ts';
import { type DnsPacket, mayConcernUs } from '../../../src/lan/mdns.ts';
import { encodeAddresses, parseAddresses, scopeOf, usableCandidates } from '../../../src/p2p/candidates.ts';
import {
  encodeIntroduce,
  encodeIntroduction,
  encodeInvitation,
  encodeMeet,
  INTRODUCE,
  INTRODUCER_COMMANDS,
  type IntroduceArguments,
  MEET,
  type MeetArguments,
  parseIntroduction,
  parseInvitation,
} from '../../../src/p2p/introduction.ts';
import type { Address } from '../../../src/session/address.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../../../src/wire/cbor.ts';
import { check, refusal, same, type Target } from '../target.ts';

const ADDRESSES: readonly Address[] = [
  '192.168.2.3',
  '127.0.0.1',
  '203.0.113.9',
  '2001:db8::1:0:0:1',
  '::1',
  'fd00::7',
].map((ip) => ({ ip, port: 9999 }));
const KEY = new Uint8Array(32).fill(7);
const GLOBAL: Address = { ip: '203.0.113.1', port: 9999 };

export const introductions: Target = {
  name: 'introductions',
  seeds: () =>
    [
      encodeAddresses(ADDRESSES),
      encodeMeet({ addresses: ADDRESSES, accepted: [1, 70_000] }),
      encodeIntroduce({ publicKey: KEY, addresses: ADDRESSES }),
      encodeInvitation(null),
      encodeInvitation({ link: 1, publicKey: KEY, addresses: ADDRESSES }),
      encodeIntroduction({ link: 1, relayBytesPerSecond: 1e6, addresses: ADDRESSES }),
    ].map((value) => encodeCbor(value)),
  work: { base: 5_000, perByte: 300 },
  memory: { base: 72 * 1024, perByte: 128 },
  run(input) {
    const decoded = decodeCbor(input);
    if (!decoded.ok) return;
    const { value } = decoded;
    const addresses = parseAddresses(value);
    if (addresses !== null) expectAddresses(addresses, value);
    const invitation = parseInvitation(value);
    if (invitation !== undefined)
      expectTold(encodeInvitation(invitation), value, invitation?.addresses ?? []);
    const introduction = parseIntroduction(value);
    if (introduction !== undefined)
      expectTold(encodeIntroduction(introduction), value, introduction?.addresses ?? []);
    if (!Array.isArray(value)) return;
    refusal(() => {
      const meet = INTRODUCER_COMMANDS.get(MEET)?.parse?.(value) as unknown as MeetArguments;
      expectTold(encodeMeet(meet), value, meet.addresses);
    }, 'bad-arguments');
    refusal(() => {
      const introduce = INTRODUCER_COMMANDS.get(INTRODUCE)?.parse?.(value) as unknown as IntroduceArguments;
      expectTold(encodeIntroduce(introduce), value, introduce.addresses);
    }, 'bad-arguments');
  },
};

function expectAddresses(addresses: readonly Address[], value: CborValue): void {
  for (const { ip } of addresses) {
    check(/^[0-9a-f:.]+$/.test(ip), `an address is ${ip}`);
    check(
      new URL(`http://${ip.includes(':') ? `[${ip}]` : ip}/`).hostname.replace(/[[\]]/g, '') === ip,
      `${ip} is written otherwise`,
    );
  }
  // What leads nowhere is not told on.
  if (addresses.every(({ ip }) => scopeOf(ip) !== 'none'))
    same(encodeCbor(encodeAddresses(addresses)), encodeCbor(value), 'addresses change when they are told on');
  const usable = usableCandidates(addresses, GLOBAL);
  check(usable.length <= 8, 'there are too many addresses to try');
  for (const { ip, port } of usable) {
    check(port > 0, 'a port is 0');
    check(!/^(127|0|22[4-9]|23\d|24\d|25\d|169\.254)\./.test(ip), `${ip} is tried`);
    check(!/^(fe[89ab][0-9a-f]|ff[0-9a-f]{2}):|^::(1|ffff:[^:]+(:[^:]+)?)?$/.test(ip), `${ip} is tried`);
  }
}

function expectTold(encoded: CborValue, value: CborValue, addresses: readonly Address[]): void {
  if (addresses.every(({ ip }) => scopeOf(ip) !== 'none'))
    same(encodeCbor(encoded), encodeCbor(value), 'what is told changes when it is told on');
}

/** A DNS packet as the decoder underneath gives it: from JSON, with bytes as arrays of numbers. */
export const announcement: Target = {
  name: 'announcement',
  seeds: () => {
    const answers = encodeAnnouncement({
      port: 9999,
      nonce: new Uint8Array(16).fill(1),
      tags: Array.from({ length: 3 }, () => new Uint8Array(8).fill(2)),
    });
    const packets: unknown[] = [
      { answers },
      { additionals: answers },
      { questions: [{ name: SERVICE, type: 'PTR' }] },
    ];
    const flat = (_key: string, value: unknown): unknown =>
      (value as { type?: string })?.type === 'Buffer' ? (value as { data: number[] }).data : value;
    return packets.map((packet) => Uint8Array.from(Buffer.from(JSON.stringify(packet, flat))));
  },
  words: () =>
    ['"SRV"', '"TXT"', '"port":1', '"data":', '[110,61]', '[116,61,1]', 'null', SERVICE].map((word) =>
      Uint8Array.from(Buffer.from(word)),
    ),
  work: { base: 3_000, perByte: 100 },
  memory: { base: 16 * 1024, perByte: 64 },
  run(input) {
    mayConcernUs(input);
    let packet: DnsPacket;
    try {
      packet = packetOf(JSON.parse(Buffer.from(input).toString()));
    } catch {
      return;
    }
    asksForUs(packet);
    const found = parseAnnouncement(packet);
    if (found === null) return;
    check(Number.isInteger(found.port) && found.port > 0 && found.port < 65_536, 'a port is none');
    const again = parseAnnouncement({ answers: encodeAnnouncement(found) });
    check(JSON.stringify(again) === JSON.stringify(found), 'an announcement changes when it is made again');
  },
};

/** With the types that the decoder promises: lists of records with names and types that are texts. */
function packetOf(value: unknown): DnsPacket {
  const records = (list: unknown): DnsPacket['answers'] =>
    (list as { name: unknown; type: unknown; data: unknown }[]).map(({ name, type, data }) => ({
      name: String(name),
      type: String(type),
      data: Array.isArray(data)
        ? data.map((item) => (Array.isArray(item) ? Uint8Array.from(item as number[]) : item))
        : data,
    }));
  const { questions = [], answers = [], additionals = [] } = value as Record<string, unknown>;
  return {
    questions: records(questions) ?? [],
    answers: records(answers) ?? [],
    additionals: records(additionals) ?? [],
  };
}
