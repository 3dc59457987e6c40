/** HELLOs of one peer that were answered, if only by silence: the same bytes get the same answer (PROTOCOL §5.3). */
import { equalBytes, idAt } from '../bytes.ts';
import { REST_OFFSET } from '../wire/header.ts';
import { type Address, sameAddress } from './address.ts';
import { HELLO_REPEAT_INTERVAL_MS } from './constants.ts';

export class AnsweredHello {
  readonly hello: Uint8Array;
  /** A CHALLENGE, or a RETRY; null where the peer had said HELLO too often. */
  readonly answer: Uint8Array | null;
  /** Where the answer went first. */
  readonly to: Address;
  #lastTo: Address;
  #lastAt: number;

  constructor(hello: Uint8Array, answer: Uint8Array | null, to: Address, now: number) {
    this.hello = hello.slice();
    this.answer = answer;
    this.to = this.#lastTo = to;
    this.#lastAt = now;
  }

  /** Whether to answer a copy from there: what comes so soon again is one that the network made, or an attacker. */
  isDue(from: Address, now: number): boolean {
    if (sameAddress(from, this.#lastTo) && now - this.#lastAt < HELLO_REPEAT_INTERVAL_MS) return false;
    this.#lastTo = from;
    this.#lastAt = now;
    return true;
  }
}

export class AnsweredHellos<T extends AnsweredHello = AnsweredHello> {
  readonly #limit: number;
  /** By random bytes of the header: no hash, for what may be a stranger's. */
  readonly #answered = new Map<bigint, T>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  find(hello: Uint8Array): T | undefined {
    const answered = this.#answered.get(keyOf(hello));
    return answered !== undefined && equalBytes(answered.hello, hello) ? answered : undefined;
  }

  get isFull(): boolean {
    return this.#answered.size >= this.#limit;
  }

  /** Only what is authentic. The oldest makes room. */
  add(answered: T): void {
    this.#answered.set(keyOf(answered.hello), answered);
    if (this.#answered.size > this.#limit)
      this.#answered.delete(this.#answered.keys().next().value as bigint);
  }
}

function keyOf(hello: Uint8Array): bigint {
  return idAt(hello, REST_OFFSET);
}
