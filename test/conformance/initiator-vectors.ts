/**
 * Makes `test/vectors/conformance-initiator-1.json`: what an initiator in the state of PROTOCOL.md's Appendix A takes,
 * what it sends for it at once, and what it drops and why. It has sent HELLO, and its request waits.
 */
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { hex, join } from './bytes.ts';
import { encode, type Value } from './cbor.ts';
import { Epoch } from './epoch.ts';
import {
  answerTo,
  type ChallengeFields,
  chainKey,
  challenge,
  challengeFields,
  handshakeHeader,
  hello,
  open,
  retry,
  sessionHeader,
  sessionKeys,
  TYPE,
} from './handshake.ts';
import { Initiator } from './initiator.ts';
import { box, keyPair, pairKeys } from './keys.ts';
import { envelope, type Message, T } from './messages.ts';
import {
  answered,
  type Case,
  EPOCH,
  initiator,
  pair,
  repeated,
  responder,
  workedInitiator,
  workedResponder,
} from './vectors.ts';

export interface InitiatorCase extends Case {
  /** The datagrams that it sends for it at once; absent where that is its own choice. */
  readonly answers?: readonly string[];
}

/** The initiator of Appendix A, which has sent its HELLO; it draws the same again for each further one. */
export function waitingInitiator(): Initiator {
  const peer = new Initiator({
    own: initiator,
    peer: responder.public,
    port: 9_999,
    drawn: {
      instance: repeated(0xcc, 8),
      kem: () => repeated(0x33, 64),
      rest: () => repeated(0x44, 15),
      ephemeral: () => repeated(0xbb, 32),
    },
  });
  peer.begin((say) => say([T.request, 0, 1, peer.boot, 'time', []]));
  return peer;
}

const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

/** The OPEN that answers a CHALLENGE with those fields to that HELLO. */
function openFor(
  sent: Uint8Array,
  kemSecret: Uint8Array,
  inner: ChallengeFields,
  messages: readonly Message[],
) {
  const shared = ml_kem768.decapsulate(inner.kemCiphertext, kemSecret);
  const ck = chainKey(pair, sent, inner, shared);
  const ephemeral = keyPair(repeated(0xbb, 32));
  const keys = sessionKeys(pair, 'initiator', initiator, ephemeral, inner.eS, ck, inner.sid);
  if (keys === undefined) throw new Error('no keys');
  return open({ keys, ck, cookie: inner.cookie, eC: ephemeral.public }, 0, envelope(messages, 1073));
}

export function initiatorCases(): readonly InitiatorCase[] {
  const { HELLO, CHALLENGE, OPEN, inner, keys, messages, kem } = workedInitiator();
  const token = new Epoch(EPOCH, 0).token(initiator.public);
  const rest = repeated(0x9a, 15);
  const RETRY = retry(pair, HELLO, rest, token);
  const HELLO2 = hello(pair, repeated(0x44, 15), token, kem.publicKey);
  const CHALLENGE2 = answered(workedResponder(), HELLO2);
  const inner2 = challengeFields(pair, CHALLENGE2);
  if (!inner2) throw new Error('no CHALLENGE');

  const all: InitiatorCase[] = [];
  const add = (
    name: string,
    datagram: Uint8Array,
    after: readonly string[],
    more: Partial<InitiatorCase> = {},
  ): void => {
    all.push({ name, after, datagram: hex(datagram), ...more });
  };
  const taken = (
    name: string,
    datagram: Uint8Array,
    after: readonly string[],
    ...answers: Uint8Array[]
  ): void => {
    all.push({ name, after, datagram: hex(datagram), answers: answers.map(hex) });
  };
  const refused = (name: string, datagram: Uint8Array, after: readonly string[], reason: string): void =>
    add(name, datagram, after, { refused: reason });
  const sealed = (counter: number, plain: Uint8Array): Uint8Array => {
    const header = sessionHeader(TYPE.data, keys.csid, counter);
    return join(header, box(keys.s2c, header, plain));
  };
  const data = (counter: number, ...some: Message[]): Uint8Array => sealed(counter, envelope(some, 1192));
  const toResponder = (counter: number, ...some: Message[]): Uint8Array => {
    const header = sessionHeader(TYPE.data, keys.sid, counter);
    return join(header, box(keys.c2s, header, envelope(some, 1192)));
  };
  const fresh: readonly string[] = [];
  const live: readonly string[] = ['CHALLENGE'];
  const path = repeated(0x12, 8);

  taken('CHALLENGE', CHALLENGE, fresh, OPEN);
  taken('RETRY', RETRY, fresh, HELLO2);
  taken(
    'CHALLENGE to the HELLO with the token',
    CHALLENGE2,
    ['RETRY'],
    openFor(HELLO2, kem.secretKey, inner2, messages),
  );
  const wrong = { ...inner, kemCiphertext: flip(inner.kemCiphertext, 0) };
  taken(
    'CHALLENGE with another KEM ciphertext: implicit rejection',
    challenge(pair, HELLO, repeated(0x99, 15), wrong),
    fresh,
    openFor(HELLO, kem.secretKey, wrong, messages),
  );
  taken('DATA', data(0, [T.response, 0, 1, 7]), live);
  taken('PING', data(1, [T.ping, 5]), live, toResponder(1, [T.pong, 5]));
  taken('PATH_CHALLENGE', data(1, [T.pathChallenge, path]), live, toResponder(1, [T.pathResponse, path]));
  taken('DATA far ahead', data(3000, [T.pong, 1]), live);
  taken('DATA 2016 behind', data(3000 - 2016, [T.pong, 1]), [...live, 'DATA far ahead']);
  taken('DATA with the highest counter', data(2 ** 48 - 1, [T.pong, 1]), live);
  taken('an answer to nothing', data(1, [T.response, 3, 77, 1]), live);
  taken('what only an initiator sends', data(1, [T.pathResponse, path], [T.instance, path]), live);
  taken('a part of an answer', data(1, [T.part, 0, 1, 1, 2, path]), live);
  taken('no messages', data(1), live);
  add('CLOSE', data(1, [T.close], [T.ping, 1]), live);
  add('DATA 13 min 59 s later', data(2, [T.pong, 1]), live, { later: 839, answers: [] });

  add('CHALLENGE from port 0', CHALLENGE, fresh, { refused: 'bad-source', from: '192.168.2.3:0' });
  refused('a single zero byte', Uint8Array.of(0), fresh, 'too-short');
  refused('a RETRY that is cut', RETRY.subarray(0, 40), fresh, 'too-short');
  refused('a RETRY that lacks a byte', RETRY.subarray(0, 45), fresh, 'bad-length');
  refused('a CHALLENGE that lacks a byte', CHALLENGE.subarray(0, 1231), fresh, 'bad-length');
  refused('a CHALLENGE that is longer', join(CHALLENGE, [0]), fresh, 'too-long');
  refused('a CHALLENGE as RETRY', join([TYPE.retry], CHALLENGE.subarray(1)), fresh, 'bad-length');
  refused('type 6', join([6], CHALLENGE.subarray(1)), fresh, 'unknown-type');
  refused('its own HELLO, reflected', HELLO, fresh, 'unknown-tag');
  refused('its own OPEN, reflected', OPEN, live, 'bad-cookie');
  refused('an OPEN with its id', join([TYPE.open], keys.csid, OPEN.subarray(9)), live, 'unknown-session');
  refused('a CHALLENGE to another HELLO', CHALLENGE2, fresh, 'unknown-hello');
  refused('a RETRY to another HELLO', retry(pair, HELLO2, rest, token), fresh, 'unknown-hello');
  refused('RETRY again', RETRY, ['RETRY'], 'unknown-hello');
  refused('CHALLENGE to the HELLO that RETRY replaced', CHALLENGE, ['RETRY'], 'unknown-hello');
  refused('CHALLENGE again', CHALLENGE, live, 'unknown-hello');
  refused('RETRY after CHALLENGE', RETRY, live, 'unknown-hello');
  for (const at of [9, 24, 40, 1231])
    refused(`a bit of CHALLENGE, byte ${at}`, flip(CHALLENGE, at), fresh, 'bad-box');
  for (const at of [9, 24, 45]) refused(`a bit of RETRY, byte ${at}`, flip(RETRY, at), fresh, 'bad-box');
  const swapped = pairKeys(responder, initiator.public, 'initiator');
  for (const [how, other] of [
    ['the other direction', swapped],
    ['HELLO', { ...pair, kC: pair.kH }],
  ] as const) {
    refused(`a CHALLENGE under the key of ${how}`, challenge(other, HELLO, rest, inner), fresh, 'bad-box');
    refused(`a RETRY under the key of ${how}`, retry(other, HELLO, rest, token), fresh, 'bad-box');
  }
  const lowOrder = challenge(pair, HELLO, rest, { ...inner, eS: new Uint8Array(32) });
  refused('a CHALLENGE with E_s of low order', lowOrder, fresh, 'bad-key');
  for (const [name, type, length] of [
    ['RETRY', TYPE.retry, 5],
    ['CHALLENGE', TYPE.challenge, 1189],
  ] as const) {
    const header = handshakeHeader(type, answerTo(HELLO), rest);
    const text = join(header, box(pair.kC, header, encode('x'.repeat(length))));
    refused(`a ${name} that holds text`, text, fresh, 'bad-box');
  }
  const ignored = retry(pair, HELLO2, rest, repeated(1, 5));
  taken('RETRY to the HELLO with the token, which was sent once: ignored', ignored, ['RETRY']);
  taken('CHALLENGE after one with E_s of low order', CHALLENGE, ['a CHALLENGE with E_s of low order'], OPEN);
  taken('CHALLENGE after one that was changed', CHALLENGE, ['a bit of CHALLENGE, byte 1231'], OPEN);
  taken('RETRY after one that was changed', RETRY, ['a bit of RETRY, byte 45'], HELLO2);

  refused('DATA before CHALLENGE', data(0, [T.ping, 1]), fresh, 'unknown-session');
  refused('DATA after CLOSE', data(2, [T.ping, 1]), [...live, 'CLOSE'], 'unknown-session');
  refused('its own DATA, reflected', toResponder(1, [T.ping, 1]), live, 'unknown-session');
  const own = sessionHeader(TYPE.data, keys.csid, 1);
  const reflected = join(own, box(keys.c2s, own, envelope([[T.ping, 1]], 1192)));
  refused('its own DATA, under its id', reflected, live, 'bad-box');
  refused('DATA, replayed', data(0, [T.response, 0, 1, 7]), [...live, 'DATA'], 'replayed');
  refused('DATA 2017 behind', data(3000 - 2017, [T.pong, 1]), [...live, 'DATA far ahead'], 'replayed');
  refused('a reserved byte of DATA', flip(data(1, [T.ping, 1]), 15), live, 'bad-header');
  refused('counter 2^48', data(2 ** 48, [T.ping, 1]), live, 'bad-header');
  for (const at of [23, 24, 40, 103])
    refused(`a bit of DATA, byte ${at}`, flip(data(1, [T.ping, 1]), at), live, 'bad-box');
  refused('no envelope', sealed(1, new Uint8Array()), live, 'too-short');
  const bad = (name: string, ...some: Value[]): void =>
    refused(name, sealed(1, join(encode(some), [0x80])), live, 'bad-envelope');
  bad('a RESPONSE of lane 256', [T.response, 256, 1, 7]);
  bad('a PART of one', [T.part, 0, 1, 0, 1, path]);
  bad('a PATH_CHALLENGE of 7 bytes', [T.pathChallenge, path.subarray(1)]);
  bad('an ERROR with a code in capitals', [T.error, 0, 1, 'Busy', '']);
  bad('PING, and something that is no message', [T.ping, 1], 'no message');
  const unpadded = encode([[T.ping, 1]]);
  refused('an envelope without its 0x80', sealed(1, unpadded), live, 'bad-envelope');
  add('DATA 14 min 1 s later', data(2, [T.pong, 1]), live, { refused: 'expired', later: 841 });
  return all;
}
