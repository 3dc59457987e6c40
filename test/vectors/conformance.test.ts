/** The frozen cases that a second implementation made (test/conformance), by this one. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { keyPairFromSecret, SecretKey } from '../../src/crypto/keys.ts';
import { Endpoint } from '../../src/session/endpoint.ts';

interface Case {
  readonly name: string;
  readonly after: readonly string[];
  readonly datagram: string;
  readonly refused?: string;
}

const FILE = new URL('./conformance-1.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(FILE, 'utf8')) as { readonly cases: readonly Case[] };
const byName = new Map(cases.map((one) => [one.name, one]));
const FROM = { ip: '192.168.2.1', port: 50_000 };

/** Two copies of a HELLO closer to each other than 25 ms need not both be answered. */
const BETWEEN_MS = 1_000;

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

test.each(cases)('$name', ({ after, datagram, refused }) => {
  const endpoint = responder();
  let now = 0;
  const take = (text: string) =>
    endpoint.receive(Uint8Array.from(Buffer.from(text, 'hex')), FROM, (now += BETWEEN_MS));
  for (const name of after) take(byName.get(name)?.datagram ?? '');
  endpoint.drain(now);
  expect(take(datagram)).toBe(refused ?? null);
  if (refused) expect(endpoint.drain(now)).toEqual([]);
});
