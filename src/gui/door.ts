/**
 * Who may use the page: whoever brings a one-time token is given a session, which two secrets open together. The cookie
 * alone is not enough, since browsers send it to every port of this machine's loopback address; the page key is kept by
 * the page, where only pages of this port can read it. Nothing of it outlives the process: while udp-tool does not run, any
 * user of the machine may have its port, and hear there what an open page sends.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';

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

interface Session {
  readonly pageKey: string;
  /** When a person did something there. */
  readonly usedAt: number;
}

export class Door {
  readonly #options: DoorOptions;
  /** By the hash of the cookie; the last is the one used last. */
  readonly #sessions = new Map<string, Session>();
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
    this.#keep(secrets);
    this.#forgetIdle();
    for (const oldest of [...this.#sessions.keys()].slice(0, -MAX_SESSIONS)) this.#sessions.delete(oldest);
    return secrets;
  }

  isOpenTo({ cookie, pageKey }: SessionSecrets): boolean {
    const session = this.#find(cookie);
    return session !== undefined && hashOf(session.pageKey) === hashOf(pageKey);
  }

  /**
   * Shows a page that this is the udp-tool which gave it its key, before it sends that: an HMAC-SHA256 under the key, in
   * hexadecimal digits. Null where there is no such session.
   */
  prove(cookie: string, challenge: string): string | null {
    const session = this.#find(cookie);
    return session === undefined
      ? null
      : createHmac('sha256', session.pageKey).update(challenge).digest('hex');
  }

  /** A person did something there. */
  used(secrets: SessionSecrets): void {
    if (this.isOpenTo(secrets)) this.#keep(secrets);
  }

  leave(secrets: SessionSecrets): void {
    if (this.isOpenTo(secrets)) this.#sessions.delete(hashOf(secrets.cookie));
  }

  #keep({ cookie, pageKey }: SessionSecrets): void {
    const hash = hashOf(cookie);
    this.#sessions.delete(hash);
    this.#sessions.set(hash, { pageKey, usedAt: this.#options.now() });
  }

  #find(cookie: string): Session | undefined {
    const session = this.#sessions.get(hashOf(cookie));
    return session === undefined || this.#isIdle(session) ? undefined : session;
  }

  #isIdle({ usedAt }: Session): boolean {
    return this.#options.now() - usedAt >= this.#options.idleMs;
  }

  #forgetIdle(): void {
    for (const [hash, session] of this.#sessions) if (this.#isIdle(session)) this.#sessions.delete(hash);
  }
}

function secret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

/** What is looked up is a hash, so that how long a comparison takes tells nothing of a secret. */
function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
