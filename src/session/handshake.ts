/** One handshake that this side initiates: from HELLO to a session that waits to be confirmed (PROTOCOL §5.4). */
import { idAt } from '../bytes.ts';
import { sharedKey } from '../crypto/box.ts';
import { KEM_KEYPAIR_SEED_BYTES, type KemKeyPair, kemDecapsulate, kemKeyPair } from '../crypto/kem.ts';
import { type KeyPair, SecretKey } from '../crypto/keys.ts';
import { HANDSHAKE_RANDOM_BYTES } from '../wire/header.ts';
import type { Address } from './address.ts';
import {
  type Challenge,
  helloHash,
  openChallenge,
  openRetry,
  sealHello,
  TOKEN_BYTES,
} from './handshake-datagrams.ts';
import { deriveChainingKey, deriveOpenKey, deriveSessionKeys } from './key-schedule.ts';
import type { Peer } from './peer.ts';
import { InitiatorSession } from './session.ts';

type Random = (length: number) => Uint8Array;

/** One HELLO on its way: the same bytes each time, good for one CHALLENGE. */
export class Handshake {
  readonly peer: Peer;
  readonly hello: Uint8Array;
  /** What the receiver field of its answers holds. */
  readonly id: bigint;
  readonly startedAt: number;
  /** Made in answer to a RETRY. */
  readonly hasToken: boolean;
  /** HELLOs sent; after the CHALLENGE, OPENs awaited. */
  tries = 0;
  nextTryAt: number;
  /** Of the time-out that runs. */
  doublings = 0;
  /** Set once the CHALLENGE is in. */
  session: InitiatorSession | null = null;
  /** Where a trial goes; null for the peer's own addresses. */
  readonly trial: readonly Address[] | null;
  readonly #kem: KemKeyPair;

  constructor(
    peer: Peer,
    token: Uint8Array | null,
    now: number,
    random: Random,
    trial: readonly Address[] | null = null,
  ) {
    this.peer = peer;
    this.trial = trial;
    this.startedAt = now;
    this.nextTryAt = now;
    this.hasToken = token !== null;
    const seed = random(KEM_KEYPAIR_SEED_BYTES);
    this.#kem = kemKeyPair(seed);
    seed.fill(0);
    const { tag, helloKey } = peer.keys.outgoing;
    this.hello = sealHello(
      { token: token ?? new Uint8Array(TOKEN_BYTES), kemPublicKey: this.#kem.publicKey },
      tag,
      helloKey,
      random(HANDSHAKE_RANDOM_BYTES),
    );
    this.id = idAt(helloHash(this.hello));
  }

  get addresses(): readonly Address[] {
    return this.trial ?? this.peer.addresses;
  }

  openRetry(datagram: Uint8Array): Uint8Array | null {
    return openRetry(datagram, this.peer.keys.outgoing.challengeKey);
  }

  openChallenge(datagram: Uint8Array): Challenge | null {
    return openChallenge(datagram, this.peer.keys.outgoing.challengeKey);
  }

  /** The session that a CHALLENGE leads to; null when its ephemeral key is a low-order point. */
  accept(
    challenge: Challenge,
    own: KeyPair,
    address: Address,
    now: number,
    random: Random,
    jitter: number,
  ): InitiatorSession | null {
    const { peer } = this;
    const { roles } = peer.keys.outgoing;
    const ephemeral = SecretKey.generate(random);
    const ephemeralPublic = ephemeral.publicKeyBytes();
    const es = sharedKey(roles.responder, ephemeral.expose());
    const se = sharedKey(challenge.ephemeral, own.secretKey.expose());
    const ee = sharedKey(challenge.ephemeral, ephemeral.expose());
    ephemeral.wipe();
    if (es === null || se === null || ee === null) {
      for (const shared of [es, se, ee]) shared?.fill(0);
      return null;
    }
    const kemSecret = kemDecapsulate(challenge.kemCiphertext, this.#kem.secretKey);
    const chainingKey = deriveChainingKey(kemSecret, roles, this.hello, challenge);
    const openKey = deriveOpenKey(chainingKey);
    const keys = deriveSessionKeys(
      peer.keys.pairKey,
      { es, se, ee },
      chainingKey,
      challenge.responderId,
      ephemeralPublic,
      roles,
    );
    kemSecret.fill(0);
    chainingKey.fill(0);
    this.wipe();
    return new InitiatorSession({
      peer,
      localId: idAt(keys.initiatorId),
      remoteId: challenge.responderId,
      sendKey: keys.initiatorToResponder,
      receiveKey: keys.responderToInitiator,
      now,
      address,
      begunAt: this.startedAt,
      boot: challenge.boot,
      openPrefix: { cookie: challenge.cookie, openKey, ephemeral: ephemeralPublic },
      jitter,
    });
  }

  wipe(): void {
    this.#kem.secretKey.fill(0);
  }
}
