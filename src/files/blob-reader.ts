/**
 * What is asked for to read a blob, and whether what arrives is what it should be. Sans-IO: whoever drives it asks and
 * stores. It holds one verified node for each level from 2, and {@link MAX_SPANS} of level 1.
 */
import { equalBytes } from '../bytes.ts';
import { FAN_OUT, HASH_BYTES, hashChunk, hashNode, hashZeros, isTop, TreeShape } from './content-tree.ts';
import { type Subject, subjectAt } from './offer.ts';

/** The chunks under the node that is read, and those under the next, whose node is asked for meanwhile. */
const MAX_SPANS = 2;

/** Something to ask for, and how long the answer has to be. */
export interface Wanted {
  readonly subject: Subject;
  readonly bytes: number;
}

type Check = (hash: Uint8Array) => boolean;

/** A node that is asked for or is to be. */
interface Pending {
  readonly level: number;
  readonly index: number;
  /** Kept here, since the node above may be gone when it arrives. */
  readonly check: Check;
  isAsked: boolean;
}

const MISSING = 0;
const ASKED = 1;
/** It arrived and is being stored. */
const ARRIVED = 2;
const DONE = 3;

/** The chunks under one node of level 1. */
interface Span {
  readonly first: number;
  /** Null where there is no node, the one chunk being the top. */
  readonly hashes: Uint8Array | null;
  readonly states: Uint8Array;
  done: number;
  /** None before it is missing. */
  cursor: number;
  /** Whether it was looked at what of it is stored already. */
  isLookedAt: boolean;
}

export class BlobReader {
  readonly id: Uint8Array;
  readonly shape: TreeShape;
  /** Bytes of chunks that are done. */
  doneBytes = 0;
  #doneChunks = 0;
  /** Verified nodes of the levels from 2, on the way to the next node of level 1. */
  readonly #path = new Map<number, { readonly index: number; readonly content: Uint8Array }>();
  readonly #pending = new Map<string, Pending>();
  readonly #spans = new Map<number, Span>();
  /** The next node of level 1 to ask for. */
  #nextSpan = 0;

  constructor(id: Uint8Array, size: number) {
    this.id = id;
    this.shape = new TreeShape(size);
    if (this.shape.height === 0) this.#addSpan(0, 1, null);
  }

  get isComplete(): boolean {
    return this.#doneChunks === this.shape.chunks;
  }

  /**
   * The next thing to ask for, or null where everything is asked for that can be now.
   * @param chunkLimit only chunks before that one
   */
  next(chunkLimit: number = Number.POSITIVE_INFINITY): Wanted | null {
    const node = this.#nextNode();
    if (node !== null) {
      node.isAsked = true;
      return this.#wanted(node.level, node.index);
    }
    for (const span of this.#spans.values()) {
      const offset = span.isLookedAt ? span.states.indexOf(MISSING, span.cursor) : -1;
      if (offset === -1 || span.first + offset >= chunkLimit) continue;
      span.states[offset] = ASKED;
      span.cursor = offset + 1;
      return this.#wanted(0, span.first + offset);
    }
    return null;
  }

  /** It is not coming: `next` gives it again. Returns whether it was awaited. */
  release(subject: Subject): boolean {
    if (subject.kind === 'chunk') return this.#put(subject.index, ASKED, MISSING);
    const pending = this.#pending.get(key(subject.level, subject.index));
    if (!pending?.isAsked) return false;
    pending.isAsked = false;
    return true;
  }

  /**
   * Whether what arrived is what was asked for. A verified chunk is the caller's to store, who then says
   * {@link stored}; after a verified node of level 1 it calls {@link lookedAt}. What is wrong is given by `next` again.
   */
  arrived(subject: Subject, bytes: Uint8Array): 'verified' | 'wrong' | 'unwanted' {
    const verdict =
      subject.kind === 'chunk' ? this.#chunkArrived(subject.index, bytes) : this.#nodeArrived(subject, bytes);
    if (verdict === 'wrong') this.release(subject);
    return verdict;
  }

  /** Says of a chunk that arrived whether it is stored; if not, it is missing again. */
  stored(index: number, isStored: boolean): void {
    if (isStored) this.#finish(index, ARRIVED);
    else this.#put(index, ARRIVED, MISSING);
  }

  /** The chunks that are to be looked for in what is stored already, before they are asked for. */
  unlooked(): { readonly first: number; readonly count: number } | null {
    for (const { first, states, isLookedAt } of this.#spans.values())
      if (!isLookedAt) return { first, count: states.length };
    return null;
  }

  /** They have been looked for, all those from `first`. */
  lookedAt(first: number): void {
    const span = this.#spans.get(Math.floor(first / FAN_OUT));
    if (span === undefined) return;
    span.isLookedAt = true;
    this.#dropIfDone(span);
  }

  /** Whether these are the bytes of a chunk whose hash is known. */
  matches(index: number, bytes: Uint8Array): boolean {
    return bytes.length === this.shape.bytesAt(0, index) && this.#checkOf(index)(hashChunk(bytes));
  }

  /** Whether a chunk whose hash is known is zeros and nothing else. */
  isZeros(index: number): boolean {
    return this.#checkOf(index)(hashZeros(this.shape.bytesAt(0, index) ?? 0));
  }

  /** The chunk was found where it belongs. */
  found(index: number): void {
    this.#finish(index, MISSING);
  }

  #wanted(level: number, index: number): Wanted {
    return { subject: subjectAt(this.id, level, index), bytes: this.shape.bytesAt(level, index) ?? 0 };
  }

  /** A node that is to be asked for now. */
  #nextNode(): Pending | null {
    for (const pending of this.#pending.values()) if (!pending.isAsked) return pending;
    // Above level 1 there is one on its way at most.
    if (this.#spans.size + this.#pending.size >= MAX_SPANS) return null;
    if (this.#nextSpan >= this.shape.count(1)) return null;
    let level = 1;
    let index = this.#nextSpan;
    while (level < this.shape.height && this.#path.get(level + 1)?.index !== Math.floor(index / FAN_OUT)) {
      level++;
      index = Math.floor(index / FAN_OUT);
    }
    if (this.#pending.has(key(level, index))) return null;
    if (level === 1) this.#nextSpan++;
    const pending = { level, index, check: this.#nodeCheck(level, index), isAsked: false };
    this.#pending.set(key(level, index), pending);
    return pending;
  }

  #nodeCheck(level: number, index: number): Check {
    if (level === this.shape.height) return (hash) => isTop(hash, this.shape.size, this.id);
    const expected = hashIn(this.#path.get(level + 1)?.content, index);
    return (hash) => equalBytes(hash, expected);
  }

  #nodeArrived(
    { level, index }: Extract<Subject, { kind: 'node' }>,
    bytes: Uint8Array,
  ): 'verified' | 'wrong' | 'unwanted' {
    const pending = this.#pending.get(key(level, index));
    if (pending === undefined) return 'unwanted';
    if (bytes.length !== this.shape.bytesAt(level, index)) return 'wrong';
    if (!pending.check(hashNode(level, bytes))) return 'wrong';
    this.#pending.delete(key(level, index));
    const content = bytes.slice(); // whatever it came in may be used again
    if (level > 1) this.#path.set(level, { index, content });
    else this.#addSpan(index * FAN_OUT, content.length / HASH_BYTES, content);
    return 'verified';
  }

  #chunkArrived(index: number, bytes: Uint8Array): 'verified' | 'wrong' | 'unwanted' {
    const state = this.#stateOf(index);
    if (state !== MISSING && state !== ASKED) return 'unwanted';
    if (!this.matches(index, bytes)) return 'wrong';
    this.#put(index, state, ARRIVED);
    return 'verified';
  }

  #addSpan(first: number, count: number, hashes: Uint8Array | null): void {
    const states = new Uint8Array(count);
    this.#spans.set(Math.floor(first / FAN_OUT), {
      first,
      hashes,
      states,
      done: 0,
      cursor: 0,
      isLookedAt: false,
    });
  }

  #checkOf(index: number): Check {
    const span = this.#spans.get(Math.floor(index / FAN_OUT));
    if (span === undefined) return () => false;
    if (span.hashes === null) return (hash) => isTop(hash, this.shape.size, this.id);
    const expected = hashIn(span.hashes, index);
    return (hash) => equalBytes(hash, expected);
  }

  #stateOf(index: number): number | undefined {
    const span = this.#spans.get(Math.floor(index / FAN_OUT));
    return span?.isLookedAt ? span.states[index - span.first] : undefined;
  }

  #put(index: number, from: number, to: number): boolean {
    const span = this.#spans.get(Math.floor(index / FAN_OUT));
    if (span === undefined || span.states[index - span.first] !== from) return false;
    span.states[index - span.first] = to;
    if (to === MISSING) span.cursor = Math.min(span.cursor, index - span.first);
    return true;
  }

  #finish(index: number, from: number): void {
    if (!this.#put(index, from, DONE)) return;
    this.#doneChunks++;
    this.doneBytes += this.shape.bytesAt(0, index) ?? 0;
    const span = this.#spans.get(Math.floor(index / FAN_OUT)) as Span;
    span.done++;
    this.#dropIfDone(span);
  }

  #dropIfDone(span: Span): void {
    if (span.isLookedAt && span.done === span.states.length)
      this.#spans.delete(Math.floor(span.first / FAN_OUT));
  }
}

function key(level: number, index: number): string {
  return `${level}/${index}`;
}

function hashIn(content: Uint8Array | undefined, index: number): Uint8Array {
  const offset = (index % FAN_OUT) * HASH_BYTES;
  return (content ?? new Uint8Array()).subarray(offset, offset + HASH_BYTES);
}
