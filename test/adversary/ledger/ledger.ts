/**
 * What goes through the cryptography, noted beside it: which arrays have held a secret, and under which key and nonce
 * something was sealed. Of arrays only references are kept, so what was wiped is found wiped.
 */
import { violated } from '../properties.ts';

class Ledger {
  /** Arrays that have held a secret, and whose process had it. */
  readonly #secrets = new Map<Uint8Array, object>();
  readonly #nonces = new Set<string>();
  /** By key, who sealed under it. */
  readonly #sealers = new Map<string, object>();
  /** Whose step it is; null where nothing is to be noted, since it is the attacker's. */
  acting: object | null = null;

  reset(): void {
    this.#secrets.clear();
    this.#nonces.clear();
    this.#sealers.clear();
    this.acting = null;
  }

  secret(bytes: Uint8Array | null): void {
    if (bytes !== null && this.acting !== null) this.#secrets.set(bytes, this.acting);
  }

  /** Arrays that have held a secret. */
  secrets(): Iterable<Uint8Array> {
    return this.#secrets.keys();
  }

  secretsOf(process: object): Uint8Array[] {
    return [...this.#secrets].filter(([, owner]) => owner === process).map(([bytes]) => bytes);
  }

  /** The process is gone, and its memory with it. */
  ended(process: object): void {
    for (const [bytes, owner] of this.#secrets) if (owner === process) this.#secrets.delete(bytes);
  }

  seals(key: Uint8Array, nonce: Uint8Array): void {
    if (this.acting === null) return;
    this.secret(key);
    const ofKey = Buffer.from(key).toString('latin1');
    const both = ofKey + Buffer.from(nonce).toString('latin1');
    if (this.#nonces.has(both)) violated('a nonce once', 'a nonce was used twice under one key');
    this.#nonces.add(both);
    const sealer = this.#sealers.get(ofKey) ?? this.acting;
    if (sealer !== this.acting) violated('a nonce once', 'two hosts seal under one key');
    this.#sealers.set(ofKey, sealer);
  }
}

export const ledger: Ledger = new Ledger();
