/** The answers to one peer that are kept in case they have to be sent again: the newest, in bounded memory. */

export interface Answered {
  /** Encoded messages; null before there is an answer, and once it is not kept any longer. */
  answer: readonly Uint8Array[] | null;
}

export class KeptAnswers {
  /** The oldest first, from `#first` on; with some that were released meanwhile. An array for the reason of IdWindow. */
  #answered: Answered[] = [];
  #first = 0;
  #count = 0;
  #bytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Keeps an answer, once for each `to`; the oldest make room for it. */
  keep(to: Answered, answer: readonly Uint8Array[]): void {
    to.answer = answer.map((message) => message.slice()); // not the slab that it was cut from (bytes.ts)
    this.#answered.push(to);
    this.#count++;
    this.#bytes += bytesOf(answer);
    while (this.#bytes > this.#maxBytes) this.release(this.#answered[this.#first++] as Answered);
  }

  /** Keeps that answer no longer; nothing where there is none. */
  release(entry: Answered): void {
    if (entry.answer === null) return;
    this.#count--;
    this.#bytes -= bytesOf(entry.answer);
    entry.answer = null;
    if (this.#answered.length >= 2 * this.#count + 16) {
      this.#answered = this.#answered.slice(this.#first).filter(({ answer }) => answer !== null);
      this.#first = 0;
    }
  }
}

function bytesOf(messages: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const message of messages) bytes += message.length;
  return bytes;
}
