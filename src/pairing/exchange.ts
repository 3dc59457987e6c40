/** What both sides compute from their shares: the commitment, the code, and the proofs (PROTOCOL §B.3). */
import { equalBytes, idAt, utf8 } from '../bytes.ts';
import { sharedKey } from '../crypto/box.ts';
import { blake2b, keyedBlake2b } from '../crypto/hash.ts';
import type { SecretKey } from '../crypto/keys.ts';
import { decodeOffer, type Offer } from './offer.ts';

export const HASH_BYTES = 32;

const COMMIT_LABEL = utf8('udp-tool/1 pair commit');
const TRANSCRIPT_LABEL = utf8('udp-tool/1 pair transcript');
const CODE_LABEL = utf8('udp-tool/1 pair code');
const CONFIRM_LABEL = utf8('udp-tool/1 pair confirm');

const CODE_DIGITS = 6;

/** How far a machine is, in the order in which it gets there. */
export const Step = {
  /** It has all that the code is made of. */
  READY: 0,
  /** Its person said yes. */
  YES: 1,
  /** Both people said yes, and the other machine is in its peer book. */
  WRITTEN: 2,
  /** It knows that it is in the other's peer book as well. */
  OVER: 3,
  /** It gives up. */
  NO: 255,
} as const;
export type Step = (typeof Step)[keyof typeof Step];

/** The asker commits itself and reveals; the waiter answers in between. */
export type Role = 'asker' | 'waiter';

/** What one side puts in: an offer's bytes, and a nonce. */
export interface Share {
  readonly offer: Uint8Array;
  readonly nonce: Uint8Array;
}

export function commitmentOf({ offer, nonce }: Share): Uint8Array {
  return blake2b(HASH_BYTES, COMMIT_LABEL, offer, nonce);
}

export class Exchange {
  readonly other: Offer;
  /** What the people compare: six digits. */
  readonly code: string;
  readonly #ownKey: Uint8Array;
  readonly #otherKey: Uint8Array;

  private constructor(other: Offer, transcript: Uint8Array, ownKey: Uint8Array, otherKey: Uint8Array) {
    this.other = other;
    const number = idAt(blake2b(HASH_BYTES, CODE_LABEL, transcript));
    this.code = (number % 10n ** BigInt(CODE_DIGITS)).toString().padStart(CODE_DIGITS, '0');
    this.#ownKey = ownKey;
    this.#otherKey = otherKey;
  }

  /** Null when the other's share holds no offer. */
  static of(role: Role, own: Share, theirs: Share, secretKey: SecretKey): Exchange | null {
    const other = decodeOffer(theirs.offer);
    if (other === null) return null;
    const shared = sharedKey(other.publicKey.bytes, secretKey.expose());
    if (shared === null) return null;
    const [asker, waiter] = role === 'asker' ? [own, theirs] : [theirs, own];
    const transcript = blake2b(
      HASH_BYTES,
      ...[TRANSCRIPT_LABEL, asker.offer, asker.nonce, waiter.offer, waiter.nonce],
    );
    const keys = keyedBlake2b(2 * HASH_BYTES, shared, CONFIRM_LABEL, transcript);
    shared.fill(0);
    const [askerKey, waiterKey] = [keys.subarray(0, HASH_BYTES), keys.subarray(HASH_BYTES)];
    return role === 'asker'
      ? new Exchange(other, transcript, askerKey, waiterKey)
      : new Exchange(other, transcript, waiterKey, askerKey);
  }

  /** That this side has its secret key, knows both shares, and is at that step. */
  proof(step: number): Uint8Array {
    return keyedBlake2b(HASH_BYTES, this.#ownKey, Uint8Array.of(step));
  }

  isProofOfOther(step: number, proof: Uint8Array): boolean {
    return equalBytes(proof, keyedBlake2b(HASH_BYTES, this.#otherKey, Uint8Array.of(step)));
  }

  wipe(): void {
    this.#ownKey.fill(0);
    this.#otherKey.fill(0);
  }
}
