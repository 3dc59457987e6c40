/** The second implementation against itself, with a clock of its own: what takes minutes, or depends on the order of datagrams. */
import { readdir, readFile } from 'node:fs/promises';
import { join as path } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hex } from './bytes.ts';
import { NO_TOKEN, retry, retryToken, TYPE } from './handshake.ts';
import { Initiator } from './initiator.ts';
import { type KeyPair, keyPair } from './keys.ts';
import { type Message, T } from './messages.ts';
import { Responder } from './responder.ts';

const MINUTE_MS = 60_000;
const HOME = { address: '192.168.2.1', port: 50_000 };
const ELSEWHERE = { address: '192.168.2.9', port: 50_000 };

const keys = (byte: number): KeyPair => keyPair(new Uint8Array(32).fill(byte));

/** An initiator and a responder, joined by function calls. */
function joined(burst?: number) {
  const own = keys(0x11);
  const responder = new Responder(keys(0x22), own.public, {}, undefined, undefined, burst);
  const initiator = new Initiator({ own, peer: keys(0x22).public, port: 0 });
  const lab = {
    responder,
    initiator,
    now: 0,
    /** What it makes of the newest datagram of the initiator, or of that one, and what it answers. */
    give(datagram: Uint8Array = initiator.sent.at(-1) ?? new Uint8Array(), from = HOME) {
      const answers: Uint8Array[] = [];
      const result = responder.take(datagram, from, (answer) => answers.push(answer), lab.now);
      return { result, answers };
    },
    take: (datagram: Uint8Array = new Uint8Array()): string => initiator.take(datagram, 9_999, lab.now),
    hello(): void {
      initiator.begin((say) => say([T.ping, 1]));
    },
    /** A session that both know. */
    begin(): void {
      lab.hello();
      lab.take(lab.give().answers[0]);
      expect(lab.take(lab.give().answers[0])).toBe(`${T.pong}`);
    },
  };
  return lab;
}

describe('an epoch', () => {
  it.each([
    ['119 s after it began', 119_000, 'ok'],
    ['120 s after', 120_000, 'bad-cookie'],
  ])('takes an OPEN, or does not: %s', (_, now, result) => {
    const lab = joined();
    lab.hello();
    lab.take(lab.give().answers[0]);
    lab.now = now;
    expect(lab.give().result).toBe(result);
  });

  it('is replaced after 60 s, and its secrets are wiped after 120 s', () => {
    const lab = joined();
    lab.begin();
    lab.now = MINUTE_MS;
    lab.begin();
    const [first, second] = lab.responder.epochs;
    if (!first || !second) throw new Error('no two epochs');
    expect(hex(first.token(keys(0x11).public))).not.toBe(hex(second.token(keys(0x11).public)));
    lab.responder.expire(2 * MINUTE_MS);
    expect(lab.responder.epochs).toEqual([second]);
    for (const secret of [first.key, first.ephemeral.secret]) expect(new Set(secret)).toEqual(new Set([0]));
    lab.responder.expire(3 * MINUTE_MS);
    expect(lab.responder.epochs).toEqual([]);
  });
});

describe('RETRY', () => {
  it('is followed where the HELLO had no token; where it had one, only if that was sent more than once', () => {
    const lab = joined(0);
    lab.hello();
    const [first] = lab.initiator.sent;
    const { answers } = lab.give();
    expect(lab.take(answers[0])).toBe('retry');
    expect(lab.take(answers[0])).toBe('unknown-hello');
    const [, second] = lab.initiator.sent;
    expect([first?.length, second?.length, lab.initiator.sent.length]).toEqual([1232, 1232, 2]);
    const again = retry(
      lab.responder.pair,
      second as Uint8Array,
      new Uint8Array(15),
      Uint8Array.of(1, 2, 3, 4, 5),
    );
    expect(lab.take(again)).toBe('retry ignored');
    expect(lab.initiator.sent).toHaveLength(2);
    expect(lab.give().answers[0]?.[0]).toBe(TYPE.challenge);
  });

  it('has the token of the epoch that issues: that of an earlier one gets another RETRY', () => {
    const lab = joined(0);
    lab.hello();
    const early = lab.give().answers[0] as Uint8Array;
    expect(lab.take(early)).toBe('retry');
    lab.now = MINUTE_MS;
    const late = lab.give().answers[0] as Uint8Array;
    expect(late[0]).toBe(TYPE.retry);
    const tokens = [early, late].map((one) => hex(retryToken(lab.responder.pair, one) ?? NO_TOKEN));
    expect(new Set(tokens).size).toBe(2);
  });

  it('is for the 17th HELLO at once; a token draws on a bucket of 16 more', () => {
    const lab = joined();
    const kinds = Array.from({ length: 17 }, () => {
      lab.hello();
      return lab.give().answers[0]?.[0];
    });
    expect(kinds).toEqual([...Array(16).fill(TYPE.challenge), TYPE.retry]);
    lab.hello();
    const retried = lab.give().answers[0] as Uint8Array;
    const results = Array.from({ length: 17 }, () => {
      lab.hello();
      lab.take(lab.give().answers[0]);
      return lab.give().result;
    });
    expect(retried[0]).toBe(TYPE.retry);
    expect(results).toEqual([...Array(16).fill('ok'), 'rate-limited']);
  });
});

describe('a path', () => {
  const many = (lab: ReturnType<typeof joined>): Message[] =>
    Array.from({ length: 20 }, (_, i): Message => [T.ping, lab.now + i]);

  it('is validated by the cookie, but not once its CHALLENGE went to a second address', () => {
    const proved = joined();
    proved.hello();
    proved.take(proved.give().answers[0]);
    expect(proved.give().answers).toHaveLength(1);

    const copied = joined();
    copied.hello();
    copied.take(copied.give().answers[0]);
    const [hello] = copied.initiator.sent;
    expect(copied.give(hello, ELSEWHERE).answers[0]?.[0]).toBe(TYPE.challenge);
    const { answers } = copied.give();
    expect(copied.take(answers[0])).toBe(`${T.pathChallenge}`);
    expect(copied.give().result).toBe('ok');
    copied.now = 1_000;
    copied.initiator.say([T.ping, 2]);
    expect(copied.give().answers).toHaveLength(1);
  });

  it('that is new gets three times the bytes that came from it, and one challenge in 500 ms', () => {
    const lab = joined();
    lab.begin();
    lab.initiator.say(...many(lab));
    const [moved] = lab.initiator.sent.slice(-1);
    const { answers } = lab.give(moved, ELSEWHERE);
    const bytes = answers.reduce((sum, { length }) => sum + length, 0);
    expect(answers.length).toBeGreaterThan(1);
    expect(answers.length).toBeLessThan(21);
    expect(bytes).toBeLessThanOrEqual(3 * (moved?.length ?? 0));
    expect(lab.take(answers[0])).toBe(`${T.pathChallenge}`);
    const response = lab.initiator.sent.at(-1);

    lab.initiator.say([T.ping, 3]);
    expect(lab.give(undefined, ELSEWHERE).answers.map((answer) => lab.take(answer))).toEqual([`${T.pong}`]);
    lab.now = 500;
    lab.initiator.say([T.ping, 4]);
    const again = lab.give(undefined, ELSEWHERE).answers.map((answer) => lab.take(answer));
    expect(again).toEqual([`${T.pathChallenge}`, `${T.pong}`]);
    // From another address it proves nothing; from there it does.
    lab.give(response, ELSEWHERE);
    lab.initiator.say(...many(lab));
    expect(lab.give(undefined, ELSEWHERE).answers).toHaveLength(20);
  });

  it('is not moved by what comes late', () => {
    const lab = joined();
    lab.begin();
    lab.initiator.say([T.ping, 1]);
    const late = lab.initiator.sent.at(-1);
    lab.initiator.say([T.ping, 2]);
    lab.give();
    expect(lab.give(late, ELSEWHERE).answers.map((answer) => lab.take(answer))).toEqual([`${T.pong}`]);
  });
});

describe('a session', () => {
  it('that was replaced receives for 10 s', () => {
    const lab = joined();
    lab.begin();
    const old = lab.initiator.session;
    lab.begin();
    expect(lab.initiator.session).not.toBe(old);
    const pong = (): string => lab.take(lab.give(old.data([[T.ping, 9]])).answers[0]);
    lab.now = 9_999;
    expect(pong()).toBe(`${T.pong}`);
    lab.now = 10_000;
    expect(pong()).toBe('expired');
  });

  it('is over at its responder after 15 min without a datagram', () => {
    const lab = joined();
    lab.begin();
    for (const after of [14 * MINUTE_MS, 15 * MINUTE_MS]) {
      lab.now += after;
      const result = lab.give(lab.initiator.session.data([[T.ping, 1]])).result;
      expect(result).toBe(after < 15 * MINUTE_MS ? 'ok' : 'expired');
    }
  });

  it('is over after 2 h, whatever came', () => {
    const lab = joined();
    lab.begin();
    const ping = (): string => lab.give(lab.initiator.session.data([[T.ping, 1]])).result;
    for (lab.now = 10 * MINUTE_MS; lab.now < 120 * MINUTE_MS; lab.now += 10 * MINUTE_MS)
      expect(ping()).toBe('ok');
    lab.now -= 1;
    expect(ping()).toBe('ok');
    lab.now += 1;
    expect(ping()).toBe('expired');
  });

  it('makes room for the 65th of its peer by going, if it is the idlest', () => {
    const lab = joined();
    const sessions = Array.from({ length: 65 }, (_, i) => {
      lab.now = i * 1_000;
      lab.begin();
      return lab.initiator.session;
    });
    expect(sessions.slice(0, 2).map((session) => lab.give(session.data([[T.ping, 1]])).result)).toEqual([
      'unknown-session',
      'ok',
    ]);
  });
});

it('imports nothing of src/, and neither libsodium nor cbor-x', async () => {
  const files = (await readdir(import.meta.dirname)).filter((name) => name.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(8);
  for (const name of files) {
    const text = await readFile(path(import.meta.dirname, name), 'utf8');
    for (const [, from = ''] of text.matchAll(/^(?:import|\}).* from '(.+)';$/gm))
      expect(from).toMatch(/^(node:[a-z/_]+|@noble\/.+|vitest|fast-check|\.\/[a-z-]+\.ts)$/);
  }
});
