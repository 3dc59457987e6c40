/**
 * A coverage-guided fuzzer: inputs that take a branch no input took before, or take it more often, are kept, and others
 * are made of them. The same seed gives the same inputs.
 */
import { concat } from '../../src/bytes.ts';
import { Prng } from '../support/prng.ts';
import { type Bound, MAX_INPUT_BYTES, type Target } from './target.ts';

/** What the instrumented code counts in; it is there before that code is loaded. */
export interface Counters {
  readonly edges: Uint32Array;
  /** How many of them there are in the code. */
  readonly used: number;
  allocatedBytes: number;
  allocated(length: unknown): unknown;
}

export interface FuzzOptions {
  readonly target: Target;
  readonly seed: number;
  readonly corpus: readonly Uint8Array[];
  /** Inputs at most. */
  readonly runs?: number;
  readonly seconds?: number;
  /** Whether what fails is made short before it is told. */
  readonly shortens?: boolean;
}

interface Failure {
  readonly input: Uint8Array;
  readonly error: unknown;
}

export interface FuzzResult {
  readonly runs: number;
  /** Branches that were taken, counted once for each class of how often. */
  readonly features: number;
  /** Those inputs that found something new. */
  readonly kept: readonly Uint8Array[];
  readonly failure: Failure | null;
}

/** Nine inputs for each byte. */
const MAX_SYSTEMATIC_BYTES = 256;

const MAX_SHORTENING = 1_000;

export class Fuzzer {
  readonly #counters: Counters;
  readonly #target: Target;
  readonly #prng: Prng;
  readonly #words: readonly Uint8Array[];
  readonly #kept: Uint8Array[] = [];
  /** How often a branch was taken, as a bit for each class. */
  readonly #seen: Uint32Array;
  readonly #system = this.#systematically();
  #features = 0;
  #runs = 0;

  constructor(target: Target, seed: number, counters: Counters) {
    this.#counters = counters;
    this.#target = target;
    this.#prng = new Prng(seed);
    this.#words = [...WORDS, ...(target.words?.() ?? [])];
    this.#seen = new Uint32Array(counters.edges.length);
  }

  async fuzz(options: Omit<FuzzOptions, 'target' | 'seed'>): Promise<FuzzResult> {
    const { corpus, runs = Number.POSITIVE_INFINITY, seconds, shortens = true } = options;
    const ended = async (failure: Failure | null): Promise<FuzzResult> => ({
      runs: this.#runs,
      features: this.#features,
      kept: this.#kept,
      failure: failure && shortens ? await this.#shortened(failure) : failure,
    });
    const deadline = seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000;
    for (const input of [...corpus, ...this.#target.seeds()]) {
      const failure = await this.#try(input);
      if (failure !== null) return ended(failure);
    }
    if (this.#kept.length === 0) this.#kept.push(new Uint8Array());
    while (this.#runs < runs && performance.now() < deadline) {
      const failure = await this.#try(this.#next());
      if (failure !== null) return ended(failure);
    }
    return ended(null);
  }

  async #try(input: Uint8Array): Promise<Failure | null> {
    this.#runs++;
    const failure = await this.#run(input);
    if (failure === null && this.#isNew()) this.#kept.push(input);
    return failure;
  }

  async #run(input: Uint8Array): Promise<Failure | null> {
    const edges = this.#counters.edges.subarray(0, this.#counters.used);
    edges.fill(0);
    this.#counters.allocatedBytes = 0;
    try {
      await this.#target.run(input.slice());
      this.#within('work', this.#target.work, sumOf(edges), input);
      this.#within('memory', this.#target.memory, this.#counters.allocatedBytes, input);
      return null;
    } catch (error) {
      return { input, error };
    }
  }

  #within(what: string, { base, perByte }: Bound, cost: number, { length }: Uint8Array): void {
    if (cost > base + perByte * length) throw new Error(`${what}: ${cost} for ${length} bytes`);
  }

  #isNew(): boolean {
    let isNew = false;
    const { edges, used } = this.#counters;
    for (let edge = 0; edge < used; edge++) {
      const count = edges[edge] as number;
      if (count === 0) continue;
      const bit = 1 << Math.min(31 - Math.clz32(count), 30);
      const seen = this.#seen[edge] as number;
      if ((seen & bit) !== 0) continue;
      this.#seen[edge] = seen | bit;
      this.#features++;
      isNew = true;
    }
    return isNew;
  }

  /** A failing input without what it fails without, and how that fails. */
  async #shortened(failure: Failure): Promise<Failure> {
    let shortest = failure;
    let tries = 0;
    for (let size = failure.input.length >> 1; size > 0; size >>= 1) {
      for (let at = 0; at + size <= shortest.input.length && tries < MAX_SHORTENING; tries++) {
        const { input } = shortest;
        const shorter = await this.#run(concat(input.subarray(0, at), input.subarray(at + size)).slice());
        if (shorter === null) at += size;
        else shortest = shorter;
      }
    }
    return shortest;
  }

  /** Every small change of every byte of an input that was kept and is short; else changes by chance. */
  *#systematically(): Generator<Uint8Array> {
    for (const input of this.#kept) {
      if (input.length > MAX_SYSTEMATIC_BYTES) continue;
      for (let at = 0; at < input.length; at++) {
        for (let bit = 0; bit < 8; bit++) {
          const changed = input.slice();
          changed[at] = (input[at] as number) ^ (1 << bit);
          yield changed;
        }
        yield concat(input.subarray(0, at), input.subarray(at + 1)).slice();
      }
    }
  }

  #next(): Uint8Array {
    const prng = this.#prng;
    if (prng.chance(0.5)) {
      // The list that it walks over gets longer meanwhile.
      const { value, done } = this.#system.next();
      if (!done) return value;
    }
    let bytes = this.#pick();
    for (let edits = 1 + prng.below(1 << prng.below(4)); edits > 0; edits--) bytes = this.#edited(bytes);
    return bytes.slice(0, this.#target.maxBytes ?? MAX_INPUT_BYTES);
  }

  /** The newest are tried more often: what is behind them is not known yet. */
  #pick(): Uint8Array {
    const count = this.#kept.length;
    const i = this.#prng.chance(0.5)
      ? this.#prng.below(count)
      : count - 1 - this.#prng.below(Math.min(count, 16));
    return this.#kept[i] as Uint8Array;
  }

  #edited(bytes: Uint8Array): Uint8Array {
    const prng = this.#prng;
    const at = prng.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + 1 + prng.below(1 << prng.below(8)));
    const replace = (from: number, to: number, by: Uint8Array): Uint8Array =>
      concat(bytes.subarray(0, from), by, bytes.subarray(to));
    const changed = (change: (byte: number) => number): Uint8Array =>
      replace(at, at + 1, Uint8Array.of(change(bytes[at] ?? 0)));
    switch (prng.below(10)) {
      case 0:
        return changed((byte) => byte ^ (1 << prng.below(8)));
      case 1:
        return changed(() => prng.below(256));
      case 2:
        return changed((byte) => byte + (prng.chance(0.5) ? 1 : -1) * (1 + prng.below(16)));
      case 3:
        return replace(at, end, new Uint8Array());
      case 4: // again, a few times
        return replace(
          at,
          at,
          concat(...new Array<Uint8Array>(1 << prng.below(6)).fill(bytes.subarray(at, end))),
        );
      case 5: {
        const word = this.#words[prng.below(this.#words.length)] as Uint8Array;
        return replace(at, prng.chance(0.5) ? at + word.length : at, word);
      }
      case 6: {
        const other = this.#pick();
        const from = prng.below(other.length + 1);
        return replace(
          at,
          prng.chance(0.5) ? bytes.length : end,
          other.subarray(from, from + 1 + prng.below(256)),
        );
      }
      case 7: {
        const from = prng.below(bytes.length + 1);
        return replace(at, prng.chance(0.5) ? end : at, bytes.subarray(from, from + end - at));
      }
      case 8:
        return replace(at, at, prng.bytes(1 + prng.below(8)));
      default: {
        // A number somewhere, of any width.
        const width = 1 << prng.below(4);
        const number = new Uint8Array(width).fill(prng.chance(0.5) ? 0xff : 0);
        number[prng.below(width)] = prng.below(256);
        return replace(at, at + width, number);
      }
    }
  }
}

function sumOf(counts: Uint32Array): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += counts[i] as number;
  return sum;
}

/** Heads of CBOR, numbers at the edges, and what texts are refused for. */
const WORDS: readonly Uint8Array[] = [
  ...[
    '00',
    '17',
    '1818',
    '19ffff',
    '1affffffff',
    '1b001fffffffffffff',
    '3b001ffffffffffffe',
    '3b001fffffffffffff',
  ],
  ...[
    '40',
    '5affffffff',
    '5b001fffffffffffff',
    '60',
    '61ff',
    '63efbbbf',
    '64f09f9880',
    '695f5f70726f746f5f5f',
  ],
  ...[
    '80',
    '81',
    '8181',
    '9affffffff',
    '9b001fffffffffffff',
    'a0',
    'a160',
    'baffffffff',
    'c0',
    'f4',
    'f6',
    'f7',
  ],
  ...[
    'f90000',
    'f98000',
    'f93c00',
    'f97e00',
    'f97c00',
    'fa3f800000',
    'fb3ff0000000000000',
    'fb7fefffffffffffff',
  ],
  ...[
    '7fffffff',
    '80000000',
    'ffffffff',
    '0000000000000000',
    'ffffffffffffffff',
    '8080',
    '2f',
    '2e2e',
    '0a',
    '22',
  ],
].map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')));
