/** One side of a pairing, without socket or timers: PROTOCOL.md, Appendix B. Its owner sends `due` every 500 ms. */
import { fields, hex, join, random, same } from './bytes.ts';
import { agree, hash, type KeyPair, twoKeys } from './keys.ts';

const LENGTH = 512;
const LABEL = join('udp-tool/1 pair');
const NAME = 32;
const AT = 255;
const OFFER = 32 + 1 + NAME + 1 + AT;
const PROOF = 32;

export const STEP = { ready: 0, yes: 1, written: 2, over: 3, no: 255 } as const;
const TYPE = { hello: 1, answer: 2, reveal: 3, confirm: 4 } as const;

export interface Offer {
  readonly publicKey: Uint8Array;
  readonly name: string;
  readonly at: string;
}

const zeros = (length: number): Uint8Array => new Uint8Array(length);

function encodeOffer({ publicKey, name, at }: Offer): Uint8Array {
  const text = (value: string, room: number): Uint8Array =>
    join([value.length], value, zeros(room - value.length));
  return join(publicKey, text(name, NAME), text(at, AT));
}

/** Undefined where it is not as B.1 says. */
function decodeOffer(bytes: Uint8Array): Offer | undefined {
  const cut = fields(bytes, 32, 1, NAME, 1, AT);
  if (!cut) return undefined;
  const [publicKey, nameLength, name, atLength, at] = cut;
  const text = ([length = 0]: Uint8Array, room: Uint8Array): string | undefined =>
    room.subarray(length).some((byte) => byte !== 0) || length > room.length
      ? undefined
      : String.fromCharCode(...room.subarray(0, length));
  const [ofName, ofAt] = [text(nameLength, name), text(atLength, at)];
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/.test(ofName ?? '') || !/^[A-Za-z0-9._:%[\]-]*$/.test(ofAt ?? '!'))
    return undefined;
  if (agree(new Uint8Array(32).fill(9), publicKey) === undefined) return undefined;
  return { publicKey, name: ofName ?? '', at: ofAt ?? '' };
}

export const commitmentTo = (offer: Uint8Array, nonce: Uint8Array): Uint8Array =>
  hash(256, join('udp-tool/1 pair commit', offer, nonce));

/** What both sides derive once each knows the other's offer and nonce (B.3). */
export class Transcript {
  readonly t: Uint8Array;
  readonly codeHash: Uint8Array;
  readonly asker: Uint8Array;
  readonly waiter: Uint8Array;

  constructor(own: KeyPair, other: Uint8Array, ...offersAndNonces: Uint8Array[]) {
    const kSs = agree(own.secret, other);
    if (kSs === undefined) throw new Error('a point of low order');
    this.t = hash(256, join('udp-tool/1 pair transcript', ...offersAndNonces));
    this.codeHash = hash(256, join('udp-tool/1 pair code', this.t));
    [this.asker, this.waiter] = twoKeys(kSs, join('udp-tool/1 pair confirm', this.t));
  }

  get code(): string {
    return `${BigInt(`0x${hex(this.codeHash.slice(0, 8))}`) % 1_000_000n}`.padStart(6, '0');
  }

  proof = (of: 'asker' | 'waiter', step: number): Uint8Array => hash(256, Uint8Array.of(step), this[of]);
}

export class Pairing {
  readonly offer: Uint8Array;
  readonly #own: KeyPair;
  readonly #role: 'asker' | 'waiter';
  readonly #nonce: Uint8Array;
  #commitment: Uint8Array | undefined;
  #transcript: Transcript | undefined;
  #other: Offer | undefined;
  #otherStep = -1;
  #said = false;
  step: number = STEP.ready;

  constructor(role: 'asker' | 'waiter', own: KeyPair, name: string, at: string, nonce = random(32)) {
    this.#role = role;
    this.#own = own;
    this.#nonce = nonce;
    this.offer = encodeOffer({ publicKey: own.public, name, at });
    if (role === 'asker') this.#commitment = commitmentTo(this.offer, nonce);
  }

  /** What to compare with the other machine; undefined until a proof of it was seen. */
  get code(): string | undefined {
    return this.#otherStep < 0 ? undefined : this.#transcript?.code;
  }

  /** Whom to trust; undefined before both said yes. */
  get peer(): Offer | undefined {
    return this.step === STEP.written || this.step === STEP.over ? this.#other : undefined;
  }

  /** The person said that both machines show the same code, or that they do not. */
  says(same: boolean): void {
    if (this.code === undefined) throw new Error('no code yet');
    this.#said = same;
    if (!same) this.step = STEP.no;
    this.#advance();
  }

  /** What this side sends now, and again every 500 ms. */
  due(): Uint8Array | undefined {
    if (this.#role === 'asker' && this.#transcript === undefined) return this.#datagram(TYPE.hello);
    if (this.step !== STEP.ready) return this.#confirm();
    return this.#role === 'asker' && this.#otherStep < 0 ? this.#reveal() : undefined;
  }

  /** What answers that datagram at once. */
  take(datagram: Uint8Array): Uint8Array | undefined {
    const type = datagram[LABEL.length];
    const commitment = datagram.slice(16, 48);
    if (datagram.length !== LENGTH || !same(datagram.subarray(0, LABEL.length), LABEL)) return undefined;
    if (this.#role === 'waiter' && type === TYPE.hello) this.#commitment ??= commitment;
    if (!this.#commitment || !same(commitment, this.#commitment)) return undefined;
    const lengths: Partial<Record<number, number>> = {
      [TYPE.hello]: 0,
      [TYPE.answer]: OFFER + 32,
      [TYPE.reveal]: OFFER + 32 + PROOF,
      [TYPE.confirm]: 1 + PROOF,
    };
    const end = 48 + (lengths[type ?? 0] ?? LENGTH);
    if (datagram.subarray(end).some((byte) => byte !== 0)) return undefined;
    const body = datagram.slice(48, end);
    const asking = this.#role === 'asker';
    if (type === TYPE.hello && !asking)
      return this.#transcript ? undefined : this.#datagram(TYPE.answer, this.offer, this.#nonce);
    if (type === TYPE.answer && asking) return this.#answered(body);
    if (type === TYPE.reveal && !asking) return this.#revealed(body);
    return type === TYPE.confirm && this.#transcript ? this.#confirmed(this.#transcript, body) : undefined;
  }

  #answered(body: Uint8Array): Uint8Array | undefined {
    const [offer, nonce] = fields(body, OFFER, 32) ?? [];
    if (!offer || !nonce) return undefined;
    const other = decodeOffer(offer);
    if (!other || same(other.publicKey, this.#own.public)) return this.#fail();
    const transcript = new Transcript(this.#own, other.publicKey, this.offer, this.#nonce, offer, nonce);
    if (this.#transcript) return same(transcript.t, this.#transcript.t) ? undefined : this.#fail();
    this.#transcript = transcript;
    this.#other = other;
    return this.#reveal();
  }

  #revealed(body: Uint8Array): Uint8Array | undefined {
    const [offer, nonce, proof] = fields(body, OFFER, 32, PROOF) ?? [];
    const other = offer && decodeOffer(offer);
    if (!offer || !nonce || !proof || !other || same(other.publicKey, this.#own.public)) return this.#fail();
    if (!same(commitmentTo(offer, nonce), this.#commitment ?? zeros(0))) return this.#fail();
    const transcript = new Transcript(this.#own, other.publicKey, offer, nonce, this.offer, this.#nonce);
    if (!same(proof, transcript.proof('asker', STEP.ready))) return this.#fail();
    this.#transcript = transcript;
    this.#other = other;
    this.#otherStep = Math.max(this.#otherStep, STEP.ready);
    return this.#confirm();
  }

  #confirmed(transcript: Transcript, body: Uint8Array): Uint8Array | undefined {
    const [step = 0] = body;
    const other = this.#role === 'asker' ? 'waiter' : 'asker';
    if (!same(body.subarray(1), transcript.proof(other, step))) return this.#fail();
    if (step === STEP.no) {
      const again = this.step === STEP.no;
      return again || this.step >= STEP.written ? undefined : this.#fail();
    }
    this.#otherStep = Math.max(this.#otherStep, step);
    const before = this.step;
    this.#advance();
    const lacks = this.step === STEP.over && step !== STEP.over;
    return this.step !== before || lacks ? this.#confirm() : undefined;
  }

  #advance(): void {
    if (!this.#said || this.step === STEP.no) return;
    this.step = Math.max(this.step, STEP.yes);
    if (this.#otherStep >= STEP.yes) this.step = Math.max(this.step, STEP.written);
    if (this.#otherStep >= STEP.written) this.step = STEP.over;
  }

  /** What does not fit ends the attempt. */
  #fail(): Uint8Array | undefined {
    if (this.step >= STEP.written) return undefined;
    this.step = STEP.no;
    return this.#transcript && this.#confirm();
  }

  #reveal(): Uint8Array | undefined {
    const proof = this.#transcript?.proof('asker', STEP.ready);
    return proof && this.#datagram(TYPE.reveal, this.offer, this.#nonce, proof);
  }

  #confirm(): Uint8Array | undefined {
    const proof = this.#transcript?.proof(this.#role, this.step);
    return proof && this.#datagram(TYPE.confirm, [this.step], proof);
  }

  #datagram(type: number, ...body: (Uint8Array | number[])[]): Uint8Array {
    const head = join(LABEL, [type], this.#commitment ?? zeros(0), ...body);
    return join(head, zeros(LENGTH - head.length));
  }
}
