/** An answer as messages, whole or in parts, and back (PROTOCOL §8.5). */
import { DATA_CAPACITY } from '../session/handshake-datagrams.ts';
import { type CborValue, decodeCbor, encodeCbor, MAX_DEPTH, tooLarge } from '../wire/cbor.ts';
import { maxMessageBytes } from '../wire/envelope.ts';
import {
  ANSWER_DEPTH,
  encodeMessage,
  encodeResponse,
  HAVE_BYTES,
  MAX_ANSWER_BYTES,
  MessageType,
  PART_BYTES,
  type Part,
  type RequestRef,
} from '../wire/messages.ts';

/** What a MORE is told when nothing is known of its request; it settles nothing, and the request is sent anew. */
export const ANSWER_GONE = 'answer-gone';

/**
 * The messages that carry a value.
 * @throws UdpToolError `not-cbor` or `too-large`
 */
export function answerMessages(ref: RequestRef, value: CborValue): Uint8Array[] {
  const bytes = encodeCbor(value, MAX_DEPTH - ANSWER_DEPTH, MAX_ANSWER_BYTES);
  if (bytes.length > MAX_ANSWER_BYTES) throw tooLarge(MAX_ANSWER_BYTES);
  const whole = encodeResponse(ref, bytes);
  if (whole.length <= maxMessageBytes(DATA_CAPACITY)) return [whole];
  const { lane, id } = ref;
  const count = Math.ceil(bytes.length / PART_BYTES);
  return Array.from({ length: count }, (_, index) =>
    encodeMessage({
      type: MessageType.PART,
      lane,
      id,
      index,
      count,
      bytes: bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES),
    }),
  );
}

/** Those of an answer's parts that `have` lacks. */
export function missingParts(messages: readonly Uint8Array[], have: Uint8Array): Uint8Array[] {
  return messages.filter((_, index) => !hasBit(have, index));
}

/** Collects the parts of one answer. All of them come from one run of the responder, named by its boot id. */
export class Assembly {
  readonly have = new Uint8Array(HAVE_BYTES);
  readonly boot: Uint8Array;
  readonly count: number;
  readonly #parts: Uint8Array[];
  #missing: number;

  constructor(boot: Uint8Array, count: number) {
    this.boot = boot;
    this.count = count;
    this.#missing = count;
    this.#parts = new Array(count);
  }

  /** Takes a part; false when it does not belong to the others. */
  add(part: Part): boolean {
    if (part.count !== this.count) return false;
    if (hasBit(this.have, part.index)) return true;
    this.have[part.index >> 3] = (this.have[part.index >> 3] as number) | (0x80 >> (part.index & 7));
    this.#parts[part.index] = part.bytes;
    this.#missing--;
    return true;
  }

  get complete(): boolean {
    return this.#missing === 0;
  }

  /** The value, once complete; `ok: false` when the parts make none. */
  value(): ReturnType<typeof decodeCbor> {
    const bytes = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of this.#parts) {
      bytes.set(part, offset);
      offset += part.length;
    }
    return decodeCbor(bytes, ANSWER_DEPTH);
  }
}

function hasBit(have: Uint8Array, index: number): boolean {
  return ((have[index >> 3] as number) & (0x80 >> (index & 7))) !== 0;
}
