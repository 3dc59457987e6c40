/**
 * Makes `test/vectors/conformance-1.json`: what a responder in the state of PROTOCOL.md's Appendix A takes, and what it
 * drops and why.
 */
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { hex, join, unhex } from './bytes.ts';
import { encode, type Value } from './cbor.ts';
import {
  chainKey,
  challengeFields,
  handshakeHeader,
  hello,
  NO_TOKEN,
  open,
  retry,
  sessionHeader,
  sessionKeys,
  TYPE,
} from './handshake.ts';
import { box, keyPair, pairKeys } from './keys.ts';
import { envelope, type Message, T } from './messages.ts';
import { Responder } from './responder.ts';

/** One byte, repeated, as Appendix A draws it. */
export const repeated = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte);

export const initiator = keyPair(repeated(0x11, 32));
export const responder = keyPair(repeated(0x22, 32));
export const pair = pairKeys(initiator, responder.public, 'initiator');
export const SOURCE = { address: '192.168.2.1', port: 50_000 };

export const EPOCH = {
  epochKey: repeated(0x55, 32),
  epochSecret: repeated(0x66, 32),
  firstSid: repeated(0x77, 8),
};

/** The responder of Appendix A, before any datagram. */
export function workedResponder(): Responder {
  return new Responder(
    responder,
    initiator.public,
    { time: () => ({ time: '2026-11-22T12:00:00.000+00:00', uptime: 12345 }) },
    undefined,
    {
      boot: repeated(0xaa, 6),
      ...EPOCH,
      kem: repeated(0x88, 32),
      rest: () => repeated(0x99, 15),
    },
  );
}

/** What `receiver` answers to `datagram`, which it must take. */
export function answered(receiver: Responder, datagram: Uint8Array): Uint8Array {
  const answers: Uint8Array[] = [];
  receiver.take(datagram, SOURCE, (answer) => answers.push(answer), 0);
  const [answer] = answers;
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

/** Everything that the initiator of Appendix A has after CHALLENGE. */
export function workedInitiator() {
  const kem = ml_kem768.keygen(repeated(0x33, 64));
  const HELLO = hello(pair, repeated(0x44, 15), NO_TOKEN, kem.publicKey);
  const CHALLENGE = answered(workedResponder(), HELLO);
  const inner = challengeFields(pair, CHALLENGE);
  if (!inner) throw new Error('no CHALLENGE');
  const kemSecret = ml_kem768.decapsulate(inner.kemCiphertext, kem.secretKey);
  const ck = chainKey(pair, HELLO, inner, kemSecret);
  const ephemeral = keyPair(repeated(0xbb, 32));
  const keys = sessionKeys(pair, 'initiator', initiator, ephemeral, inner.eS, ck, inner.sid);
  if (!keys) throw new Error('no keys');
  const parts = { keys, ck, cookie: inner.cookie, eC: ephemeral.public };
  const messages: Message[] = [
    [T.instance, repeated(0xcc, 8)],
    [T.request, 0, 1, inner.boot, 'time', []],
  ];
  const OPEN = open(parts, 0, envelope(messages, 1073));
  return { kem, HELLO, CHALLENGE, inner, kemSecret, ck, ephemeral, keys, parts, OPEN, messages };
}

export interface Case {
  readonly name: string;
  /** Names of the datagrams that the responder got before. */
  readonly after: readonly string[];
  readonly datagram: string;
  /** Seconds since the one before; 1 where it is absent. */
  readonly later?: number;
  /** Where it came from, if not from where they all come. */
  readonly from?: string;
  /** A reason of §11; absent where it is taken. */
  readonly refused?: string;
  /** Of OPEN and DATA: what the box holds, with its padding. */
  readonly envelope?: string;
}

export function cases(): readonly Case[] {
  const { HELLO, CHALLENGE, OPEN, keys, parts, messages, kem } = workedInitiator();
  const all: Case[] = [];
  const add = (
    name: string,
    datagram: Uint8Array,
    after: readonly string[],
    refused?: string,
    plain?: Uint8Array,
    more: Partial<Case> = {},
  ) =>
    all.push({
      name,
      after,
      datagram: hex(datagram),
      ...(refused && { refused }),
      ...(plain && { envelope: hex(plain) }),
      ...more,
    });
  const flip = (bytes: Uint8Array, at: number): Uint8Array =>
    bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const data = (counter: number, plain: Uint8Array): Uint8Array => {
    const header = sessionHeader(TYPE.data, keys.sid, counter);
    return join(header, box(keys.c2s, header, plain));
  };
  const ping = envelope([[T.ping, 1]], 1192);
  const live: readonly string[] = ['HELLO', 'OPEN'];
  const fresh: readonly string[] = [];

  add('HELLO', HELLO, fresh);
  add('HELLO again: the same CHALLENGE', HELLO, ['HELLO']);
  add('OPEN', OPEN, ['HELLO'], undefined, envelope(messages, 1073));
  add('OPEN again with the next counter: handled as DATA', open(parts, 1, envelope(messages, 1073)), live);
  add('DATA', data(2, ping), live, undefined, ping);
  add('DATA far ahead', data(3000, ping), live, undefined, ping);
  add('DATA 2016 behind', data(3000 - 2016, ping), [...live, 'DATA far ahead'], undefined, ping);
  add('DATA with the highest counter', data(2 ** 48 - 1, ping), live, undefined, ping);
  add('CLOSE', data(1, envelope([[T.close]], 1192)), live);

  add('a single zero byte', Uint8Array.of(0), fresh, 'too-short');
  add('no envelope', data(1, new Uint8Array()), live, 'too-short');
  add('longer than a datagram', join(HELLO, [0]), fresh, 'too-long');
  add('longer than a datagram of streams', join([5], new Uint8Array(16_384)), fresh, 'too-long');
  add('type 0', flip(HELLO, 0), fresh, 'unknown-type');
  add('type 6', join([6], new Uint8Array(99)), fresh, 'unknown-type');
  add('a HELLO that is cut', HELLO.subarray(0, 1231), fresh, 'bad-length');
  add(
    'a RETRY that is longer',
    join(retry(pair, HELLO, repeated(0x9a, 15), NO_TOKEN), [0]),
    fresh,
    'bad-length',
  );
  add('an OPEN without envelope', OPEN.subarray(0, 159), ['HELLO'], 'bad-length');
  add('a reserved byte of DATA', flip(data(1, ping), 9), live, 'bad-header');
  add('a reserved byte of OPEN', flip(OPEN, 15), ['HELLO'], 'bad-header');
  add('counter 2^48', data(2 ** 48, ping), live, 'bad-header');
  add('a HELLO of a stranger', flip(HELLO, 1), fresh, 'unknown-tag');
  add('a CHALLENGE that answers nothing', CHALLENGE, fresh, 'unknown-hello');
  add(
    'a RETRY that answers nothing',
    retry(pair, HELLO, repeated(0x9a, 15), NO_TOKEN),
    fresh,
    'unknown-hello',
  );
  add('DATA before OPEN', data(1, ping), ['HELLO'], 'unknown-session');
  add('DATA after CLOSE', data(2, ping), [...live, 'CLOSE'], 'unknown-session');
  const timed = workedResponder();
  answered(timed, HELLO);
  add('its own DATA, reflected', answered(timed, OPEN), live, 'unknown-session');
  for (const at of [9, 24, 1231]) add(`a bit of HELLO, byte ${at}`, flip(HELLO, at), fresh, 'bad-box');
  for (const at of [79, 142, 143, OPEN.length - 1])
    add(`a bit of OPEN, byte ${at}`, flip(OPEN, at), ['HELLO'], 'bad-box');
  for (const at of [24, 40, 103]) add(`a bit of DATA, byte ${at}`, flip(data(1, ping), at), live, 'bad-box');
  add(
    'a HELLO sealed as a CHALLENGE is',
    hello({ ...pair, kH: pair.kC }, repeated(0x44, 15), NO_TOKEN, kem.publicKey),
    fresh,
    'bad-box',
  );
  const wrong = open({ ...parts, keys: { ...keys, c2s: keys.s2c } }, 0, envelope(messages, 1073));
  add('box1 is right, box2 under another key', wrong, ['HELLO'], 'bad-box');
  add(
    'OPEN after that: the sid is consumed',
    OPEN,
    ['HELLO', 'box1 is right, box2 under another key'],
    'consumed',
  );
  add('OPEN after CLOSE', OPEN, [...live, 'CLOSE'], 'consumed');
  add('OPEN, replayed', OPEN, live, 'replayed');
  add('DATA, replayed', data(2, ping), [...live, 'DATA'], 'replayed');
  add('DATA 2017 behind', data(3000 - 2017, ping), [...live, 'DATA far ahead'], 'replayed');
  add('a bit of the cookie', flip(OPEN, 24), ['HELLO'], 'bad-cookie');
  add('an OPEN with another sid', flip(OPEN, 1), ['HELLO'], 'bad-cookie');
  add(
    'a KEM key that is not reduced',
    hello(pair, repeated(0x44, 15), NO_TOKEN, repeated(0xff, 1184)),
    fresh,
    'bad-key',
  );
  add(
    'E_c of low order',
    open({ ...parts, eC: new Uint8Array(32) }, 0, envelope(messages, 1073)),
    ['HELLO'],
    'bad-key',
  );
  add('an OPEN without INSTANCE', open(parts, 0, ping), ['HELLO'], 'bad-envelope', ping);

  const header = handshakeHeader(TYPE.hello, pair.tag, repeated(0x44, 15));
  const text = join(header, box(pair.kH, header, encode('x'.repeat(1189))));
  add('a HELLO that holds text', text, fresh, 'bad-box');
  add('HELLO from port 0', HELLO, fresh, 'bad-source', undefined, { from: '192.168.2.1:0' });
  add('OPEN from elsewhere', OPEN, ['HELLO'], undefined, undefined, { from: '192.168.2.9:50000' });
  add('OPEN 119 s later', OPEN, ['HELLO'], undefined, undefined, { later: 119 });
  add('OPEN 121 s later: the epoch is over', OPEN, ['HELLO'], 'bad-cookie', undefined, { later: 121 });
  add('DATA 14 min 59 s later', data(1, ping), live, undefined, undefined, { later: 899 });
  add('DATA 15 min 1 s later', data(1, ping), live, 'expired', undefined, { later: 901 });
  const hours = Array.from({ length: 8 }, (_, i) => `DATA ${(i + 1) * 890} s after OPEN`);
  for (const [i, name] of hours.entries())
    add(name, data(i + 1, ping), [...live, ...hours.slice(0, i)], undefined, undefined, { later: 890 });
  add('DATA 10 s before 2 h', data(9, ping), [...live, ...hours], undefined, undefined, { later: 70 });
  add('DATA 10 s after 2 h', data(9, ping), [...live, ...hours], 'expired', undefined, { later: 90 });

  let counter = 10;
  const inDatagram = (name: string, body: Uint8Array, refused?: string): void => {
    const plain = join(body, [0x80]);
    add(name, data(counter++, plain), live, refused, plain);
  };
  const good = (name: string, ...some: Message[]): void => inDatagram(name, encode(some));
  const bad = (name: string, body: Uint8Array | readonly Value[]): void =>
    inDatagram(name, body instanceof Uint8Array ? body : encode(body), 'bad-envelope');
  const deep = (levels: number): Value => (levels === 0 ? 1 : [deep(levels - 1)]);
  const request = (...args: Value[]): Value[] => [T.request, 0, 9, repeated(0xaa, 6), 'nothing', args];

  good('no messages');
  good('255 messages', ...Array.from({ length: 255 }, (): Message => [T.stop, 7]));
  good('8 levels', request(deep(5)));
  inDatagram('a float for an integer', unhex('818200fb4014000000000000'));
  good('a message that only the other side sends', [T.pathChallenge, repeated(1, 8)]);
  good('undefined, null, booleans, floats as arguments', request(undefined, null, true, 0.5));
  bad(
    '256 messages',
    Array.from({ length: 256 }, () => [T.stop, 7]),
  );
  bad('no array', unhex('a0'));
  bad('two items', unhex('8080'));
  bad('cut short', unhex('8182'));
  bad('9 levels', [request(deep(6))]);
  bad('an array of indefinite length', unhex('9f820001ff'));
  bad('an integer not in its shortest form', unhex('8182001801'));
  bad('a length not in its shortest form', unhex('981801820001'));
  bad(
    'an integer of 2^53',
    [request()]
      .map(([a]) => a ?? null)
      .slice(1)
      .concat([[T.ping, 2 ** 53]]),
  );
  bad('a tag', unhex('81c1820001'));
  bad('simple value 16', unhex('818200f0'));
  const argument = (item: string): Uint8Array => {
    const whole = encode([request(0)]);
    return join(whole.subarray(0, -1), unhex(item));
  };
  bad('text that is no UTF-8', argument('61ff'));
  bad('text with a byte order mark', argument('63efbbbf'));
  bad('a key twice', argument('a2616101616102'));
  bad('a key that is no text', argument('a10101'));
  bad('the key __proto__', argument('a1695f5f70726f746f5f5f01'));
  bad('type 19', [[19]]);
  bad('a message that is no array', [0]);
  bad('one item too many', [[T.ping, 1, 1]]);
  bad('one item too few', [[T.ping]]);
  bad('a negative number', [[T.ping, -1]]);
  bad('a number of 2^32', [[T.ping, 2 ** 32]]);
  bad('a float that is no integer', [[T.ping, 0.5]]);
  bad('lane 256', [[T.pending, 256, 1]]);
  bad('id 0', [[T.pending, 0, 0]]);
  bad('a boot id of 5 bytes', [[T.request, 0, 9, repeated(0xaa, 5), 'nothing', []]]);
  bad('a command in capitals', [[T.request, 0, 9, repeated(0xaa, 6), 'Time', []]]);
  bad('a command of 65 characters', [[T.request, 0, 9, repeated(0xaa, 6), 'a'.repeat(65), []]]);
  bad('arguments in a map', [[T.request, 0, 9, repeated(0xaa, 6), 'nothing', {}]]);
  bad('text of an error of 513 bytes', [[T.error, 0, 9, 'busy', 'x'.repeat(513)]]);
  bad('have of 7 bytes', [[T.more, 0, 9, repeated(0, 7)]]);
  bad('a subject of 17 items', [[T.ask, 0, ['x', ...Array(16).fill(0)]]]);
  bad('a subject that does not begin with text', [[T.ask, 0, [1]]]);
  bad('a STREAM of no bytes', [[T.stream, 0, 0, new Uint8Array()]]);
  bad('an ACK of 65 runs', [[T.ack, 500, 0, Array(65).fill(0)]]);
  bad('an ACK of an even number of runs', [[T.ack, 500, 0, [0, 0]]]);
  bad('one good message and one bad', [[T.ping, 1], [19]]);
  const piece = repeated(1, 1152);
  bad('a PART of one', [[T.part, 0, 9, 0, 1, piece]]);
  bad('a PART of 58', [[T.part, 0, 9, 0, 58, piece]]);
  bad('a PART behind the last', [[T.part, 0, 9, 2, 2, piece]]);
  bad('a short PART before the last', [[T.part, 0, 9, 0, 2, repeated(1, 1151)]]);
  bad('a last PART of no bytes', [[T.part, 0, 9, 1, 2, new Uint8Array()]]);
  bad('a RELAY of 1233 bytes', [[T.relay, 0, repeated(1, 1233)]]);
  bad('an ACK of counter 2^48', [[T.ack, 2 ** 48, 0, [0]]]);
  bad('an ACK of 600.000001 s', [[T.ack, 0, 600_000_001, [0]]]);
  bad('a code in capitals', [[T.reset, 0, 'Busy']]);
  good('a LAST of no bytes', [T.last, 0, 0, new Uint8Array()]);
  const unpadded = encode([[T.ping, 1]]);
  add('an envelope without its 0x80', data(counter++, unpadded), live, 'bad-envelope', unpadded);
  const other = join(encode([[T.ping, 1]]), [0x80, 0, 1]);
  add('padding that is not zero', data(counter++, other), live, 'bad-envelope', other);
  return all;
}
