/**
 * What a responder holds while it has no session yet: one key that seals its handshake state into cookies, one
 * ephemeral keypair, the ids it has given out, and the CHALLENGEs to repeat. All of it is born, and dies, together
 * (PROTOCOL §5.2); how long it lives is the window of forward secrecy.
 */
import { concat, equalBytes, idAt, idBytes, toHex, utf8 } from '../bytes.ts';
import { KEY_BYTES, NONCE_BYTES, open, seal } from '../crypto/box.ts';
import { keyedBlake2b } from '../crypto/hash.ts';
import { type KeyPair, keyPairFromSecret, SecretKey } from '../crypto/keys.ts';
import { type Address, formatAddress } from './address.ts';
import { CACHED_CHALLENGES, EPOCH_MS } from './constants.ts';
import { TOKEN_BYTES } from './handshake-datagrams.ts';
import type { Peer } from './peer.ts';

const LABEL_RETRY = utf8('retry');
const LABEL_ADDRESS = utf8('address');
const PEER_INDEX_BYTES = 4;
const ADDRESS_HASH_BYTES = 3;
const ID_SPACE = 2n ** 64n;

/** What a cookie holds. */
export interface HandshakeState {
  readonly chainingKey: Uint8Array;
  readonly peerIndex: number;
  /** Whether the OPEN came from the address that the CHALLENGE was sent to. */
  readonly sameAddress: boolean;
}

export class Epoch {
  /** Issues no CHALLENGE from then on. */
  readonly endsAt: number;
  /** All keys are erased then. */
  readonly diesAt: number;
  readonly ephemeral: KeyPair;
  readonly #key: Uint8Array;
  readonly #consumed = new Set<bigint>();
  readonly #challenges = new Map<Peer, Map<string, Uint8Array>>();
  #nextId: bigint;

  constructor(now: number, random: (length: number) => Uint8Array) {
    this.endsAt = now + EPOCH_MS;
    this.diesAt = now + 2 * EPOCH_MS;
    this.#key = random(KEY_BYTES);
    this.ephemeral = keyPairFromSecret(SecretKey.generate(random));
    this.#nextId = idAt(random(8));
  }

  /** The id for a new session; `taken` are those that the endpoint receives on already. */
  newId(taken: (id: bigint) => boolean): bigint {
    while (taken(this.#nextId)) this.#nextId = (this.#nextId + 1n) % ID_SPACE;
    const id = this.#nextId;
    this.#nextId = (this.#nextId + 1n) % ID_SPACE;
    return id;
  }

  sealCookie(id: bigint, chainingKey: Uint8Array, peerIndex: number, address: Address): Uint8Array {
    const index = new Uint8Array(PEER_INDEX_BYTES);
    new DataView(index.buffer).setUint32(0, peerIndex);
    return seal(concat(chainingKey, index, this.#addressHash(address)), cookieNonce(id), this.#key);
  }

  openCookie(id: bigint, cookie: Uint8Array, from: Address): HandshakeState | null {
    const state = open(cookie, cookieNonce(id), this.#key);
    if (state === null) return null;
    return {
      chainingKey: state.slice(0, KEY_BYTES),
      peerIndex: new DataView(state.buffer).getUint32(KEY_BYTES),
      sameAddress: equalBytes(state.subarray(KEY_BYTES + PEER_INDEX_BYTES), this.#addressHash(from)),
    };
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

  cachedChallenge(peer: Peer, helloHash: Uint8Array): Uint8Array | undefined {
    return this.#challenges.get(peer)?.get(toHex(helloHash));
  }

  cacheChallenge(peer: Peer, helloHash: Uint8Array, challenge: Uint8Array): void {
    let cache = this.#challenges.get(peer);
    if (cache === undefined) this.#challenges.set(peer, (cache = new Map()));
    cache.set(toHex(helloHash), challenge);
    if (cache.size > CACHED_CHALLENGES) cache.delete(cache.keys().next().value as string);
  }

  wipe(): void {
    this.#key.fill(0);
    this.ephemeral.secretKey.wipe();
    this.#challenges.clear();
    this.#consumed.clear();
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
