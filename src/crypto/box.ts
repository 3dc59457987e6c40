/** crypto_box: X25519, XSalsa20 and Poly1305 (PROTOCOL §2). "Seal" and "open" mean crypto_box_easy, never the anonymous crypto_box_seal. */
import { put, putAt, release, room, take, takeShortLived, wasm } from './sodium.ts';

export const KEY_BYTES = 32;
export const NONCE_BYTES = 24;
/** What a box is longer than its plaintext: the Poly1305 tag, which comes first. */
export const TAG_BYTES = 16;

/** `crypto_box_beforenm`: the key that two keypairs share. Null for a public key of low order. */
export function sharedKey(publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array | null {
  const out = room(KEY_BYTES);
  const failed = wasm._crypto_box_beforenm(out, put(publicKey), put(secretKey));
  const key = failed ? null : take(out, KEY_BYTES);
  release();
  return key;
}

/**
 * Seals under a shared key; the result is `plaintext.length + TAG_BYTES` long.
 * `crypto_secretbox_easy` is the same function of the same arguments.
 */
export function seal(plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  const out = room(plaintext.length + TAG_BYTES);
  wasm._crypto_box_easy_afternm(out, put(plaintext), plaintext.length, 0, put(nonce), put(key));
  const box = takeShortLived(out, plaintext.length + TAG_BYTES);
  release();
  return box;
}

/** The plaintext, or null when the box was not sealed under this key and nonce. */
export function open(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array | null {
  if (box.length < TAG_BYTES) return null;
  const out = room(box.length);
  const failed = wasm._crypto_box_open_easy_afternm(out, put(box), box.length, 0, put(nonce), put(key));
  const plaintext = failed ? null : takeShortLived(out, box.length - TAG_BYTES);
  release();
  return plaintext;
}

/**
 * `header ‖ box`, where the 24 bytes of the header are the nonce: a datagram. The same as {@link seal} behind the
 * header, with fewer copies.
 */
export function sealBehind(header: Uint8Array, plaintext: Uint8Array, key: Uint8Array): Uint8Array {
  const length = NONCE_BYTES + plaintext.length + TAG_BYTES;
  const datagram = room(length);
  putAt(datagram, header);
  const box = datagram + NONCE_BYTES;
  putAt(box, plaintext);
  wasm._crypto_box_easy_afternm(box, box, plaintext.length, 0, datagram, put(key));
  const sealed = takeShortLived(datagram, length);
  release();
  return sealed;
}

/**
 * Opens the box that begins at `boxOffset` of a datagram, whose first bytes are the nonce. The same as {@link open},
 * with fewer copies. Null when it does not open.
 */
export function openWithin(datagram: Uint8Array, boxOffset: number, key: Uint8Array): Uint8Array | null {
  const length = datagram.length - boxOffset;
  if (length < TAG_BYTES) return null;
  const nonce = put(datagram);
  const box = nonce + boxOffset;
  const failed = wasm._crypto_box_open_easy_afternm(box, box, length, 0, nonce, put(key));
  const plaintext = failed ? null : takeShortLived(box, length - TAG_BYTES);
  release();
  return plaintext;
}
