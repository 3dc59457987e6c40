/** The worked example and the frozen cases, by the second implementation; the cases also by the real one (conformance.test.ts). */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hex, unhex } from './bytes.ts';
import { encode } from './cbor.ts';
import { Epoch } from './epoch.ts';
import { BOX2, open, openKey, retry } from './handshake.ts';
import { initiatorCases, waitingInitiator } from './initiator-vectors.ts';
import { agree, hash, keyFromText, keyToText, pairKeys } from './keys.ts';
import { envelope, T } from './messages.ts';
import { readRecording } from './recording.ts';
import {
  answered,
  type Case,
  cases,
  EPOCH,
  initiator,
  pair,
  responder,
  SOURCE,
  workedInitiator,
  workedResponder,
} from './vectors.ts';

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'));

describe('the worked example of Appendix A', () => {
  const frozen: Record<string, string> = read('protocol-1.json');
  const made = workedInitiator();

  it('comes out, value for value', () => {
    const receiver = workedResponder();
    answered(receiver, made.HELLO);
    const DATA = answered(receiver, made.OPEN);
    const epoch = new Epoch(EPOCH, 0);
    const withPsk = pairKeys(initiator, responder.public, 'initiator', new Uint8Array(32).fill(0xdd));
    const own = {
      I: initiator.public,
      R: responder.public,
      k0: pair.k0,
      'tag(I→R)': pair.tag,
      k_h: pair.kH,
      k_c: pair.kC,
      kem_pk: made.kem.publicKey,
      HELLO: made.HELLO,
      E_s: made.inner.eS,
      kem_ct: made.inner.kemCiphertext,
      kem_ss: made.kemSecret,
      ck: made.ck,
      cookie: made.inner.cookie,
      CHALLENGE: made.CHALLENGE,
      E_c: made.ephemeral.public,
      k_open: openKey(made.ck),
      K_c2s: made.keys.c2s,
      K_s2c: made.keys.s2c,
      csid: made.keys.csid,
      OPEN: made.OPEN,
      'BLAKE2b-128(box2)': hash(128, made.OPEN.subarray(BOX2)),
      DATA,
      'OPEN again, counter 1': open(made.parts, 1, envelope(made.messages, 1073)),
      'request envelope': envelope(made.messages, 1073),
      'response envelope': envelope(readRecording([DATA], made.keys)[0] ?? [], 1192),
      'MORE, lane 0, id 2, parts 0 and 8 are there': encode([T.more, 0, 2, unhex('8080000000000000')]),
      k_ss: agree(initiator.secret, responder.public),
      k_es: agree(made.ephemeral.secret, responder.public),
      k_se: agree(initiator.secret, made.inner.eS),
      k_ee: agree(made.ephemeral.secret, made.inner.eS),
      sid: made.inner.sid,
      'H(HELLO)': hash(256, made.HELLO),
      'tag(R→I)': pairKeys(initiator, responder.public, 'responder').tag,
      'retry token': epoch.token(initiator.public),
      RETRY: retry(pair, made.HELLO, new Uint8Array(15).fill(0x9a), epoch.token(initiator.public)),
      'k0 with the psk': withPsk.k0,
      'tag(I→R) with the psk': withPsk.tag,
    };
    for (const [name, value] of Object.entries(own)) expect(value && hex(value), name).toBe(frozen[name]);
    const texts = Object.keys(frozen).filter((name) => name.endsWith(' as text'));
    expect([...Object.keys(own), ...texts].sort()).toEqual(Object.keys(frozen).sort());
  });

  it('is read by whoever has its keys', () => {
    const recorded = ['HELLO', 'CHALLENGE', 'OPEN', 'DATA'].map((name) => unhex(frozen[name] ?? ''));
    expect(readRecording(recorded, made.keys)).toEqual([
      made.messages,
      [[6, 0, 1, { time: '2026-11-22T12:00:00.000+00:00', uptime: 12345 }]],
    ]);
  });

  it('has keys as text', () => {
    expect(keyFromText(frozen['I as text'] ?? '', 'udp')).toEqual(initiator.public);
    expect(keyToText(initiator.public)).toBe(frozen['I as text']);
    expect(keyFromText(frozen['R as text'] ?? '', 'udp')).toEqual(responder.public);
    expect(keyFromText(frozen['secret key of I as text'] ?? '', 'udp-secret-key-')).toEqual(initiator.secret);
    expect(() => keyFromText(`${frozen['I as text']}q`, 'udp')).toThrow();
  });
});

const SENT = { address: '192.168.2.3', port: 9_999 };

/** Takes the datagrams before a case, and then its own; returns what it says of the last, and what it sends for it. */
function run<C extends Case>(
  { after, ...last }: C,
  byName: ReadonlyMap<string, C>,
  usual: typeof SENT,
  take: (datagram: Uint8Array, from: typeof SENT, now: number) => string,
): string {
  let now = 0;
  return [...after.map((name) => byName.get(name)), last]
    .map((one) => {
      const [address = usual.address, port = usual.port] = one?.from?.split(':') ?? [];
      now += 1000 * (one?.later ?? 1);
      return take(unhex(one?.datagram ?? ''), { address, port: Number(port) }, now);
    })
    .at(-1) as string;
}

function frozenCases<C extends Case>(file: string, about: string, made: readonly C[]) {
  const url = new URL(`../vectors/${file}`, import.meta.url);
  if (process.env['UPDATE_VECTORS'])
    writeFileSync(url, `${JSON.stringify({ about, cases: made }, null, 2)}\n`);
  const frozen: readonly C[] = read(file).cases;
  return { frozen, byName: new Map(frozen.map((one) => [one.name, one])) };
}

describe.each([
  ['conformance-1.json', cases()],
  ['conformance-initiator-1.json', initiatorCases()],
])('%s', (file, made) => {
  it('has the cases of the document, at least half of them refused', () => {
    const frozen: readonly Case[] = read(file).cases;
    expect(made).toEqual(frozen);
    expect(new Set(frozen.map(({ name }) => name)).size).toBe(frozen.length);
    expect(frozen.filter(({ refused }) => refused).length).toBeGreaterThan(frozen.length / 2);
  });
});

describe('to a responder', () => {
  const about = 'A responder in the state of Appendix A of PROTOCOL.md; see docs/conformance.md.';
  const { frozen, byName } = frozenCases('conformance-1.json', about, cases());

  it.each(frozen)('$name', (one) => {
    const receiver = workedResponder();
    let sent = 0;
    const result = run(one, byName, SOURCE, (datagram, from, now) => {
      sent = 0;
      return receiver.take(datagram, from, () => sent++, now);
    });
    expect(result).toBe(one.refused ?? 'ok');
    if (one.refused) expect(sent).toBe(0);
  });
});

describe('to an initiator', () => {
  const about =
    'An initiator in the state of Appendix A of PROTOCOL.md, after its HELLO; see docs/conformance.md.';
  const { frozen, byName } = frozenCases('conformance-initiator-1.json', about, initiatorCases());
  const reasons = new Set(frozen.map(({ refused }) => refused));

  it.each(frozen)('$name', (one) => {
    const peer = waitingInitiator();
    let before = 0;
    const result = run(one, byName, SENT, (datagram, { port }, now) => {
      before = peer.sent.length;
      return peer.take(datagram, port, now);
    });
    const sent = peer.sent.slice(before).map(hex);
    if (one.refused) expect([result, sent]).toEqual([one.refused, []]);
    else expect(reasons).not.toContain(result);
    if (one.answers) expect(sent).toEqual(one.answers);
  });
});
