/** Where the initiator of a session is, as its responder knows it: PROTOCOL.md §6.3. */
import { random, same } from './bytes.ts';
import type { Address } from './epoch.ts';

const KNOWN = 4;
const FACTOR = 3;
const BETWEEN_CHALLENGES_MS = 500;

interface Path {
  validated: boolean;
  /** Bytes that may still be sent there while it is not validated. */
  room: number;
  readonly data: Uint8Array;
  challengedAt: number;
}

export class Paths {
  readonly #paths = new Map<Address, Path>();

  isValidated = (at: Address): boolean => this.#paths.get(at)?.validated ?? false;

  /** An authentic datagram of that many bytes came from there. */
  came(from: Address, bytes: number): void {
    const path = this.#paths.get(from) ?? {
      validated: false,
      room: 0,
      data: random(8),
      challengedAt: Number.NEGATIVE_INFINITY,
    };
    this.#paths.delete(from); // to the end: the first one is forgotten first
    this.#paths.set(from, path);
    path.room += FACTOR * bytes;
    const [oldest] = this.#paths.keys();
    if (this.#paths.size > KNOWN && oldest !== undefined) this.#paths.delete(oldest);
  }

  /** Whether so many bytes may be sent there; then they count as sent. */
  spend(to: Address, bytes: number): boolean {
    const path = this.#paths.get(to);
    if (path === undefined || (!path.validated && path.room < bytes)) return false;
    path.room -= bytes;
    return true;
  }

  /** The data of a PATH_CHALLENGE, where one is due. */
  challenge(to: Address, now: number): Uint8Array | undefined {
    const path = this.#paths.get(to);
    if (path === undefined || path.validated || now < path.challengedAt + BETWEEN_CHALLENGES_MS)
      return undefined;
    path.challengedAt = now;
    return path.data;
  }

  /** By the cookie, or by a PATH_RESPONSE with that data. */
  validate(at: Address, data?: Uint8Array): void {
    const path = this.#paths.get(at);
    if (path && (data === undefined || same(data, path.data))) path.validated = true;
  }
}
