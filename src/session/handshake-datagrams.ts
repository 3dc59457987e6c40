/** HELLO, RETRY, CHALLENGE and OPEN as bytes (PROTOCOL §4.2 to §4.5). No state: what to do with them is elsewhere. */
import { concat, equalBytes } from '../bytes.ts';
import { KEY_BYTES, open, openWithin, seal, sealBehind, TAG_BYTES } from '../crypto/box.ts';
import { blake2b } from '../crypto/hash.ts';
import { KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_KEY_BYTES } from '../crypto/kem.ts';
import { decodeCbor, encodeTrusted } from '../wire/cbor.ts';
import {
  DatagramType,
  HEADER_BYTES,
  handshakeHeader,
  MAX_DATAGRAM_BYTES,
  MAX_RELAY_DATAGRAM_BYTES,
  sessionHeader,
} from '../wire/header.ts';
import { BOOT_BYTES } from '../wire/messages.ts';
import { ID_BYTES } from './key-schedule.ts';

export const TOKEN_BYTES = 5;
const COOKIE_BYTES = 55;
export const HELLO_BYTES = MAX_DATAGRAM_BYTES;
export const CHALLENGE_BYTES = MAX_DATAGRAM_BYTES;
export const RETRY_BYTES: number = HEADER_BYTES + TAG_BYTES + 1 + TOKEN_BYTES;
/** BLAKE2b-128 of OPEN's second box, sealed in its first. */
const BOX_HASH_BYTES = 16;
const KEY_BOX_BYTES = TAG_BYTES + KEY_BYTES + BOX_HASH_BYTES;
const COOKIE_OFFSET = HEADER_BYTES;
const KEY_BOX_OFFSET = COOKIE_OFFSET + COOKIE_BYTES;
/** Where the box of the envelope begins in an OPEN. */
export const OPEN_BOX_OFFSET: number = KEY_BOX_OFFSET + KEY_BOX_BYTES;
/** Longest plaintext of an envelope in an OPEN and in a DATA datagram. */
export const OPEN_CAPACITY: number = MAX_DATAGRAM_BYTES - OPEN_BOX_OFFSET - TAG_BYTES;
export const DATA_CAPACITY: number = MAX_DATAGRAM_BYTES - HEADER_BYTES - TAG_BYTES;
/** Of a DATA that holds nothing but one RELAY. */
export const RELAY_CAPACITY: number = MAX_RELAY_DATAGRAM_BYTES - HEADER_BYTES - TAG_BYTES;
/** What a DATA datagram has besides its envelope. */
export const DATA_OVERHEAD_BYTES: number = HEADER_BYTES + TAG_BYTES;
export const MIN_DATA_BYTES: number = HEADER_BYTES + TAG_BYTES + 1;
export const MIN_OPEN_BYTES: number = OPEN_BOX_OFFSET + TAG_BYTES + 1;

/** The receiver field of the answers to a HELLO: the first 8 bytes of its hash. */
export function helloHash(hello: Uint8Array): Uint8Array {
  return blake2b(32, hello);
}

export interface Hello {
  readonly token: Uint8Array;
  readonly kemPublicKey: Uint8Array;
}

export function sealHello(hello: Hello, tag: Uint8Array, key: Uint8Array, random: Uint8Array): Uint8Array {
  const header = handshakeHeader(DatagramType.HELLO, tag, random);
  return sealFields(header, key, hello.token, hello.kemPublicKey);
}

export function openHello(datagram: Uint8Array, key: Uint8Array): Hello | null {
  const fields = openFields(datagram, key, TOKEN_BYTES, KEM_PUBLIC_KEY_BYTES);
  if (fields === null) return null;
  const [token, kemPublicKey] = fields as [Uint8Array, Uint8Array];
  return { token, kemPublicKey };
}

export function sealRetry(
  token: Uint8Array,
  hash: Uint8Array,
  key: Uint8Array,
  random: Uint8Array,
): Uint8Array {
  return sealFields(handshakeHeader(DatagramType.RETRY, hash.subarray(0, ID_BYTES), random), key, token);
}

/** The token, or null. */
export function openRetry(datagram: Uint8Array, key: Uint8Array): Uint8Array | null {
  return openFields(datagram, key, TOKEN_BYTES)?.[0] ?? null;
}

export interface Challenge {
  readonly boot: Uint8Array;
  readonly ephemeral: Uint8Array;
  readonly kemCiphertext: Uint8Array;
  readonly responderId: Uint8Array;
  readonly cookie: Uint8Array;
}

export function sealChallenge(
  challenge: Challenge,
  hash: Uint8Array,
  key: Uint8Array,
  random: Uint8Array,
): Uint8Array {
  const header = handshakeHeader(DatagramType.CHALLENGE, hash.subarray(0, ID_BYTES), random);
  const { boot, ephemeral, kemCiphertext, responderId, cookie } = challenge;
  return sealFields(header, key, boot, ephemeral, kemCiphertext, responderId, cookie);
}

export function openChallenge(datagram: Uint8Array, key: Uint8Array): Challenge | null {
  const fields = openFields(
    datagram,
    key,
    BOOT_BYTES,
    KEY_BYTES,
    KEM_CIPHERTEXT_BYTES,
    ID_BYTES,
    COOKIE_BYTES,
  );
  if (fields === null) return null;
  const [boot, ephemeral, kemCiphertext, responderId, cookie] = fields as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  return { boot, ephemeral, kemCiphertext, responderId, cookie };
}

/** What turns a DATA datagram into an OPEN; the initiator keeps it until the session is confirmed. */
export interface OpenPrefix {
  readonly cookie: Uint8Array;
  readonly openKey: Uint8Array;
  readonly ephemeral: Uint8Array;
}

export function sealOpen(
  prefix: OpenPrefix,
  responderId: Uint8Array,
  counter: number,
  envelope: Uint8Array,
  sessionKey: Uint8Array,
): Uint8Array {
  const header = sessionHeader(DatagramType.OPEN, responderId, counter);
  const envelopeBox = seal(envelope, header, sessionKey);
  const keyBox = seal(concat(prefix.ephemeral, blake2b(BOX_HASH_BYTES, envelopeBox)), header, prefix.openKey);
  return concat(header, prefix.cookie, keyBox, envelopeBox);
}

export function cookieOf(datagram: Uint8Array): Uint8Array {
  return datagram.subarray(COOKIE_OFFSET, KEY_BOX_OFFSET);
}

/** The initiator's ephemeral public key, or null unless the first box opens and vouches for the second. */
export function openKeyBox(datagram: Uint8Array, openKey: Uint8Array): Uint8Array | null {
  const header = datagram.subarray(0, HEADER_BYTES);
  const fields = open(datagram.subarray(KEY_BOX_OFFSET, OPEN_BOX_OFFSET), header, openKey);
  if (fields === null) return null;
  const hash = blake2b(BOX_HASH_BYTES, datagram.subarray(OPEN_BOX_OFFSET));
  return equalBytes(fields.subarray(KEY_BYTES), hash) ? fields.slice(0, KEY_BYTES) : null;
}

export function sealData(
  receiver: Uint8Array,
  counter: number,
  envelope: Uint8Array,
  key: Uint8Array,
): Uint8Array {
  return sealBehind(sessionHeader(DatagramType.DATA, receiver, counter), envelope, key);
}

function sealFields(header: Uint8Array, key: Uint8Array, ...fields: Uint8Array[]): Uint8Array {
  return sealBehind(header, encodeTrusted(concat(...fields)), key);
}

function openFields(datagram: Uint8Array, key: Uint8Array, ...lengths: number[]): Uint8Array[] | null {
  const plaintext = openWithin(datagram, HEADER_BYTES, key);
  if (plaintext === null) return null;
  const decoded = decodeCbor(plaintext, 0);
  if (!decoded.ok || !(decoded.value instanceof Uint8Array)) return null;
  const fields: Uint8Array[] = [];
  let offset = 0;
  for (const length of lengths) {
    fields.push(decoded.value.slice(offset, offset + length));
    offset += length;
  }
  return offset === decoded.value.length ? fields : null;
}
