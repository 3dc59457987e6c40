/** The frozen cases that a second implementation made (test/conformance), by this one. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/bytes.ts';
import { keyPairFromSecret, SecretKey } from '../../src/crypto/keys.ts';
import { Endpoint } from '../../src/session/endpoint.ts';
import { encodeMessage, MessageType } from '../../src/wire/messages.ts';

interface Case {
  readonly name: string;
  readonly after: readonly string[];
  readonly datagram: string;
  readonly refused?: string;
  readonly answers?: readonly string[];
  readonly later?: number;
  readonly from?: string;
}

/** Two copies of a HELLO closer to each other than 25 ms need not both be answered. */
const BETWEEN_MS = 1_000;
const INITIATOR = { ip: '192.168.2.1', port: 50_000 };
const RESPONDER = { ip: '192.168.2.3', port: 9_999 };

function read(file: string) {
  const text = readFileSync(new URL(`./${file}`, import.meta.url), 'utf8');
  const { cases } = JSON.parse(text) as { readonly cases: readonly Case[] };
  return { cases, byName: new Map(cases.map((one) => [one.name, one])) };
}

const keyPair = (byte: number) => keyPairFromSecret(SecretKey.fromBytes(new Uint8Array(32).fill(byte)));

/** The responder of PROTOCOL Appendix A. */
function responder(): Endpoint {
  // boot, an instance that nothing shows, epoch key, secret of E_s, sid, encapsulation, rest of CHALLENGE's header
  const drawn = [0xaa, 0x02, 0x55, 0x66, 0x77, 0x88];
  const endpoint = new Endpoint({
    keyPair: keyPair(0x22),
    random: (length) => new Uint8Array(length).fill(drawn.shift() ?? 0x99),
  });
  endpoint.addPeer(keyPair(0x11).publicKey);
  return endpoint;
}

/** The initiator, with its HELLO sent and its request waiting; by its length, what is drawn is the same each time. */
function initiator() {
  // boot, instance, rest of HELLO's header, secret of E_c, seed of the KEM keypair; jitter, which nothing shows
  const drawn: Record<number, number> = { 6: 0x01, 8: 0xcc, 15: 0x44, 32: 0xbb, 64: 0x33 };
  const endpoint = new Endpoint({
    keyPair: keyPair(0x11),
    random: (length) => new Uint8Array(length).fill(drawn[length] ?? 0),
  });
  const peer = endpoint.addPeer(keyPair(0x22).publicKey);
  endpoint.setAddresses(peer, [RESPONDER]);
  endpoint.want(peer, 300_000, 0);
  endpoint.drain(0);
  let asked = false;
  const ask = (now: number): void => {
    for (const session of asked ? [] : endpoint.sessionsTo(peer, now)) {
      asked = true;
      const { boot } = session;
      const request = { type: MessageType.REQUEST, lane: 0, id: 1, boot, command: 'time', args: [] };
      endpoint.send(session, encodeMessage(request));
    }
  };
  return { endpoint, ask };
}

/** What the endpoint says of the last datagram, and what it sends for it. */
function run(
  { endpoint, ask = () => {} }: { endpoint: Endpoint; ask?: (now: number) => void },
  byName: ReadonlyMap<string, Case>,
  usual: typeof RESPONDER,
  { after, ...last }: Case | (Omit<Case, 'after'> & { after: readonly string[] }),
) {
  let now = 0;
  let result: string | null = null;
  let sent: string[] = [];
  for (const one of [...after.map((name) => byName.get(name)), last]) {
    const [ip = usual.ip, port = usual.port] = one?.from?.split(':') ?? [];
    now += one?.later === undefined ? BETWEEN_MS : 1_000 * one.later;
    result = endpoint.receive(
      Uint8Array.from(Buffer.from(one?.datagram ?? '', 'hex')),
      { ip, port: Number(port) },
      now,
    );
    ask(now);
    sent = endpoint.drain(now).map(({ datagram }) => toHex(datagram));
  }
  return { result, sent };
}

describe('to a responder', () => {
  const { cases, byName } = read('conformance-1.json');
  test.each(cases)('$name', (one) => {
    const { result, sent } = run({ endpoint: responder() }, byName, INITIATOR, one);
    expect(result).toBe(one.refused ?? null);
    if (one.refused) expect(sent).toEqual([]);
  });
});

describe('to an initiator', () => {
  const { cases, byName } = read('conformance-initiator-1.json');
  test.each(cases)('$name', (one) => {
    const { result, sent } = run(initiator(), byName, RESPONDER, one);
    expect(result).toBe(one.refused ?? null);
    if (one.refused) expect(sent).toEqual([]);
    if (one.answers) expect(sent).toEqual(one.answers);
  });
});
