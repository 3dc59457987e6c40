/**
 * The addresses that one session's datagrams have come from, as the responder sees them (PROTOCOL §6.3).
 *
 * A response goes where its request came from. Only a path challenge that came back from an address makes that
 * address the session's own, and lifts the limit on what is sent there.
 */
import { equalBytes } from '../bytes.ts';
import { type Address, sameAddress } from './address.ts';
import { AMPLIFICATION_LIMIT, MAX_PATHS, PATH_CHALLENGE_INTERVAL_MS } from './constants.ts';

interface Path {
  readonly address: Address;
  validated: boolean;
  received: number;
  sent: number;
  challenge: Uint8Array | null;
  challengedAt: number;
}

export class Paths {
  readonly #paths: Path[] = [];
  #current: Path;
  /** Where the newest datagram came from. */
  #latest: Path;

  constructor(address: Address, validated: boolean) {
    this.#current = this.#latest = this.#add(address, validated);
  }

  /** The session's address. */
  get current(): Address {
    return this.#current.address;
  }

  get currentValidated(): boolean {
    return this.#current.validated;
  }

  /**
   * Counts an authentic datagram of `length` bytes.
   * @param newest whether its counter was above all seen
   * @returns true when a path challenge to that address is due
   */
  received(from: Address, length: number, newest: boolean, now: number): boolean {
    const path = this.#find(from) ?? this.#add(from, false);
    path.received += length;
    if (!newest) return false;
    this.#latest = path;
    if (path.validated) {
      this.#current = path;
      return false;
    }
    return path.challenge === null || now - path.challengedAt >= PATH_CHALLENGE_INTERVAL_MS;
  }

  /** What a path challenge to that address holds: the same until it is answered, or a slow answer comes too late. */
  challenge(to: Address, fresh: Uint8Array, now: number): Uint8Array {
    const path = this.#find(to) ?? this.#add(to, false);
    path.challenge ??= fresh;
    path.challengedAt = now;
    return path.challenge;
  }

  /** A path response came back from `from`; true when this validated the path. */
  respond(from: Address, data: Uint8Array): boolean {
    const path = this.#find(from);
    if (path === undefined || path.challenge === null || !equalBytes(path.challenge, data)) return false;
    path.validated = true;
    path.challenge = null;
    if (path === this.#latest) this.#current = path;
    return true;
  }

  /** Whether `length` more bytes may go to `to`; counts them if so. */
  spend(to: Address, length: number): boolean {
    const path = this.#find(to);
    if (path === undefined) return false;
    if (!path.validated && path.sent + length > AMPLIFICATION_LIMIT * path.received) return false;
    path.sent += length;
    return true;
  }

  #find(address: Address): Path | undefined {
    return this.#paths.find((path) => sameAddress(path.address, address));
  }

  #add(address: Address, validated: boolean): Path {
    const path: Path = {
      address,
      validated,
      received: 0,
      sent: 0,
      challenge: null,
      challengedAt: Number.NEGATIVE_INFINITY,
    };
    if (this.#paths.length === MAX_PATHS) {
      const spare = this.#paths.findIndex((other) => other !== this.#current && other !== this.#latest);
      this.#paths.splice(spare, 1);
    }
    this.#paths.push(path);
    return path;
  }
}
