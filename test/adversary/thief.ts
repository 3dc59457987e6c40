/**
 * Who has one side's static key, and with it everything that static keys alone seal: HELLO, RETRY and CHALLENGE between
 * the two. He poses as the other side to the owner of the key (PROTOCOL §13). What he lacks is one Diffie–Hellman result;
 * in its place he puts whatever he has.
 */
import { sharedKey } from '../../src/crypto/box.ts';
import {
  KEM_ENCAPSULATION_SEED_BYTES,
  KEM_KEYPAIR_SEED_BYTES,
  kemDecapsulate,
  kemEncapsulate,
  kemKeyPair,
} from '../../src/crypto/kem.ts';
import { SecretKey } from '../../src/crypto/keys.ts';
import {
  DATA_CAPACITY,
  helloHash,
  OPEN_CAPACITY,
  openChallenge,
  openHello,
  openKeyBox,
  sealChallenge,
  sealData,
  sealHello,
  sealOpen,
  TOKEN_BYTES,
} from '../../src/session/handshake-datagrams.ts';
import {
  deriveChainingKey,
  deriveOpenKey,
  derivePairKeys,
  deriveSessionKeys,
  ID_BYTES,
  type PairKeys,
} from '../../src/session/key-schedule.ts';
import { packEnvelope } from '../../src/wire/envelope.ts';
import { DatagramType, HANDSHAKE_RANDOM_BYTES } from '../../src/wire/header.ts';
import { BOOT_BYTES, encodeMessage, INSTANCE_BYTES, MessageType } from '../../src/wire/messages.ts';
import type { Host, Sent } from './host.ts';
import type { World } from './world.ts';

const COOKIE_BYTES = 55;
const KEY_BYTES = 32;

/** Answers the last HELLO of `owner` as `other` would, and then its OPEN. */
export function poseAsResponder(world: World, owner: Host, other: Host): void {
  const random = world.prng.bytes;
  const { pairKey, outgoing } = keysBetween(owner, other);
  const { roles } = outgoing;
  const hello = world.sent.findLast(
    ({ by, to, datagram }) => by === owner && to.ip === other.home.ip && datagram[0] === DatagramType.HELLO,
  )?.datagram;
  const asked = hello && openHello(hello, outgoing.helloKey);
  if (!asked) return;
  const encapsulated = kemEncapsulate(asked.kemPublicKey, random(KEM_ENCAPSULATION_SEED_BYTES));
  if (encapsulated === null) return;
  const ephemeral = SecretKey.generate(random);
  const half = {
    boot: random(BOOT_BYTES),
    ephemeral: ephemeral.publicKeyBytes(),
    kemCiphertext: encapsulated.ciphertext,
  };
  const chainingKey = deriveChainingKey(encapsulated.secret, roles, hello, half);
  const responderId = random(ID_BYTES);
  const challenge = sealChallenge(
    { ...half, responderId, cookie: random(COOKIE_BYTES) },
    helloHash(hello),
    outgoing.challengeKey,
    random(HANDSHAKE_RANDOM_BYTES),
  );
  const before = world.sent.length;
  if (!world.pose(challenge, owner, other)) return;
  const open = world.sent.slice(before).find((sent) => answers(sent, owner, DatagramType.OPEN));
  const theirs = open && openKeyBox(open.datagram, deriveOpenKey(chainingKey));
  if (!theirs) return;
  const ee = sharedKey(theirs, ephemeral.expose()) as Uint8Array;
  const se = sharedKey(owner.keyPair.publicKey.bytes, ephemeral.expose()) as Uint8Array;
  const own = sharedKey(theirs, owner.keyPair.secretKey.expose()) as Uint8Array;
  for (const guess of [new Uint8Array(KEY_BYTES), own, ee, se]) {
    const secrets = { es: guess.slice(), se: se.slice(), ee: ee.slice() };
    const keys = deriveSessionKeys(pairKey, secrets, chainingKey, responderId, theirs, roles);
    const envelope = packEnvelope([encodeMessage({ type: MessageType.PONG, number: 0 })], DATA_CAPACITY);
    world.pose(sealData(keys.initiatorId, 0, envelope, keys.responderToInitiator), owner, other);
  }
}

/** Begins a session with `owner` as `other` would, to have something executed. */
export function poseAsInitiator(world: World, owner: Host, other: Host): void {
  const random = world.prng.bytes;
  const { pairKey, incoming } = keysBetween(owner, other);
  const { roles } = incoming;
  const kem = kemKeyPair(random(KEM_KEYPAIR_SEED_BYTES));
  const hello = sealHello(
    { token: new Uint8Array(TOKEN_BYTES), kemPublicKey: kem.publicKey },
    incoming.tag,
    incoming.helloKey,
    random(HANDSHAKE_RANDOM_BYTES),
  );
  const before = world.sent.length;
  if (!world.pose(hello, owner, other)) return;
  const answer = world.sent.slice(before).find((sent) => answers(sent, owner, DatagramType.CHALLENGE));
  const challenge = answer && openChallenge(answer.datagram, incoming.challengeKey);
  if (!challenge) return;
  const { ephemeral: theirs, cookie, responderId } = challenge;
  const chainingKey = deriveChainingKey(
    kemDecapsulate(challenge.kemCiphertext, kem.secretKey),
    roles,
    hello,
    challenge,
  );
  const ephemeral = SecretKey.generate(random);
  const es = sharedKey(owner.keyPair.publicKey.bytes, ephemeral.expose()) as Uint8Array;
  const ee = sharedKey(theirs, ephemeral.expose()) as Uint8Array;
  const own = sharedKey(theirs, owner.keyPair.secretKey.expose()) as Uint8Array;
  // One guess for each handshake: a valid first box uses the id up.
  const guess = [new Uint8Array(KEY_BYTES), own, ee, es][world.prng.below(4)] as Uint8Array;
  const secrets = { es: es.slice(), se: guess.slice(), ee: ee.slice() };
  const publicBytes = ephemeral.publicKeyBytes();
  const keys = deriveSessionKeys(pairKey, secrets, chainingKey, responderId, publicBytes, roles);
  const envelope = packEnvelope(
    [
      encodeMessage({ type: MessageType.INSTANCE, instance: random(INSTANCE_BYTES) }),
      encodeMessage({
        type: MessageType.REQUEST,
        lane: 0,
        id: 1,
        boot: challenge.boot,
        command: 'launch',
        args: ['what the thief wants'],
      }),
    ],
    OPEN_CAPACITY,
  );
  const prefix = { cookie, openKey: deriveOpenKey(chainingKey), ephemeral: publicBytes };
  world.pose(sealOpen(prefix, responderId, 0, envelope, keys.initiatorToResponder), owner, other);
}

export function keysBetween(owner: Host, other: Host): PairKeys {
  return derivePairKeys(owner.keyPair, other.keyPair.publicKey, null) as PairKeys;
}

function answers({ by, datagram }: Sent, owner: Host, type: number): boolean {
  return by === owner && datagram[0] === type;
}
