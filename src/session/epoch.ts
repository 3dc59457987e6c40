/**
 * What a responder holds while it has no session yet: one key that seals its handshake state into cookies, one
 * ephemeral keypair, the ids it has given out, and the CHALLENGEs to repeat. All of it is born, and dies, together
 * (PROTOCOL §5.2); how long it lives is the window of forward secrecy.
 */
import { concat, copyKey, equalBytes, idBytes, utf8 } from '../bytes.ts';
import { KEY_BYTES, NONCE_BYTES, open, seal, sharedKey } from '../crypto/box.ts';
import { keyedBlake2b } from '../crypto/hash.ts';
import { SecretKey } from '../crypto/keys.ts';
import { type Address, formatAddress, sameAddress } from './address.ts';
import { AnsweredHello, AnsweredHellos } from './answered-hellos.ts';
import { CACHED_CHALLENGES, CACHED_RETRIES, EPOCH_MS } from './constants.ts';
import { TOKEN_BYTES } from './handshake-datagrams.ts';
import type { Peer } from './peer.ts';
import { CountingIds, type SessionIds } from './session-ids.ts';

const LABEL_RETRY = utf8('retry');
const LABEL_ADDRESS = utf8('address');
const PEER_INDEX_BYTES = 4;
const ADDRESS_HASH_BYTES = 3;

/** What a cookie holds. */
export interface HandshakeState {
  readonly chainingKey: Uint8Array;
  readonly peerIndex: number;
  readonly addressHash: Uint8Array;
}

/** A HELLO that got a CHALLENGE. */
class Challenged extends AnsweredHello {
  readonly id: bigint;

  constructor(id: bigint, hello: Uint8Array, challenge: Uint8Array, to: Address, now: number) {
    super(hello, challenge, to, now);
    this.id = id;
  }
}

export class Epoch {
  /** Issues no CHALLENGE from then on. */
  readonly endsAt: number;
  /** All keys are erased then. */
  readonly diesAt: number;
  readonly ephemeralPublic: Uint8Array;
  readonly #ephemeral: SecretKey;
  readonly #key: Uint8Array;
  /** Of the ephemeral key and each peer's own: the same for all its handshakes. */
  readonly #sharedWith = new Map<Peer, Uint8Array>();
  readonly #consumed = new Set<bigint>();
  readonly #challenged = new Map<Peer, AnsweredHellos<Challenged>>();
  readonly #retried = new Map<Peer, AnsweredHellos>();
  /** Ids whose CHALLENGE went to more than one address: to have seen it proves none. */
  readonly #shared = new Set<bigint>();
  readonly #ids: SessionIds;

  constructor(now: number, random: (length: number) => Uint8Array, ids?: SessionIds) {
    this.endsAt = now + EPOCH_MS;
    this.diesAt = now + 2 * EPOCH_MS;
    this.#key = random(KEY_BYTES);
    this.#ephemeral = SecretKey.generate(random);
    this.ephemeralPublic = this.#ephemeral.publicKeyBytes();
    this.#ids = ids ?? new CountingIds(random);
  }

  /** The id for a new session; `taken` are those that the endpoint receives on already. */
  newId(taken: (id: bigint) => boolean): bigint {
    return this.#ids.next(taken);
  }

  /** Diffie–Hellman of the ephemeral key with an initiator's key; null for a point of low order. */
  sharedKey(publicKey: Uint8Array): Uint8Array | null {
    return sharedKey(publicKey, this.#ephemeral.expose());
  }

  /** Diffie–Hellman of the ephemeral key with the peer's static one. The caller gets a copy, to be wiped. */
  sharedKeyWith(peer: Peer): Uint8Array | null {
    let shared = this.#sharedWith.get(peer) ?? null;
    if (shared === null) {
      shared = this.sharedKey(peer.publicKey.bytes);
      if (shared === null) return null;
      this.#sharedWith.set(peer, shared);
    }
    return copyKey(shared);
  }

  sealCookie(id: bigint, chainingKey: Uint8Array, peerIndex: number, address: Address): Uint8Array {
    const index = new Uint8Array(PEER_INDEX_BYTES);
    new DataView(index.buffer).setUint32(0, peerIndex);
    const state = concat(chainingKey, index, this.#addressHash(address));
    const cookie = seal(state, cookieNonce(id), this.#key);
    state.fill(0);
    return cookie;
  }

  openCookie(id: bigint, cookie: Uint8Array): HandshakeState | null {
    const state = open(cookie, cookieNonce(id), this.#key);
    if (state === null) return null;
    const opened = {
      chainingKey: copyKey(state.subarray(0, KEY_BYTES)),
      peerIndex: new DataView(state.buffer, state.byteOffset).getUint32(KEY_BYTES),
      addressHash: state.slice(KEY_BYTES + PEER_INDEX_BYTES),
    };
    state.fill(0);
    return opened;
  }

  /** Whether an OPEN with that cookie came from the only address that its CHALLENGE was sent to. */
  provesAddress(id: bigint, { addressHash }: HandshakeState, from: Address): boolean {
    return !this.#shared.has(id) && equalBytes(addressHash, this.#addressHash(from));
  }

  isConsumed(id: bigint): boolean {
    return this.#consumed.has(id);
  }

  consume(id: bigint): void {
    this.#consumed.add(id);
  }

  retryToken(peer: Peer): Uint8Array {
    return keyedBlake2b(32, this.#key, LABEL_RETRY, peer.publicKey.bytes).slice(0, TOKEN_BYTES);
  }

  /**
   * The answer that these HELLO bytes got before, to be sent to `from` as well; `replayed` where they came from there
   * just now. A RETRY is repeated for as long as the epoch issues CHALLENGEs: its token is not good for longer.
   */
  answerAgain(
    peer: Peer,
    hello: Uint8Array,
    from: Address,
    now: number,
  ): Uint8Array | 'replayed' | undefined {
    const challenged = this.#challenged.get(peer)?.find(hello);
    if (challenged !== undefined && !sameAddress(challenged.to, from)) this.#shared.add(challenged.id);
    const answered = challenged ?? (now < this.endsAt ? this.#retried.get(peer)?.find(hello) : undefined);
    if (answered === undefined) return undefined;
    if (!answered.isDue(from, now)) return 'replayed';
    return answered.answer ?? undefined; // what got silence may get more now
  }

  rememberChallenge(
    peer: Peer,
    id: bigint,
    hello: Uint8Array,
    challenge: Uint8Array,
    to: Address,
    now: number,
  ): void {
    let ofPeer = this.#challenged.get(peer);
    if (ofPeer === undefined) this.#challenged.set(peer, (ofPeer = new AnsweredHellos(CACHED_CHALLENGES)));
    ofPeer.add(new Challenged(id, hello, challenge, to, now));
  }

  /** @param retry null where there was silence */
  rememberRetry(peer: Peer, hello: Uint8Array, retry: Uint8Array | null, to: Address, now: number): void {
    let ofPeer = this.#retried.get(peer);
    if (ofPeer === undefined) this.#retried.set(peer, (ofPeer = new AnsweredHellos(CACHED_RETRIES)));
    // The first stay: of many that come in turn, the last would always have been forgotten.
    if (!ofPeer.isFull) ofPeer.add(new AnsweredHello(hello, retry, to, now));
  }

  /** The peer is trusted no more. */
  forget(peer: Peer): void {
    this.#sharedWith.get(peer)?.fill(0);
    this.#sharedWith.delete(peer);
    this.#challenged.delete(peer);
    this.#retried.delete(peer);
  }

  wipe(): void {
    this.#key.fill(0);
    this.#ephemeral.wipe();
    for (const shared of this.#sharedWith.values()) shared.fill(0);
    this.#sharedWith.clear();
    this.#challenged.clear();
    this.#retried.clear();
    this.#consumed.clear();
    this.#shared.clear();
  }

  #addressHash(address: Address): Uint8Array {
    const hash = keyedBlake2b(32, this.#key, LABEL_ADDRESS, utf8(formatAddress(address)));
    return hash.slice(0, ADDRESS_HASH_BYTES);
  }
}

function cookieNonce(id: bigint): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES);
  nonce.set(idBytes(id));
  return nonce;
}
