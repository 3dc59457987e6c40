/** Every key of the protocol, each from a labelled hash that names initiator and responder (PROTOCOL §3.2, §5.1). */
import { utf8 } from '../bytes.ts';
import { sharedKey } from '../crypto/box.ts';
import { blake2b, keyedBlake2b } from '../crypto/hash.ts';
import type { KeyPair, PresharedKey, PublicKey } from '../crypto/keys.ts';

export const ID_BYTES = 8;

const LABEL_PAIR = utf8('udp-tool/1 pair');
const LABEL_TAG = utf8('udp-tool/1 tag');
const LABEL_HANDSHAKE = utf8('udp-tool/1 hs');
const LABEL_CHAINING_KEY = utf8('udp-tool/1 ck');
const LABEL_OPEN = utf8('udp-tool/1 open');
const LABEL_MIX = utf8('udp-tool/1 mix');
const LABEL_SESSION = utf8('udp-tool/1 session');
const LABEL_RESPONDER_ID = utf8('udp-tool/1 csid');

const NO_PRESHARED_KEY = new Uint8Array(32);

/** The public keys of a handshake's two sides, in their roles. */
export interface Roles {
  readonly initiator: Uint8Array;
  readonly responder: Uint8Array;
}

/** What one direction of handshakes between two peers needs: who initiates changes every key. */
interface DirectionKeys {
  readonly roles: Roles;
  /** In the clear in every HELLO of this direction: it finds the peer. */
  readonly tag: Uint8Array;
  /** Seals HELLO. */
  readonly helloKey: Uint8Array;
  /** Seals RETRY and CHALLENGE. */
  readonly challengeKey: Uint8Array;
}

export interface PairKeys {
  readonly pairKey: Uint8Array;
  /** For handshakes that this side initiates. */
  readonly outgoing: DirectionKeys;
  /** For handshakes that the peer initiates. */
  readonly incoming: DirectionKeys;
}

/** Null when the peer's key is a low-order point. */
export function derivePairKeys(own: KeyPair, peer: PublicKey, psk: PresharedKey | null): PairKeys | null {
  const staticShared = sharedKey(peer.bytes, own.secretKey.expose());
  if (staticShared === null) return null;
  const pairKey = keyedBlake2b(32, staticShared, LABEL_PAIR, psk?.expose() ?? NO_PRESHARED_KEY);
  staticShared.fill(0);
  const direction = (initiator: Uint8Array, responder: Uint8Array): DirectionKeys => {
    const keys = keyedBlake2b(64, pairKey, LABEL_HANDSHAKE, initiator, responder);
    return {
      roles: { initiator, responder },
      tag: keyedBlake2b(32, pairKey, LABEL_TAG, initiator, responder).slice(0, ID_BYTES),
      helloKey: keys.subarray(0, 32),
      challengeKey: keys.subarray(32),
    };
  };
  return {
    pairKey,
    outgoing: direction(own.publicKey.bytes, peer.bytes),
    incoming: direction(peer.bytes, own.publicKey.bytes),
  };
}

/** `ck`: binds the KEM secret to the whole of HELLO and to the responder's half of CHALLENGE. */
export function deriveChainingKey(
  kemSecret: Uint8Array,
  roles: Roles,
  hello: Uint8Array,
  challenge: { boot: Uint8Array; ephemeral: Uint8Array; kemCiphertext: Uint8Array },
): Uint8Array {
  const transcript = blake2b(32, hello, challenge.boot, challenge.ephemeral, challenge.kemCiphertext);
  return keyedBlake2b(32, kemSecret, LABEL_CHAINING_KEY, roles.initiator, roles.responder, transcript);
}

export function deriveOpenKey(chainingKey: Uint8Array): Uint8Array {
  return keyedBlake2b(32, chainingKey, LABEL_OPEN);
}

/** The three Diffie–Hellman results that a session's keys mix, named initiator's key first. */
export interface SharedSecrets {
  readonly es: Uint8Array;
  readonly se: Uint8Array;
  readonly ee: Uint8Array;
}

export interface SessionKeys {
  readonly initiatorToResponder: Uint8Array;
  readonly responderToInitiator: Uint8Array;
  /** Receiver field of what the responder sends (`csid`). */
  readonly initiatorId: Uint8Array;
}

export function deriveSessionKeys(
  pairKey: Uint8Array,
  secrets: SharedSecrets,
  chainingKey: Uint8Array,
  responderId: Uint8Array,
  initiatorEphemeral: Uint8Array,
  roles: Roles,
): SessionKeys {
  const mix = blake2b(
    32,
    LABEL_MIX,
    pairKey,
    secrets.es,
    secrets.se,
    secrets.ee,
    chainingKey,
    responderId,
    initiatorEphemeral,
  );
  const keys = keyedBlake2b(64, mix, LABEL_SESSION, roles.initiator, roles.responder);
  const initiatorId = keyedBlake2b(32, mix, LABEL_RESPONDER_ID).slice(0, ID_BYTES);
  const result = {
    initiatorToResponder: keys.subarray(0, 32),
    responderToInitiator: keys.subarray(32),
    initiatorId,
  };
  for (const used of [mix, secrets.es, secrets.se, secrets.ee]) used.fill(0);
  return result;
}
