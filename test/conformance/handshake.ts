/** HELLO, RETRY, CHALLENGE, OPEN: PROTOCOL.md §4 and §5.1. */
import { bigEndian, fields, join, same } from './bytes.ts';
import { decode, encode } from './cbor.ts';
import { agree, box, hash, type KeyPair, type PairKeys, twoKeys, unbox } from './keys.ts';

export const TYPE = { hello: 1, retry: 2, challenge: 3, open: 4, data: 5 } as const;
export const HEADER = 24;
export const FULL = 1232;
/** Where box2 of an OPEN begins. */
export const BOX2 = 143;

/** Of HELLO, RETRY and CHALLENGE. */
export const handshakeHeader = (type: number, receiver: Uint8Array, rest: Uint8Array): Uint8Array =>
  join([type], receiver, rest);
export const sessionHeader = (type: number, receiver: Uint8Array, counter: number): Uint8Array =>
  join([type], receiver, new Uint8Array(7), bigEndian(counter, 8));

/** A datagram whose envelope is one byte string of those fields. */
const sealFields = (key: Uint8Array, header: Uint8Array, ...parts: Uint8Array[]): Uint8Array =>
  join(header, box(key, header, encode(join(...parts))));

/** The byte string of a datagram that opens. */
function openFields(key: Uint8Array, datagram: Uint8Array): Uint8Array | undefined {
  const plain = unbox(key, datagram.subarray(0, HEADER), datagram.subarray(HEADER));
  if (plain === undefined) return undefined;
  try {
    const value = decode(plain, 0);
    return value instanceof Uint8Array ? value : undefined;
  } catch {
    return undefined;
  }
}

export const NO_TOKEN = new Uint8Array(5);

export function hello(
  pair: PairKeys,
  rest: Uint8Array,
  token: Uint8Array,
  kemPublic: Uint8Array,
): Uint8Array {
  return sealFields(pair.kH, handshakeHeader(TYPE.hello, pair.tag, rest), token, kemPublic);
}

export const helloFields = (pair: PairKeys, datagram: Uint8Array) => {
  const inner = openFields(pair.kH, datagram);
  return inner && fields(inner, 5, 1184);
};

/** The receiver of what answers a HELLO. */
export const answerTo = (datagram: Uint8Array): Uint8Array => hash(256, datagram).slice(0, 8);

export const retry = (pair: PairKeys, to: Uint8Array, rest: Uint8Array, token: Uint8Array): Uint8Array =>
  sealFields(pair.kC, handshakeHeader(TYPE.retry, answerTo(to), rest), token);

/** The token of a RETRY. */
export const retryToken = (pair: PairKeys, datagram: Uint8Array): Uint8Array | undefined => {
  const inner = openFields(pair.kC, datagram);
  return inner && fields(inner, 5)?.[0];
};

export interface ChallengeFields {
  readonly boot: Uint8Array;
  readonly eS: Uint8Array;
  readonly kemCiphertext: Uint8Array;
  readonly sid: Uint8Array;
  readonly cookie: Uint8Array;
}

export function challenge(pair: PairKeys, to: Uint8Array, rest: Uint8Array, f: ChallengeFields): Uint8Array {
  const header = handshakeHeader(TYPE.challenge, answerTo(to), rest);
  return sealFields(pair.kC, header, f.boot, f.eS, f.kemCiphertext, f.sid, f.cookie);
}

export function challengeFields(pair: PairKeys, datagram: Uint8Array): ChallengeFields | undefined {
  const inner = openFields(pair.kC, datagram);
  const cut = inner && fields(inner, 6, 32, 1088, 8, 55);
  return cut && { boot: cut[0], eS: cut[1], kemCiphertext: cut[2], sid: cut[3], cookie: cut[4] };
}

export function chainKey(
  pair: PairKeys,
  sent: Uint8Array,
  f: Pick<ChallengeFields, 'boot' | 'eS' | 'kemCiphertext'>,
  kemSecret: Uint8Array,
): Uint8Array {
  const transcript = hash(256, join(sent, f.boot, f.eS, f.kemCiphertext));
  return hash(256, join('udp-tool/1 ck', pair.initiator, pair.responder, transcript), kemSecret);
}

export const openKey = (ck: Uint8Array): Uint8Array => hash(256, join('udp-tool/1 open'), ck);

export interface SessionKeys {
  readonly c2s: Uint8Array;
  readonly s2c: Uint8Array;
  readonly sid: Uint8Array;
  readonly csid: Uint8Array;
}

/** Undefined where a point is of low order. `other` is the other side's ephemeral public key. */
export function sessionKeys(
  pair: PairKeys,
  role: 'initiator' | 'responder',
  own: KeyPair,
  ephemeral: KeyPair,
  other: Uint8Array,
  ck: Uint8Array,
  sid: Uint8Array,
): SessionKeys | undefined {
  const initiating = role === 'initiator';
  const kEs = initiating ? agree(ephemeral.secret, pair.responder) : agree(own.secret, other);
  const kSe = initiating ? agree(own.secret, other) : agree(ephemeral.secret, pair.initiator);
  const kEe = agree(ephemeral.secret, other);
  if (!kEs || !kSe || !kEe) return undefined;
  const eC = initiating ? ephemeral.public : other;
  const p = hash(256, join('udp-tool/1 mix', pair.k0, kEs, kSe, kEe, ck, sid, eC));
  const [c2s, s2c] = twoKeys(p, join('udp-tool/1 session', pair.initiator, pair.responder));
  return { c2s, s2c, sid, csid: hash(256, join('udp-tool/1 csid'), p).slice(0, 8) };
}

export interface OpenParts {
  readonly keys: SessionKeys;
  readonly ck: Uint8Array;
  readonly cookie: Uint8Array;
  readonly eC: Uint8Array;
}

export function open({ keys, ck, cookie, eC }: OpenParts, counter: number, envelope: Uint8Array): Uint8Array {
  const header = sessionHeader(TYPE.open, keys.sid, counter);
  const box2 = box(keys.c2s, header, envelope);
  const box1 = box(openKey(ck), header, join(eC, hash(128, box2)));
  return join(header, cookie, box1, box2);
}

/** The initiator's ephemeral key, if box1 opens and fits box2. */
export function openedBox1(ck: Uint8Array, datagram: Uint8Array): Uint8Array | undefined {
  const plain = unbox(openKey(ck), datagram.subarray(0, HEADER), datagram.subarray(79, BOX2));
  const cut = plain && fields(plain, 32, 16);
  return cut && same(cut[1], hash(128, datagram.subarray(BOX2))) ? cut[0] : undefined;
}
