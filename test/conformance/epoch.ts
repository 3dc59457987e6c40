/** What a responder answers HELLOs from: PROTOCOL.md §5.2, and the meter of §5.3. */
import { bigEndian, fields, hex, join, same } from './bytes.ts';
import { HEADER } from './handshake.ts';
import { box, hash, type KeyPair, keyPair, unbox } from './keys.ts';

const ISSUES_MS = 60_000;
const LIVES_MS = 120_000;
/** CHALLENGEs of a peer that are remembered, to be given again. */
const REMEMBERED = 8;
/** The responder has one peer. */
const PEER = bigEndian(0, 4);

/** Where a datagram came from, as text. */
export type Address = string;

/** What an epoch draws at random. */
interface EpochSecrets {
  readonly epochKey: Uint8Array;
  readonly epochSecret: Uint8Array;
  readonly firstSid: Uint8Array;
}

interface Given {
  readonly challenge: Uint8Array;
  readonly sid: string;
}

export class Epoch {
  readonly key: Uint8Array;
  readonly ephemeral: KeyPair;
  readonly consumed = new Set<string>();
  readonly #given = new Map<string, Given>();
  /** Where the CHALLENGE with a sid went first; undefined once it went elsewhere too. */
  readonly #wentTo = new Map<string, Address | undefined>();
  readonly #beganAt: number;
  #nextSid: bigint;

  constructor({ epochKey, epochSecret, firstSid }: EpochSecrets, now: number) {
    this.key = epochKey.slice();
    this.ephemeral = keyPair(epochSecret.slice());
    this.#nextSid = BigInt(`0x${hex(firstSid)}`);
    this.#beganAt = now;
  }

  issues = (now: number): boolean => now < this.#beganAt + ISSUES_MS;
  lives = (now: number): boolean => now < this.#beganAt + LIVES_MS;

  newSid(): Uint8Array {
    return bigEndian(this.#nextSid++, 8);
  }

  remember(hello: Uint8Array, challenge: Uint8Array, sid: Uint8Array, to: Address): void {
    this.#given.set(hex(hash(256, hello)), { challenge, sid: hex(sid) });
    this.#wentTo.set(hex(sid), to);
    const [oldest] = this.#given.keys();
    if (this.#given.size > REMEMBERED && oldest !== undefined) this.#given.delete(oldest);
  }

  /** The CHALLENGE that those bytes got already, which now goes `to` somewhere. */
  again(hello: Uint8Array, to: Address): Uint8Array | undefined {
    const given = this.#given.get(hex(hash(256, hello)));
    if (given && this.#wentTo.get(given.sid) !== to) this.#wentTo.set(given.sid, undefined);
    return given?.challenge;
  }

  cookie(sid: Uint8Array, ck: Uint8Array, from: Address): Uint8Array {
    return box(this.key, join(sid, new Uint8Array(16)), join(ck, PEER, this.#address(from)));
  }

  /** `ck` of an OPEN's cookie, and whether it proves that the initiator is where the OPEN came from. */
  openCookie(
    open: Uint8Array,
    from: Address,
  ): { readonly ck: Uint8Array; readonly proves: boolean } | undefined {
    const sid = open.slice(1, 9);
    const plain = unbox(this.key, join(sid, new Uint8Array(16)), open.subarray(HEADER, 79));
    const cut = plain && fields(plain, 32, 4, 3);
    if (!cut) return undefined;
    const [ck, , address] = cut;
    return { ck, proves: same(address, this.#address(from)) && this.#wentTo.get(hex(sid)) === from };
  }

  token = (initiator: Uint8Array): Uint8Array => hash(256, join('retry', initiator), this.key).slice(0, 5);

  erase(): void {
    this.key.fill(0);
    this.ephemeral.secret.fill(0);
    this.consumed.clear();
    this.#given.clear();
    this.#wentTo.clear();
  }

  #address(from: Address): Uint8Array {
    return hash(256, join('address', from), this.key).slice(0, 3);
  }
}

/** A token bucket: so many at once, and so many a second. */
export class Bucket {
  readonly #burst: number;
  readonly #perSecond: number;
  #level: number;
  #filledAt = 0;

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#level = burst;
  }

  take(now: number): boolean {
    this.#level = Math.min(this.#burst, this.#level + ((now - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = now;
    if (this.#level < 1) return false;
    this.#level--;
    return true;
  }
}
