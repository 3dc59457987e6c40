/**
 * Who may use the page: whoever brings a one-time token is given a session, which two secrets open together. The cookie
 * alone is not enough, since browsers send it to every port of this machine's loopback address; the page key is kept by
 * the page, where only pages of this port can read it.
 */
import { createHash, randomBytes } from 'node:crypto';

export interface DoorOptions {
  /** Milliseconds since 1970: sessions outlive this process. */
  readonly now: () => number;
  /** A session that no person used for so long is over. */
  readonly idleMs: number;
  /** Those that were there before a restart. */
  readonly sessions?: readonly StoredSession[];
  /** Sessions changed, and are to be stored. */
  readonly onChange?: (sessions: readonly StoredSession[]) => void;
}

/** A session as it is stored: nobody who reads this can enter. */
export interface StoredSession {
  /** SHA-256 of cookie and page key, in hexadecimal digits. */
  readonly hash: string;
  /** When a person did something there, in milliseconds since 1970. */
  readonly usedAt: number;
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
  readonly #sessions = new Map<string, number>();
  #token: { readonly hash: string; readonly madeAt: number } | null = null;

  constructor(options: DoorOptions) {
    this.#options = options;
    for (const { hash, usedAt } of options.sessions ?? []) this.#sessions.set(hash, usedAt);
    this.#forgetIdle();
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
    this.#changed();
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
    this.#sessions.delete(hash); // the last of the map is the one used last
    this.#sessions.set(hash, this.#options.now());
    this.#changed();
  }

  leave(secrets: SessionSecrets): void {
    this.#sessions.delete(sessionHash(secrets));
    this.#changed();
  }

  #forgetIdle(): void {
    const { now, idleMs } = this.#options;
    for (const [hash, usedAt] of this.#sessions) if (now() - usedAt >= idleMs) this.#sessions.delete(hash);
  }

  #changed(): void {
    this.#options.onChange?.([...this.#sessions].map(([hash, usedAt]) => ({ hash, usedAt })));
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
