/**
 * One attempt of two machines to add each other: commit, reveal, compare, confirm (PROTOCOL, Appendix B). Without a
 * socket, a clock, a timer or randomness of its own.
 *
 * Put in: `receive`, `timeout`, what the person says (`confirm`, `giveUp`) and that the book is written (`written`).
 * Take out: events, datagrams from `drain`, and from `nextTimeout` when to call `timeout`.
 */
import { equalBytes } from '../bytes.ts';
import type { KeyPair } from '../crypto/keys.ts';
import { type Address, sameAddress, type Transmit } from '../session/address.ts';
import { FAREWELL_MS, RESEND_MS, STAGE_MS, WRITTEN_MS } from './constants.ts';
import { decodeDatagram, encodeDatagram, NONCE_BYTES, type PairingDatagram } from './datagrams.ts';
import { commitmentOf, Exchange, type Role, type Share, Step } from './exchange.ts';
import { encodeOffer, type Offer } from './offer.ts';

export type PairingOutcome =
  /** Both machines trust each other. */
  | 'paired'
  /** This machine trusts the other; whether the other trusts this one is not known. */
  | 'paired-alone'
  /** Nobody answered, or whoever began did not go on. */
  | 'no-answer'
  /** The codes were shown, and the yes of both did not come in time. */
  | 'no-confirmation'
  /** The person here did not say yes. */
  | 'denied'
  /** The other machine gave up, or its person said no. */
  | 'refused'
  /** This machine gave up. */
  | 'given-up'
  /** Something came that the other machine cannot have sent. */
  | 'interfered'
  /** What answers has this machine's own key. */
  | 'own-key';

export type PairingEvent =
  /** Show the code, and ask the person whether the other machine shows it: {@link Pairing.confirm}. */
  | { readonly type: 'code'; readonly code: string; readonly other: Offer }
  /** Both people said yes: put the other into the peer book, then call {@link Pairing.written}. */
  | { readonly type: 'agreed'; readonly other: Offer }
  /** Another machine than the one of this exchange tries to pair, too. Told once. */
  | { readonly type: 'somebody-else'; readonly from: Address }
  /** Nothing follows; what `drain` still gives should be sent. */
  | { readonly type: 'ended'; readonly outcome: PairingOutcome };

export interface PairingOptions {
  readonly keyPair: KeyPair;
  /** What this machine calls itself. */
  readonly name: string;
  /** `HOST:PORT` where it serves; empty if it does not say. */
  readonly at: string;
  /** Where the other machine waits; without it, this one waits. */
  readonly ask?: readonly Address[];
  /** Whether a text that the other machine sent can be an address. */
  readonly isAddress: (text: string) => boolean;
  /** Uniform random bytes from a cryptographic source. */
  readonly random: (length: number) => Uint8Array;
  readonly onEvent: (event: PairingEvent) => void;
}

type ShareDatagram = Extract<PairingDatagram, { readonly type: 'answer' | 'reveal' }>;

export class Pairing {
  readonly #options: PairingOptions;
  readonly #role: Role;
  readonly #own: Share;
  /** Of the one exchange that this machine takes part in. */
  #commitment: Uint8Array | null = null;
  #exchange: Exchange | null = null;
  /** The datagram with the other's share. Another one with this commitment is not from the same machine. */
  #shareDatagram: Uint8Array | null = null;
  #mine: Step = Step.READY;
  #theirs: Step | null = null;
  #hasAgreed = false;
  #hasToldOfOthers = false;
  #outcome: PairingOutcome | null = null;
  #isOver = false;
  #to: readonly Address[];
  #outgoing: Transmit[] = [];
  #deadline = Number.POSITIVE_INFINITY;
  #resendAt = Number.POSITIVE_INFINITY;

  /** @throws UdpToolError `bad-usage` for a name or an address that cannot be sent */
  constructor(options: PairingOptions, now: number) {
    const { keyPair, name, at, ask, random } = options;
    this.#options = options;
    this.#own = {
      offer: encodeOffer({ publicKey: keyPair.publicKey, name, at }),
      nonce: random(NONCE_BYTES),
    };
    this.#role = ask === undefined ? 'waiter' : 'asker';
    this.#to = ask ?? [];
    if (this.#role === 'asker') this.#begin(commitmentOf(this.#own), now);
  }

  receive(bytes: Uint8Array, from: Address, now: number): void {
    if (this.#isOver) return;
    const datagram = decodeDatagram(bytes);
    if (datagram === null) return;
    if (datagram.type === 'hello') {
      if (this.#role === 'waiter') this.#onHello(datagram.commitment, from, now);
      return;
    }
    if (this.#commitment === null || !equalBytes(datagram.commitment, this.#commitment)) return;
    if (datagram.type === 'confirm') this.#onConfirm(datagram.step, datagram.proof, from, now);
    else if (datagram.type === (this.#role === 'asker' ? 'answer' : 'reveal'))
      this.#onShare(datagram, bytes, from, now);
  }

  timeout(now: number): void {
    if (now >= this.#deadline) this.#onDeadline(now);
    else if (now >= this.#resendAt) this.#say(now);
  }

  nextTimeout(): number {
    return Math.min(this.#deadline, this.#resendAt);
  }

  drain(): Transmit[] {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    return outgoing;
  }

  waitingBytes(): number {
    return 0;
  }

  expectsCompany(): boolean {
    return false;
  }

  /** What the person says to the code. */
  confirm(isSame: boolean, now: number): void {
    if (this.#outcome !== null || this.#theirs === null || this.#mine !== Step.READY) return;
    if (!isSame) {
      this.#leave('denied', now);
      return;
    }
    this.#mine = Step.YES;
    this.#say(now);
    this.#advance(now);
  }

  /** The other machine is in the peer book. */
  written(now: number): void {
    if (!this.#hasAgreed || this.#mine !== Step.YES) return;
    if (this.#theirs === Step.NO) {
      this.#end('paired-alone');
      return;
    }
    this.#mine = Step.WRITTEN;
    this.#deadline = now + WRITTEN_MS;
    this.#say(now);
    this.#advance(now);
  }

  giveUp(now: number): void {
    if (this.#outcome !== null) return;
    if (this.#mine === Step.WRITTEN) this.#end('paired-alone');
    else this.#leave('given-up', now);
  }

  #begin(commitment: Uint8Array, now: number): void {
    this.#commitment = commitment;
    this.#deadline = now + STAGE_MS;
    this.#say(now);
  }

  #onHello(commitment: Uint8Array, from: Address, now: number): void {
    if (this.#commitment !== null && !equalBytes(commitment, this.#commitment)) {
      if (!this.#hasToldOfOthers) this.#options.onEvent({ type: 'somebody-else', from });
      this.#hasToldOfOthers = true;
      return;
    }
    if (this.#exchange !== null) return; // a late copy
    this.#to = [from];
    if (this.#commitment === null) this.#begin(commitment, now);
    else this.#say(now);
  }

  /** An ANSWER, or a REVEAL. */
  #onShare(datagram: ShareDatagram, bytes: Uint8Array, from: Address, now: number): void {
    if (this.#shareDatagram !== null) {
      if (!equalBytes(bytes, this.#shareDatagram)) this.#interfere(now);
      else if (this.#role === 'waiter') this.#say(now); // it did not hear that this machine is ready
      return;
    }
    const { keyPair, isAddress } = this.#options;
    const exchange = Exchange.of(this.#role, this.#own, datagram, keyPair.secretKey);
    if (exchange?.other.publicKey.equals(keyPair.publicKey)) {
      this.#leave('own-key', now);
      return;
    }
    const isHonest =
      exchange !== null &&
      (exchange.other.at === '' || isAddress(exchange.other.at)) &&
      (datagram.type === 'answer' ||
        (equalBytes(commitmentOf(datagram), datagram.commitment) &&
          exchange.isProofOfOther(Step.READY, datagram.proof)));
    if (!isHonest) {
      this.#interfere(now);
      return;
    }
    this.#shareDatagram = bytes.slice();
    this.#exchange = exchange;
    this.#answerTo(from);
    this.#say(now);
    if (datagram.type === 'reveal') this.#onStep(Step.READY, now);
  }

  #onConfirm(step: number, proof: Uint8Array, from: Address, now: number): void {
    if (this.#exchange === null) return;
    if (!isStep(step) || !this.#exchange.isProofOfOther(step, proof)) {
      this.#interfere(now);
      return;
    }
    this.#answerTo(from);
    this.#onStep(step, now);
  }

  #onStep(step: Step, now: number): void {
    if (this.#exchange === null) return;
    if (this.#mine === Step.NO) {
      if (step === Step.NO) this.#end();
      else this.#say(now);
      return;
    }
    if (step === Step.NO) {
      this.#onNo(now);
      return;
    }
    const isFirst = this.#theirs === null;
    if (this.#theirs === null || step > this.#theirs) this.#theirs = step;
    if (isFirst) {
      this.#deadline = now + STAGE_MS;
      this.#resendAt = Number.POSITIVE_INFINITY; // nothing to say until the person here has answered
      const { code, other } = this.#exchange;
      this.#options.onEvent({ type: 'code', code, other });
    }
    this.#advance(now);
    if (this.#mine !== Step.OVER) return;
    if (step === Step.OVER) this.#end();
    else this.#say(now); // it does not know yet
  }

  /** Goes as far as what both sides said allows. */
  #advance(now: number): void {
    if (this.#exchange === null || this.#theirs === null) return;
    if (this.#mine === Step.YES && this.#theirs >= Step.YES && !this.#hasAgreed) {
      this.#hasAgreed = true;
      this.#deadline = Number.POSITIVE_INFINITY;
      this.#options.onEvent({ type: 'agreed', other: this.#exchange.other });
    }
    if (this.#mine === Step.WRITTEN && this.#theirs >= Step.WRITTEN) {
      this.#mine = Step.OVER;
      this.#outcome = 'paired';
      this.#deadline = now + FAREWELL_MS;
      this.#say(now);
    }
  }

  #onNo(now: number): void {
    if (this.#mine === Step.OVER) return;
    if (this.#mine === Step.WRITTEN) {
      this.#end('paired-alone');
    } else if (this.#hasAgreed) {
      this.#theirs = Step.NO; // the book is being written: see `written`
    } else {
      this.#mine = Step.NO;
      this.#say(now);
      this.#end('refused');
    }
  }

  /** Something came that does not fit. Once both have agreed, nobody can make it undone. */
  #interfere(now: number): void {
    if (this.#outcome === null && !this.#hasAgreed) this.#leave('interfered', now);
  }

  #onDeadline(now: number): void {
    if (this.#outcome !== null) this.#end();
    else if (this.#mine === Step.WRITTEN) this.#end('paired-alone');
    else this.#leave(this.#theirs === null ? 'no-answer' : 'no-confirmation', now);
  }

  /** Ends the attempt, and says so for a while where the other can know who says it. */
  #leave(outcome: PairingOutcome, now: number): void {
    if (this.#exchange === null) {
      this.#end(outcome);
      return;
    }
    this.#outcome = outcome;
    this.#mine = Step.NO;
    this.#deadline = now + FAREWELL_MS;
    this.#say(now);
  }

  #end(outcome: PairingOutcome | null = this.#outcome): void {
    if (this.#isOver || outcome === null) return;
    this.#outcome = outcome;
    this.#isOver = true;
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#resendAt = Number.POSITIVE_INFINITY;
    this.#exchange?.wipe();
    this.#options.onEvent({ type: 'ended', outcome });
  }

  /** The asker sends to every address of the other until it is heard at one of them. */
  #answerTo(from: Address): void {
    if (this.#role === 'waiter' || this.#to.some((address) => sameAddress(address, from))) this.#to = [from];
  }

  /** Sends what this machine has to say now; and again, unless it waits to be asked or for its person. */
  #say(now: number): void {
    const bytes = encodeDatagram(this.#datagram());
    this.#outgoing = this.#to.map((to) => ({ datagram: bytes, to }));
    const isUnasked = this.#mine !== Step.READY || (this.#role === 'asker' && this.#theirs === null);
    this.#resendAt = isUnasked ? now + RESEND_MS : Number.POSITIVE_INFINITY;
  }

  #datagram(): PairingDatagram {
    const commitment = this.#commitment as Uint8Array;
    if (this.#exchange === null) {
      return this.#role === 'asker'
        ? { type: 'hello', commitment }
        : { type: 'answer', commitment, ...this.#own };
    }
    const step = this.#mine;
    const proof = this.#exchange.proof(step);
    return this.#role === 'asker' && this.#theirs === null && step === Step.READY
      ? { type: 'reveal', commitment, ...this.#own, proof }
      : { type: 'confirm', commitment, step, proof };
  }
}

function isStep(step: number): step is Step {
  return Object.values<number>(Step).includes(step);
}
