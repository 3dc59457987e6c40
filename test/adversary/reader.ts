/**
 * Who has recorded everything, gets both static keys, and finds whatever memory still holds of the secrets that were
 * in it: what can he read? (PROTOCOL §13, forward secrecy)
 */
import { open, sharedKey } from '../../src/crypto/box.ts';
import { keyedBlake2b } from '../../src/crypto/hash.ts';
import { KEM_SECRET_KEY_BYTES, kemDecapsulate } from '../../src/crypto/kem.ts';
import {
  helloHash,
  OPEN_BOX_OFFSET,
  openChallenge,
  openKeyBox,
} from '../../src/session/handshake-datagrams.ts';
import {
  deriveChainingKey,
  deriveOpenKey,
  deriveSessionKeys,
  type Roles,
} from '../../src/session/key-schedule.ts';
import { DatagramType, HEADER_BYTES } from '../../src/wire/header.ts';
import type { Host, Sent } from './host.ts';
import { keysBetween } from './thief.ts';

const KEY_BYTES = 32;
const LABEL_SESSION = Buffer.from('udp-tool/1 session');

/**
 * @param found arrays that once held secrets, as they are now
 * @returns how many of the recorded OPENs and DATAs he can read
 */
export function readable(
  sent: readonly Sent[],
  pairs: readonly [Host, Host][],
  found: Iterable<Uint8Array>,
): number {
  const secrets = [...found].filter((bytes) => !bytes.every((byte) => byte === 0));
  const keys = secrets.flatMap((bytes) => halvesOf(bytes));
  const kemKeys = secrets.filter(({ length }) => length === KEM_SECRET_KEY_BYTES);
  const boxes = sent.filter(({ datagram }) => isOfSession(datagram));
  const sessionKeys = new Set([new Uint8Array(KEY_BYTES), ...keys]);
  for (const [initiator, responder] of pairs) {
    for (const key of derivedKeys(sent, initiator, responder, keys, kemKeys)) sessionKeys.add(key);
  }
  return boxes.filter(({ datagram }) => [...sessionKeys].some((key) => opens(datagram, key))).length;
}

/** Session keys that follow from the static keys of both, what was recorded, and what was found. */
function* derivedKeys(
  sent: readonly Sent[],
  initiator: Host,
  responder: Host,
  keys: readonly Uint8Array[],
  kemKeys: readonly Uint8Array[],
): Iterable<Uint8Array> {
  const { pairKey, outgoing } = keysBetween(initiator, responder);
  const { roles, challengeKey } = outgoing;
  for (const mix of keys)
    yield* halvesOf(keyedBlake2b(64, mix, LABEL_SESSION, roles.initiator, roles.responder));

  const hellos = new Map(
    sent
      .filter(({ datagram }) => datagram[0] === DatagramType.HELLO)
      .map(({ datagram }) => [textOf(helloHash(datagram).subarray(0, 8)), datagram]),
  );
  for (const { datagram } of sent) {
    if (datagram[0] !== DatagramType.CHALLENGE) continue;
    const challenge = openChallenge(datagram, challengeKey);
    const hello = hellos.get(textOf(datagram.subarray(1, 9)));
    if (challenge === null || hello === undefined) continue;
    const kemSecrets = [...keys, ...kemKeys.map((kemKey) => kemDecapsulate(challenge.kemCiphertext, kemKey))];
    const chainingKeys = [
      ...keys,
      ...cookieKeys(challenge.cookie, challenge.responderId, keys),
      ...kemSecrets.map((secret) => deriveChainingKey(secret, roles, hello, challenge)),
    ];
    const first = sent.find(
      (other) =>
        other.datagram[0] === DatagramType.OPEN &&
        textOf(other.datagram.subarray(1, 9)) === textOf(challenge.responderId),
    );
    if (first === undefined) continue;
    for (const chainingKey of chainingKeys) {
      const ephemeral = openKeyBox(first.datagram, deriveOpenKey(chainingKey));
      if (ephemeral === null) continue;
      const es = sharedKey(ephemeral, responder.keyPair.secretKey.expose()) as Uint8Array;
      const se = sharedKey(challenge.ephemeral, initiator.keyPair.secretKey.expose()) as Uint8Array;
      for (const ee of sharedKeys(ephemeral, challenge.ephemeral, keys)) {
        const secrets = { es: es.slice(), se: se.slice(), ee };
        yield* sessionKeysOf(pairKey, secrets, chainingKey, challenge.responderId, ephemeral, roles);
      }
    }
  }
}

function* sessionKeysOf(
  pairKey: Uint8Array,
  secrets: { es: Uint8Array; se: Uint8Array; ee: Uint8Array },
  chainingKey: Uint8Array,
  responderId: Uint8Array,
  ephemeral: Uint8Array,
  roles: Roles,
): Iterable<Uint8Array> {
  const derived = deriveSessionKeys(pairKey, secrets, chainingKey, responderId, ephemeral, roles);
  yield derived.initiatorToResponder;
  yield derived.responderToInitiator;
}

/** What may be the shared key of the two ephemeral ones: found as it is, or by either one's secret. */
function* sharedKeys(one: Uint8Array, other: Uint8Array, keys: readonly Uint8Array[]): Iterable<Uint8Array> {
  for (const key of keys) {
    yield key.slice();
    for (const publicKey of [one, other]) {
      const shared = sharedKey(publicKey, key);
      if (shared !== null) yield shared;
    }
  }
}

/** The chaining keys in a cookie, if one of these keys opens it. */
function cookieKeys(cookie: Uint8Array, id: Uint8Array, keys: readonly Uint8Array[]): Uint8Array[] {
  const nonce = new Uint8Array(HEADER_BYTES);
  nonce.set(id);
  return keys.flatMap((key) => open(cookie, nonce, key)?.slice(0, KEY_BYTES) ?? []);
}

function opens(datagram: Uint8Array, key: Uint8Array): boolean {
  const offset = datagram[0] === DatagramType.OPEN ? OPEN_BOX_OFFSET : HEADER_BYTES;
  return open(datagram.subarray(offset), datagram.subarray(0, HEADER_BYTES), key) !== null;
}

function isOfSession(datagram: Uint8Array): boolean {
  return datagram[0] === DatagramType.OPEN || datagram[0] === DatagramType.DATA;
}

/** Keys of 32 bytes, of which two may lie behind each other. */
function halvesOf(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length !== KEY_BYTES && bytes.length !== 2 * KEY_BYTES) return [];
  const halves = [bytes.slice(0, KEY_BYTES), bytes.slice(KEY_BYTES)];
  return halves.filter((half) => half.length === KEY_BYTES && !half.every((byte) => byte === 0));
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
