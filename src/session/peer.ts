/** A peer that we trust: its keys, its addresses, and what is going on with it. */
import type { KeyPair, PresharedKey, PublicKey } from '../crypto/keys.ts';
import { UdpToolError } from '../errors.ts';
import { type Address, sameAddress } from './address.ts';
import { HANDSHAKE_BURST, HANDSHAKES_PER_SECOND } from './constants.ts';
import type { Handshake } from './handshake.ts';
import { derivePairKeys, type PairKeys } from './key-schedule.ts';
import { RttEstimator } from './rtt.ts';
import type { InitiatorSession, ResponderSession } from './session.ts';
import { TokenBucket } from './token-bucket.ts';

export class Peer {
  /** Names the peer in cookies; never used twice by one endpoint. */
  readonly index: number;
  readonly publicKey: PublicKey;
  readonly #keys: PairKeys;
  readonly rtt = new RttEstimator();

  /** Where it is said to be. */
  configured: readonly Address[] = [];
  /** Where it was found to be: a handshake went through there. The latest first. */
  found: readonly Address[] = [];

  // As initiator: at most one of each.
  handshake: Handshake | null = null;
  /** Handshakes beside that one, each to addresses of its own: a better path than the session's is tried. */
  readonly trials = new Set<Handshake>();
  /** Confirmed; new requests go here. */
  current: InitiatorSession | null = null;
  /** Made from a CHALLENGE, and nothing of the responder's has opened under it yet. */
  unconfirmed: InitiatorSession | null = null;
  /** OPENs were in vain since a session was confirmed last. */
  openFailed = false;
  /** HELLOs are sent until then. */
  wantedUntil = 0;
  /** Handshakes that begin, as often as a responder answers them: one that says CLOSE at once would have others follow at once. */
  readonly starts = new TokenBucket(HANDSHAKES_PER_SECOND, HANDSHAKE_BURST);
  /** CHALLENGEs accepted: picks the address where their source does not. */
  challenges = 0;

  // As responder.
  readonly inbound = new Set<ResponderSession>();
  /** For handshakes without a current RETRY token, and with one: recorded HELLOs drain the first alone. */
  readonly meter = new TokenBucket(HANDSHAKES_PER_SECOND, HANDSHAKE_BURST);
  readonly meterWithToken = new TokenBucket(HANDSHAKES_PER_SECOND, HANDSHAKE_BURST);

  /** @throws UdpToolError `bad-key` for our own key, or one of low order. */
  constructor(index: number, own: KeyPair, publicKey: PublicKey, psk: PresharedKey | null) {
    if (publicKey.equals(own.publicKey)) {
      throw new UdpToolError('bad-key', 'That is the public key of this machine itself.', {
        hint: 'Trust the key that "udp-tool keygen" printed on the other machine.',
      });
    }
    const keys = derivePairKeys(own, publicKey, psk);
    if (keys === null) throw new UdpToolError('bad-key', 'That public key is a low-order point.');
    this.index = index;
    this.publicKey = publicKey;
    this.#keys = keys;
  }

  /** Where to send; but for trials, the initiator sends nowhere else. */
  get addresses(): readonly Address[] {
    const { configured, found } = this;
    if (found.length === 0) return configured;
    return [...configured, ...found.filter((one) => !configured.some((other) => sameAddress(one, other)))];
  }

  get keys(): PairKeys {
    return this.#keys;
  }

  wipe(): void {
    const { pairKey, outgoing, incoming } = this.#keys;
    pairKey.fill(0);
    for (const { helloKey, challengeKey } of [outgoing, incoming]) {
      helloKey.fill(0);
      challengeKey.fill(0);
    }
  }
}
