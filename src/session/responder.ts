/** The responder's half of the handshake, which holds no state for a HELLO (PROTOCOL §5.3). */
import { equalBytes, idBytes } from '../bytes.ts';
import { sharedKey } from '../crypto/box.ts';
import { KEM_ENCAPSULATION_SEED_BYTES, kemEncapsulate } from '../crypto/kem.ts';
import type { KeyPair } from '../crypto/keys.ts';
import { HANDSHAKE_RANDOM_BYTES, receiverOf } from '../wire/header.ts';
import type { Address } from './address.ts';
import type { DropReason } from './drop-reason.ts';
import { Epoch, type HandshakeState } from './epoch.ts';
import {
  cookieOf,
  helloHash,
  openHello,
  openKeyBox,
  sealChallenge,
  sealRetry,
} from './handshake-datagrams.ts';
import { deriveChainingKey, deriveOpenKey, deriveSessionKeys } from './key-schedule.ts';
import { Paths } from './paths.ts';
import type { Peer } from './peer.ts';
import { ResponderSession } from './session.ts';
import type { SessionIds } from './session-ids.ts';

export interface ResponderOptions {
  readonly own: KeyPair;
  readonly boot: Uint8Array;
  readonly random: (length: number) => Uint8Array;
  readonly peerByTag: (tag: bigint) => Peer | undefined;
  readonly peerByIndex: (index: number) => Peer | undefined;
  /** Where session ids come from; if not given, each epoch counts up from a random start. */
  readonly ids?: SessionIds;
  /** Session ids that the endpoint receives on. */
  readonly idTaken: (id: bigint) => boolean;
  /** Whether the peer may open another session. */
  readonly admits: (peer: Peer) => boolean;
}

export class Responder {
  readonly #options: ResponderOptions;
  /** The newest first; at most two, and none while nobody says HELLO. */
  #epochs: Epoch[] = [];

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** When {@link expire} has something to erase. */
  nextTimeout(): number {
    return this.#epochs.at(-1)?.diesAt ?? Number.POSITIVE_INFINITY;
  }

  /** Erases the keys of epochs past their life. */
  expire(now: number): void {
    while (this.nextTimeout() <= now) this.#epochs.pop()?.wipe();
  }

  forget(peer: Peer): void {
    for (const epoch of this.#epochs) epoch.forget(peer);
  }

  close(): void {
    for (const epoch of this.#epochs) epoch.wipe();
    this.#epochs = [];
  }

  /** The datagram that answers a HELLO, a CHALLENGE or a RETRY; or why there is none. */
  hello(datagram: Uint8Array, from: Address, now: number): Uint8Array | DropReason {
    const { boot, random } = this.#options;
    const peer = this.#options.peerByTag(receiverOf(datagram));
    if (peer === undefined) return 'unknown-tag';
    for (const epoch of this.#epochs) {
      const again = epoch.answerAgain(peer, datagram, from, now);
      if (again !== undefined) return again;
    }
    const { roles, helloKey, challengeKey } = peer.keys.incoming;
    const hello = openHello(datagram, helloKey);
    if (hello === null) return 'bad-box';

    const hash = helloHash(datagram);
    const epoch = this.#currentEpoch(now);
    if (!peer.meter.take(now)) {
      const token = epoch.retryToken(peer);
      if (!equalBytes(token, hello.token)) {
        const retry = sealRetry(token, hash, challengeKey, random(HANDSHAKE_RANDOM_BYTES));
        epoch.rememberRetry(peer, datagram, retry, from, now);
        return retry;
      }
      if (!peer.meterWithToken.take(now)) {
        epoch.rememberRetry(peer, datagram, null, from, now);
        return 'rate-limited';
      }
    }

    const seed = random(KEM_ENCAPSULATION_SEED_BYTES);
    const encapsulated = kemEncapsulate(hello.kemPublicKey, seed);
    seed.fill(0);
    if (encapsulated === null) return 'bad-key';
    const half = { boot, ephemeral: epoch.ephemeralPublic, kemCiphertext: encapsulated.ciphertext };
    const chainingKey = deriveChainingKey(encapsulated.secret, roles, datagram, half);
    const id = epoch.newId(this.#options.idTaken);
    const challenge = sealChallenge(
      {
        ...half,
        responderId: idBytes(id),
        cookie: epoch.sealCookie(id, chainingKey, peer.index, from),
      },
      hash,
      challengeKey,
      random(HANDSHAKE_RANDOM_BYTES),
    );
    encapsulated.secret.fill(0);
    chainingKey.fill(0);
    epoch.rememberChallenge(peer, id, datagram, challenge, from, now);
    return challenge;
  }

  /** The session that an OPEN begins, whose envelope is not opened yet; or why there is none. */
  open(datagram: Uint8Array, from: Address, now: number): ResponderSession | DropReason {
    const id = receiverOf(datagram);
    if (this.#epochs.some((epoch) => epoch.isConsumed(id))) return 'consumed';
    for (const epoch of this.#epochs) {
      const state = epoch.openCookie(id, cookieOf(datagram));
      if (state === null) continue;
      const session = this.#begin(datagram, id, state, epoch, from, now);
      state.chainingKey.fill(0);
      return session;
    }
    return 'bad-cookie';
  }

  #begin(
    datagram: Uint8Array,
    id: bigint,
    state: HandshakeState,
    epoch: Epoch,
    from: Address,
    now: number,
  ): ResponderSession | DropReason {
    const { chainingKey } = state;
    const peer = this.#options.peerByIndex(state.peerIndex);
    if (peer === undefined) return 'unknown-tag';
    if (!this.#options.admits(peer)) return 'peer-full';
    const openKey = deriveOpenKey(chainingKey);
    const initiatorEphemeral = openKeyBox(datagram, openKey);
    openKey.fill(0);
    if (initiatorEphemeral === null) return 'bad-box';
    epoch.consume(id);

    const { roles } = peer.keys.incoming;
    const es = sharedKey(initiatorEphemeral, this.#options.own.secretKey.expose());
    const se = epoch.sharedKeyWith(peer);
    const ee = epoch.sharedKey(initiatorEphemeral);
    if (es === null || se === null || ee === null) {
      for (const shared of [es, se, ee]) shared?.fill(0);
      return 'bad-key';
    }
    const keys = deriveSessionKeys(
      peer.keys.pairKey,
      { es, se, ee },
      chainingKey,
      idBytes(id),
      initiatorEphemeral,
      roles,
    );
    return new ResponderSession({
      peer,
      localId: id,
      remoteId: keys.initiatorId,
      sendKey: keys.responderToInitiator,
      receiveKey: keys.initiatorToResponder,
      now,
      paths: new Paths(from, epoch.provesAddress(id, state, from)),
    });
  }

  #currentEpoch(now: number): Epoch {
    const [newest] = this.#epochs;
    if (newest !== undefined && now < newest.endsAt) return newest;
    const epoch = new Epoch(now, this.#options.random, this.#options.ids);
    this.#epochs.unshift(epoch);
    return epoch;
  }
}
