/** What was asked for, as its pieces come in: in any order, some of them twice. */
import type { StreamSubject } from '../wire/stream-messages.ts';
import { BYTES_OF_A_PART, FREE_PARTS } from './constants.ts';
import { Ranges } from './ranges.ts';

export type StreamResult =
  | { readonly ok: true; readonly bytes: Uint8Array }
  /** The other side does not give it, and says why. */
  | { readonly ok: false; readonly reason: 'refused'; readonly code: string }
  /** More than was asked for, or not what it was before: the other side does not keep to the protocol. */
  | { readonly ok: false; readonly reason: 'invalid' }
  /** The session ended, nothing is heard on it any more, or none could be had. It may be asked for again. */
  | { readonly ok: false; readonly reason: 'lost' };

export interface AskSpec {
  readonly subject: StreamSubject;
  /** An answer is at most as long; so much memory is taken once the first of it is there. */
  readonly maxBytes: number;
  /** Called once. */
  readonly settle: (result: StreamResult) => void;
  /** Told of each piece that is new. */
  readonly onBytes?: (bytes: number) => void;
}

export class AskedStream {
  /** In its session. */
  readonly id: number;
  readonly spec: AskSpec;
  /** The ASK was acknowledged, or something of the answer is there. */
  isHeard = false;
  #buffer: Uint8Array | null = null;
  #length: number | null = null;
  readonly #there = new Ranges();

  constructor(id: number, spec: AskSpec) {
    this.id = id;
    this.spec = spec;
  }

  /** @returns the whole, once it is there; false for a piece that cannot be of it */
  receive(offset: number, bytes: Uint8Array, isLast: boolean): Uint8Array | false | null {
    this.isHeard = true;
    const { maxBytes } = this.spec;
    const end = offset + bytes.length;
    if (end > (this.#length ?? maxBytes)) return false;
    if (isLast) {
      if (this.#length !== null && this.#length !== end) return false;
      if (this.#there.end > end) return false;
      this.#length = end;
    }
    this.#buffer ??= new Uint8Array(maxBytes);
    this.#buffer.set(bytes, offset);
    const before = this.#there.bytes;
    this.#there.add(offset, end);
    if (this.#there.count > FREE_PARTS + maxBytes / BYTES_OF_A_PART) return false;
    if (this.#there.bytes > before) this.spec.onBytes?.(this.#there.bytes - before);
    return this.#there.bytes === this.#length ? this.#buffer.subarray(0, this.#length) : null;
  }
}
