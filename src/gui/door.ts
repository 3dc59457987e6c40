/**
 * Who may use the page: whoever brings a one-time token is given a session, which two secrets open together. The cookie
 * alone is not enough, since browsers send it to every port of this machine's loopback address; the page key is kept by
 * the page, where only pages of this port can read it. Nothing of it outlives the process: while udp-tool does not run, any
 * user of the machine may have its port, and hear there what an open page sends.
 */
import { createHash, randomBytes } from 'node:crypto';

export interface DoorOptions {
  /** Milliseconds, also of sleep. */
  readonly now: () => number;
  /** A session that no person used for so long is over. */
  readonly idleMs: number;
}

export interface SessionSecrets {
  readonly cookie: string;
  readonly pageKey: string;
}

const SECRET_BYTES = 32;
/** A link is opened soon after it was shown. */
const TOKEN_LIFETIME_MS = 15 * 60_000;
const MAX_SESSIONS = 16;

export class Door {
  readonly #options: DoorOptions;
  /** By the hash of both secrets: when a person did something there. The last is the one used last. */
  readonly #sessions = new Map<string, number>();
  #token: { readonly hash: string; readonly madeAt: number } | null = null;

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  /** A token that opens the door once; the one before it does no longer. */
  newToken(): string {
    const token = secret();
    this.#token = { hash: hashOf(token), madeAt: this.#options.now() };
    return token;
  }

  /** Null for a token that is none, was used, or is too old. */
  enter(token: string): SessionSecrets | null {
    const made = this.#token;
    if (made === null || made.hash !== hashOf(token)) return null;
    this.#token = null;
    if (this.#options.now() - made.madeAt >= TOKEN_LIFETIME_MS) return null;
    const secrets = { cookie: secret(), pageKey: secret() };
    this.#sessions.set(sessionHash(secrets), this.#options.now());
    this.#forgetIdle();
    for (const oldest of [...this.#sessions.keys()].slice(0, -MAX_SESSIONS)) this.#sessions.delete(oldest);
    return secrets;
  }

  isOpenTo(secrets: SessionSecrets): boolean {
    const usedAt = this.#sessions.get(sessionHash(secrets));
    return usedAt !== undefined && this.#options.now() - usedAt < this.#options.idleMs;
  }

  /** A person did something there. */
  used(secrets: SessionSecrets): void {
    if (!this.isOpenTo(secrets)) return;
    const hash = sessionHash(secrets);
    this.#sessions.delete(hash);
    this.#sessions.set(hash, this.#options.now());
  }

  leave(secrets: SessionSecrets): void {
    this.#sessions.delete(sessionHash(secrets));
  }

  #forgetIdle(): void {
    const { now, idleMs } = this.#options;
    for (const [hash, usedAt] of this.#sessions) if (now() - usedAt >= idleMs) this.#sessions.delete(hash);
  }
}

function secret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

/** What is looked up is a hash, so that how long a comparison takes tells nothing of a secret. */
function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function sessionHash({ cookie, pageKey }: SessionSecrets): string {
  return hashOf(`${cookie}.${pageKey}`);
}
