/** A peer as the user of an endpoint sees it: asked by name, its address looked up when it is needed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PresharedKey, PublicKey } from './crypto/keys.ts';
import { UdpToolError } from './errors.ts';
import type { PathKind } from './p2p/path-notes.ts';
import type { RequestProgress } from './rpc/outcome.ts';
import { EVERY_COMMAND, type Permissions } from './rpc/permissions.ts';
import type { Address } from './session/address.ts';
import type { StreamResult } from './streams/asked-stream.ts';
import type { ProbeResult } from './transport/probe.ts';
import type { HostPort } from './transport/resolve.ts';
import { type WatchEvent, type WatchOptions, watch } from './watching/watch.ts';
import type { CborValue } from './wire/cbor.ts';
import type { StreamSubject } from './wire/stream-messages.ts';

/** A machine that is trusted: who has the secret key of `publicKey` may call what `permissions` say. */
export interface PeerOptions {
  /** What it is called here; the peer does not learn it. */
  readonly name: string;
  readonly publicKey: PublicKey;
  /** Where it listens, `HOST:PORT`; needed to ask it, not to answer it. */
  readonly at?: string;
  readonly psk?: PresharedKey;
  /** Which commands it may call here; every one if not given. */
  readonly permissions?: Permissions;
}

export interface RequestOptions {
  /** Milliseconds, 300,000 at most; 5,000 if not given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly value: CborValue;
  /** From the first sending to the answer, in milliseconds; without the handshake. */
  readonly roundTripMs: number;
  /** How often the request was sent. */
  readonly tries: number;
}

/** What the network says of an address of a peer. */
export interface Reachability {
  readonly address: Address;
  readonly result: ProbeResult;
}

/** How a peer is reached. */
export interface PathInfo {
  /** `lan`: found in the same network; `punched`: introduced, through NATs; `relayed`: by the peer `via`. */
  readonly kind: PathKind;
  /** Where datagrams to it go: of a relay, that of the relay. */
  readonly address: Address;
  /** The peer that introduced, or relays. */
  readonly via?: string;
  /** Smoothed; null where nothing was asked of it yet. */
  readonly roundTripMs: number | null;
}

export interface ReachOptions {
  /** Milliseconds; 10,000 if not given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const UNLIMITED: Permissions = { allow: [EVERY_COMMAND], deny: [] };
const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_REACH_MS = 10_000;
const LOOK_AGAIN_MS = 3_000;

interface Failure {
  readonly progress: RequestProgress;
  readonly tries: number;
  readonly roundTripMs: number | null;
}

/** A request that failed, with how far it got. */
export class RequestError extends UdpToolError implements Failure {
  readonly progress: RequestProgress;
  /** How often the request was sent. */
  readonly tries: number;
  /** As in an {@link Answer}, where the peer answered with the error; else null. */
  readonly roundTripMs: number | null;

  constructor(error: UdpToolError, { progress, tries, roundTripMs }: Failure) {
    super(error.code, error.message, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
    this.progress = progress;
    this.tries = tries;
    this.roundTripMs = roundTripMs;
  }
}

/** Which process of a peer: it asked here, and is asked in turn. */
export interface StreamRoute {
  readonly process: bigint;
}

export interface StreamRequest {
  readonly subject: StreamSubject;
  /** The answer is at most as long; so much memory is taken when it begins to come. */
  readonly maxBytes: number;
  /** Milliseconds to wait for a session, where there is none. */
  readonly patienceMs: number;
  readonly signal?: AbortSignal;
  /** Told of what has come, as it comes. */
  readonly onBytes?: (bytes: number) => void;
  readonly route?: StreamRoute;
}

/** @internal */
export interface Question {
  readonly command: string;
  readonly args: readonly CborValue[];
  readonly timeoutMs: number;
}

interface PeerActions {
  resolve(at: HostPort, timeoutMs: number): Promise<void>;
  request(
    question: Question,
    signal: AbortSignal | undefined,
    onError: (error: UdpToolError) => void,
  ): Promise<Answer>;
  probe(at: HostPort, waitMs: number): Promise<Reachability[]>;
  remove(): void;
  ask(request: StreamRequest): Promise<StreamResult>;
  roundTripMs(): number | null;
  hasAddress(): boolean;
  reach(timeoutMs: number, signal: AbortSignal | undefined): Promise<PathInfo | null>;
  path(): PathInfo | null;
  suggest(kind: PathKind, addresses: readonly Address[]): void;
}

/** A peer of an endpoint. */
export class RemotePeer {
  readonly name: string;
  readonly publicKey: PublicKey;
  readonly at: HostPort | undefined;
  /** May be replaced at any time, and hold from the next request on. */
  permissions: Permissions;
  readonly #actions: PeerActions;
  #resolving: Promise<void> | null = null;
  #isResolved = false;

  /** @internal */
  constructor(
    { name, publicKey, permissions = UNLIMITED }: PeerOptions,
    at: HostPort | undefined,
    actions: PeerActions,
  ) {
    this.name = name;
    this.publicKey = publicKey;
    this.at = at;
    this.permissions = permissions;
    this.#actions = actions;
  }

  /**
   * Asks the peer to run a command. The session is made on the way, kept for later requests, and made anew when the
   * peer restarted.
   *
   * @throws UdpToolError `bad-usage` for a name that cannot be a command's, or no time-out; `no-answer` at the deadline, `outcome-unknown` when the peer restarted meanwhile and the
   *   command is not idempotent, `unknown-command`, `bad-arguments`, `command-failed`, `busy`, `too-large`,
   *   `not-cbor`, `no-address`, `name-not-found`, `aborted`, `closed`
   */
  request(command: string, args: readonly CborValue[] = [], options: RequestOptions = {}): Promise<Answer> {
    try {
      const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
      // Most requests find the address known, and are spared an async function (docs/performance.md).
      if (this.#isResolved && timeoutMs > 0) {
        return this.#actions.request({ command, args, timeoutMs }, signal, this.#onError);
      }
      return this.#resolveAndRequest({ command, args, timeoutMs }, signal);
    } catch (error) {
      return Promise.reject(error); // options that cannot be read
    }
  }

  async #resolveAndRequest(question: Question, signal: AbortSignal | undefined): Promise<Answer> {
    const { timeoutMs } = question;
    if (!(timeoutMs > 0)) {
      throw new UdpToolError('bad-usage', 'A time-out is a number of milliseconds above 0.');
    }
    try {
      this.#resolving ??= this.#resolve(timeoutMs);
      await unlessAborted(this.#resolving, signal);
    } catch (error) {
      this.#onError(error);
      throw error;
    }
    return this.#actions.request(question, signal, this.#onError);
  }

  #resolve(timeoutMs: number): Promise<void> {
    if (this.at === undefined && this.#actions.hasAddress()) return Promise.resolve(); // it was found
    const resolving: Promise<void> = this.#actions.resolve(this.#address(), timeoutMs).then(() => {
      if (this.#resolving === resolving) this.#isResolved = true; // else something failed meanwhile
    });
    return resolving;
  }

  /** Once resolved, a name is looked up again only after something failed: addresses may have changed. */
  readonly #onError = (error: unknown): void => {
    if (!(error instanceof UdpToolError) || !LOOK_UP_AGAIN.includes(error.code)) return;
    this.#resolving = null;
    this.#isResolved = false;
  };

  /**
   * Watches a command of the peer: `for await (const event of peer.watch('temp', [], { everyMs: 5_000 }))`. Values
   * come in order and none twice, whatever becomes of the network; what is missing is told as a `gap`. Who takes them
   * slowly slows the peer down. It ends with the values of a command that yields them by itself, or by leaving the loop.
   *
   * @throws UdpToolError as {@link request}, but `no-answer` only at first
   */
  watch(
    command: string,
    args: readonly CborValue[] = [],
    options: WatchOptions = {},
  ): AsyncGenerator<WatchEvent, void, undefined> {
    return watch((...question) => this.request(...question), command, args, options);
  }

  /**
   * Asks for a stream of bytes, such as a piece of a file. What goes wrong on the way is a value, not an error.
   * @throws UdpToolError `name-not-found`
   */
  async ask(request: StreamRequest): Promise<StreamResult> {
    const isRouted = request.route !== undefined;
    if (this.at !== undefined && !this.#isResolved && !isRouted) {
      this.#resolving ??= this.#resolve(request.patienceMs);
      try {
        await unlessAborted(this.#resolving, request.signal);
      } catch (error) {
        this.#onError(error);
        throw error;
      }
    }
    return this.#actions.ask(request);
  }

  /**
   * Asks the network, not the peer: what the system says of the port. Worth a look after `no-answer`.
   * @param waitMs how long to wait for ICMP
   */
  async probe(waitMs = 500): Promise<Reachability[]> {
    return this.#actions.probe(this.#address(), waitMs);
  }

  /**
   * Finds a way to the peer: its address, where it was seen last or in the local network, an introduction by a peer that
   * both trust, or a relay by that one. While it is relayed, a better way is looked for; requests take it by themselves.
   *
   * @throws UdpToolError `no-answer` when there is none in time, `aborted`, `closed`
   */
  async reach({ timeoutMs = DEFAULT_REACH_MS, signal }: ReachOptions = {}): Promise<PathInfo> {
    const path = await this.#actions.reach(timeoutMs, signal);
    if (path !== null) return path;
    throw new UdpToolError('no-answer', `No way to "${this.name}" was found within ${timeoutMs / 1000} s.`, {
      hint: 'It must run "udp-tool serve" or "share", and where it is behind a NAT, both need a peer in common with an open port.',
    });
  }

  /** Looks for a way to the peer, and for another one where that fails, until the signal aborts. */
  async keepInReach(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isOver = await this.reach({ signal }).then(
        () => false,
        (error: unknown) => !(error instanceof UdpToolError) || error.code !== 'no-answer',
      );
      if (isOver) return; // the endpoint is closed, or the signal aborted
      await sleep(LOOK_AGAIN_MS, undefined, { signal, ref: false }).catch(() => {}); // aborted
    }
  }

  /** The way there is now; null where none is known. */
  get path(): PathInfo | null {
    return this.#actions.path();
  }

  /** It may be found at these addresses too. Nothing is believed of them: who is there has to have its key. */
  suggest(kind: PathKind, addresses: readonly Address[]): void {
    this.#actions.suggest(kind, addresses);
  }

  /** Looks its name up, where it has one and nothing is known of it; whether it resolves shows later. @internal */
  async lookUp(timeoutMs: number): Promise<void> {
    if (this.at === undefined || this.#isResolved) return;
    try {
      await (this.#resolving ??= this.#resolve(timeoutMs));
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Smoothed, of what was asked of it; null before that. */
  get roundTripMs(): number | null {
    return this.#actions.roundTripMs();
  }

  /** Trusts the peer no longer: its sessions and requests end at once. */
  remove(): void {
    this.#actions.remove();
  }

  #address(): HostPort {
    if (this.at === undefined) throw noAddress(this.name, this.publicKey);
    return this.at;
  }
}

/** @internal */
export function noAddress(name: string, publicKey: PublicKey): UdpToolError {
  return new UdpToolError('no-address', `There is no address for "${name}".`, {
    hint: `Give one: udp-tool peer add ${name} ${publicKey} --at HOST:PORT`,
  });
}

/** @throws UdpToolError `aborted`, as soon as the signal fires */
async function unlessAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return promise;
  let abort = (): void => {};
  const aborted = new Promise<never>((_, fail) => {
    abort = () => fail(new UdpToolError('aborted', 'The request was aborted.', { cause: signal.reason }));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

const LOOK_UP_AGAIN: readonly string[] = ['no-answer', 'name-not-found', 'aborted'];
