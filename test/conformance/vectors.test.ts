/** The worked example and the frozen cases, by the second implementation; the cases also by the real one (conformance.test.ts). */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hex, unhex } from './bytes.ts';
import { openKey } from './handshake.ts';
import { keyFromText } from './keys.ts';
import { readRecording } from './recording.ts';
import {
  answered,
  type Case,
  cases,
  initiator,
  pair,
  responder,
  SOURCE,
  workedInitiator,
  workedResponder,
} from './vectors.ts';

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'));
const FILE = new URL('../vectors/conformance-1.json', import.meta.url);

describe('the worked example of Appendix A', () => {
  const frozen: Record<string, string> = read('protocol-1.json');
  const made = workedInitiator();

  it('comes out, value for value', () => {
    const receiver = workedResponder();
    answered(receiver, made.HELLO);
    const DATA = answered(receiver, made.OPEN);
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
      DATA,
    };
    for (const [name, value] of Object.entries(own)) expect(hex(value), name).toBe(frozen[name]);
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
    expect(keyFromText(frozen['secret key of I as text'] ?? '', 'udp-secret-key-')).toEqual(initiator.secret);
    expect(() => keyFromText(`${frozen['I as text']}q`, 'udp')).toThrow();
  });
});

describe('the frozen cases', () => {
  if (process.env['UPDATE_VECTORS']) {
    const about = 'A responder in the state of Appendix A of PROTOCOL.md; see docs/conformance.md.';
    writeFileSync(FILE, `${JSON.stringify({ about, cases: cases() }, null, 2)}\n`);
  }
  const frozen: readonly Case[] = read('conformance-1.json').cases;
  const byName = new Map(frozen.map((one) => [one.name, one]));

  it('are those of the document, at least half of them refused', () => {
    expect(cases()).toEqual(frozen);
    expect(byName.size).toBe(frozen.length);
    expect(frozen.filter(({ refused }) => refused).length).toBeGreaterThan(frozen.length / 2);
  });

  it.each(frozen)('$name', ({ datagram, after, refused }) => {
    const receiver = workedResponder();
    let [sent, now] = [0, 0];
    const take = (text: string): string => receiver.take(unhex(text), SOURCE, () => sent++, (now += 1000));
    for (const name of after) take(byName.get(name)?.datagram ?? '');
    sent = 0;
    expect(take(datagram)).toBe(refused ?? 'ok');
    if (refused) expect(sent).toBe(0);
  });
});
