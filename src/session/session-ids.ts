/** The ids that a responder gives its sessions (PROTOCOL §5.2). */
import { idAt, idBytes } from '../bytes.ts';
import { keyedBlake2b } from '../crypto/hash.ts';

export interface SessionIds {
  /** The id for a new session; `taken` are those that the endpoint receives on already. */
  next(taken: (id: bigint) => boolean): bigint;
}

const ID_SPACE = 2n ** 64n;

/** Counts up from a random start. */
export class CountingIds implements SessionIds {
  #next: bigint;

  constructor(random: (length: number) => Uint8Array) {
    this.#next = idAt(random(8));
  }

  next(taken: (id: bigint) => boolean): bigint {
    while (taken(this.#next)) this.#next = (this.#next + 1n) % ID_SPACE;
    const id = this.#next;
    this.#next = (this.#next + 1n) % ID_SPACE;
    return id;
  }
}

/** One of several workers on a port; all of them have the same key. */
export interface WorkerPlace {
  /** 32 random bytes. */
  readonly key: Uint8Array;
  /** From 0. */
  readonly number: number;
  readonly count: number;
}

const NUMBER_BYTES = 5;
const NUMBER_SPACE = 2 ** (8 * NUMBER_BYTES);

/**
 * Ids that tell every worker of the group whose they are, and nobody else: 5 bytes that count up from a random start,
 * and 3 that are their hash under the group's key XOR the worker's number. An invented id is nobody's but once in
 * 2^24 / workers: so it costs a hash, and is not handed on.
 */
export class WorkerIds implements SessionIds {
  readonly #place: WorkerPlace;
  #next: number;

  constructor(place: WorkerPlace, random: (length: number) => Uint8Array) {
    this.#place = place;
    this.#next = Number(idAt(random(8)) % BigInt(NUMBER_SPACE));
  }

  get own(): number {
    return this.#place.number;
  }

  next(taken: (id: bigint) => boolean): bigint {
    for (;;) {
      const number = this.#next;
      this.#next = (number + 1) % NUMBER_SPACE;
      const head = BigInt(number) << 24n;
      const id = head | BigInt(this.#mask(idBytes(head)) ^ this.#place.number);
      if (!taken(id)) return id;
    }
  }

  /** The worker that gave this id, or null where none did. */
  ownerOf(id: bigint): number | null {
    const owner = Number(id & 0xff_ffffn) ^ this.#mask(idBytes(id));
    return owner < this.#place.count ? owner : null;
  }

  /** 24 bits for the first 5 bytes of an id. */
  #mask(id: Uint8Array): number {
    const hash = keyedBlake2b(32, this.#place.key, id.subarray(0, NUMBER_BYTES));
    return new DataView(hash.buffer, hash.byteOffset).getUint32(0) >>> 8;
  }
}
