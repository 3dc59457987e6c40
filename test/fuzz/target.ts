/** What is fuzzed: a parser or a state machine, and what must be true of it whatever it is given. */
import { concat, toHex } from '../../src/bytes.ts';
import { UdpToolError } from '../../src/errors.ts';

export interface Target {
  readonly name: string;
  /** Inputs to begin with: some of each kind that is accepted. */
  readonly seeds: () => Uint8Array[];
  /** What is put into inputs, beside bytes that are interesting anywhere. */
  readonly words?: () => Uint8Array[];
  /** Longest input; {@link MAX_INPUT_BYTES} if not given. */
  readonly maxBytes?: number;
  /**
   * Branches and loops, and bytes of arrays asked for, that an input may cost: so many, and so many a byte of it. They
   * are counted where src/ is instrumented.
   */
  readonly work: Bound;
  readonly memory: Bound;
  /** Throws where something is not as it should be, at once or later. */
  readonly run: (input: Uint8Array) => void | Promise<void>;
}

export interface Bound {
  readonly base: number;
  readonly perByte: number;
}

export const MAX_INPUT_BYTES = 2048;

/** What a target found. */
class Finding extends Error {
  override readonly name = 'Finding';
}

export function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Finding(what);
}

export function same(a: Uint8Array, b: Uint8Array, what: string): void {
  if (a.length !== b.length || a.some((byte, i) => byte !== b[i]))
    throw new Finding(`${what}: ${toHex(a)} and ${toHex(b)}`);
}

/** The error of a refusal; null where nothing was refused. What else is thrown goes on. */
export function refusal(action: () => void, ...codes: string[]): UdpToolError | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof UdpToolError && codes.includes(error.code)) return error;
    throw error;
  }
}

/** Reads an input from its front; past its end are zeros. */
export class Input {
  #rest: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#rest = bytes;
  }

  get isEmpty(): boolean {
    return this.#rest.length === 0;
  }

  byte(): number {
    const [byte = 0] = this.#rest;
    this.#rest = this.#rest.subarray(1);
    return byte;
  }

  below(limit: number): number {
    return this.byte() % limit;
  }

  /** Two bytes of length, and so many of the bytes behind that are there. */
  block(): Uint8Array {
    const length = this.byte() * 256 + this.byte();
    const block = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return block;
  }

  rest(): Uint8Array {
    const rest = this.#rest;
    this.#rest = new Uint8Array();
    return rest;
  }
}

/** As {@link Input.block} reads it. */
export function block(bytes: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes);
}
