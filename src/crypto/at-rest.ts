/** What this machine keeps for itself on disk, sealed under a key that only its secret key gives (PROTOCOL §3.4). */
import { concat, utf8 } from '../bytes.ts';
import { KEY_BYTES, NONCE_BYTES, open, seal } from './box.ts';
import { keyedBlake2b } from './hash.ts';
import type { SecretKey } from './keys.ts';

export class AtRestKey {
  readonly #key: Uint8Array;
  readonly #random: (length: number) => Uint8Array;

  constructor(secretKey: SecretKey, random: (length: number) => Uint8Array) {
    this.#key = keyedBlake2b(KEY_BYTES, secretKey.expose(), utf8('udp-tool/1 at rest'));
    this.#random = random;
  }

  /** `nonce ‖ secretbox` */
  seal(plaintext: Uint8Array): Uint8Array {
    const nonce = this.#random(NONCE_BYTES);
    return concat(nonce, seal(plaintext, nonce, this.#key));
  }

  /** Null for what was sealed under another key, or changed. */
  open(sealed: Uint8Array): Uint8Array | null {
    return open(sealed.subarray(NONCE_BYTES), sealed.subarray(0, NONCE_BYTES), this.#key);
  }
}
