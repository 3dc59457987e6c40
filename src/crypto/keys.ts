/** Static X25519 keys and their text form (PROTOCOL §3.1). */
import { copyKey, equalBytes, isAllZero, utf8 } from '../bytes.ts';
import { UdpToolError } from '../errors.ts';
import { decodeBech32m, encodeBech32m } from './bech32m.ts';
import { KEY_BYTES, sharedKey } from './box.ts';
import { put, release, room, take, wasm } from './sodium.ts';

const PUBLIC_PREFIX = 'udp';
const SECRET_PREFIX = 'udp-secret-key-';
const REDACTED = '[secret]';
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/** A peer's X25519 public key; its text begins with `udp1`. */
export class PublicKey {
  readonly bytes: Uint8Array;
  readonly #text: string;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#text = textOf(encodeBech32m(PUBLIC_PREFIX, bytes));
  }

  /** @throws UdpToolError `bad-key` unless there are 32 bytes, in the one way to write that point, not of low order. */
  static fromBytes(bytes: Uint8Array): PublicKey {
    if (bytes.length !== KEY_BYTES) throw badKey(`A public key has ${KEY_BYTES} bytes, not ${bytes.length}.`);
    if (!isCanonical(bytes))
      throw badKey('That public key is not written as keys are: its number is too large.');
    if (sharedKey(bytes, LOW_ORDER_PROBE) === null) {
      throw badKey('That public key is a low-order point, which no honest keypair has.');
    }
    return new PublicKey(new Uint8Array(bytes));
  }

  /** @throws UdpToolError `bad-key` when the text is no public key or fails its checksum. */
  static parse(text: string): PublicKey {
    return PublicKey.fromBytes(decode(utf8(text.trim()), PUBLIC_PREFIX));
  }

  equals(other: PublicKey): boolean {
    return equalBytes(this.bytes, other.bytes);
  }

  toString(): string {
    return this.#text;
  }

  toJSON(): string {
    return this.#text;
  }

  [INSPECT](): string {
    return `PublicKey(${this.#text})`;
  }
}

/** Bytes that never show in a log, an error, a JSON dump or an inspection, and can be wiped. */
class Secret {
  readonly #bytes: Uint8Array;

  protected constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The secret bytes themselves: for the cryptography, and for nothing that prints. */
  expose(): Uint8Array {
    return this.#bytes;
  }

  wipe(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [INSPECT](): string {
    return REDACTED;
  }
}

/** An X25519 secret key; its text begins with `UDP-SECRET-KEY-1`. */
export class SecretKey extends Secret {
  /** @throws UdpToolError `bad-key` unless there are 32 bytes, not all zero. */
  static fromBytes(bytes: Uint8Array): SecretKey {
    if (bytes.length !== KEY_BYTES) throw badKey(`A secret key has ${KEY_BYTES} bytes, not ${bytes.length}.`);
    if (isAllZero(bytes)) throw badKey('A secret key of zeros is no secret.');
    return new SecretKey(copyKey(bytes));
  }

  /** @param random gives that many uniform bytes; they are wiped */
  static generate(random: (length: number) => Uint8Array): SecretKey {
    const bytes = random(KEY_BYTES);
    const key = SecretKey.fromBytes(bytes);
    bytes.fill(0);
    return key;
  }

  /** @throws UdpToolError `bad-key`; the message never holds the text. */
  static parse(text: string): SecretKey {
    return SecretKey.parseBytes(utf8(text));
  }

  /**
   * Of a text that never was a string, which could not be wiped; the caller wipes these bytes.
   * @throws UdpToolError `bad-key`; the message never holds the text
   */
  static parseBytes(text: Uint8Array): SecretKey {
    const bytes = decode(text, SECRET_PREFIX);
    try {
      return SecretKey.fromBytes(bytes);
    } finally {
      bytes.fill(0);
    }
  }

  /** The text form, as a string: it stays in memory until the engine needs the room. */
  exportText(): string {
    return textOf(this.exportBytes());
  }

  /** The text form in ASCII, for the key file; to be wiped. */
  exportBytes(): Uint8Array {
    const text = encodeBech32m(SECRET_PREFIX, this.expose());
    for (let i = 0; i < text.length; i++) text[i] = upper(text[i] as number);
    return text;
  }

  publicKey(): PublicKey {
    return PublicKey.fromBytes(this.publicKeyBytes());
  }

  /** For an ephemeral key, which nobody writes down: without the checks of a key from elsewhere. */
  publicKeyBytes(): Uint8Array {
    const out = room(KEY_BYTES);
    wasm._crypto_scalarmult_base(out, put(this.expose()));
    const bytes = take(out, KEY_BYTES);
    release();
    return bytes;
  }
}

/** 32 uniform bytes that two peers share beside their keys (PROTOCOL §3.3); never a passphrase. */
export class PresharedKey extends Secret {
  /** @throws UdpToolError `bad-key` unless there are 32 bytes, not all zero. */
  static fromBytes(bytes: Uint8Array): PresharedKey {
    if (bytes.length !== KEY_BYTES) {
      throw badPresharedKey(`A pre-shared key has ${KEY_BYTES} random bytes, not ${bytes.length}.`);
    }
    if (isAllZero(bytes)) throw badPresharedKey('A pre-shared key of zeros is no secret.');
    return new PresharedKey(copyKey(bytes));
  }
}

export interface KeyPair {
  readonly publicKey: PublicKey;
  readonly secretKey: SecretKey;
}

/** The keypair of 32 random bytes. */
export function keyPairFromSecret(secretKey: SecretKey): KeyPair {
  return { publicKey: secretKey.publicKey(), secretKey };
}

/** Below 2^255 − 19: X25519 ignores the top bit and reduces, so that else one point could pose as two keys. */
function isCanonical(bytes: Uint8Array): boolean {
  if ((bytes[31] as number) < 0x7f) return true;
  return (
    bytes[31] === 0x7f &&
    !((bytes[0] as number) >= 0xed && bytes.subarray(1, 31).every((byte) => byte === 0xff))
  );
}

/** Any clamped scalar finds a low-order point: it gives zero with every one of them. */
const LOW_ORDER_PROBE = new Uint8Array(KEY_BYTES).fill(0x42);

function textOf(ascii: Uint8Array): string {
  return String.fromCharCode(...ascii);
}

function upper(letter: number): number {
  return letter >= 0x61 && letter <= 0x7a ? letter - 0x20 : letter;
}

/** The messages never hold the text, which may be a secret key pasted by mistake. */
function decode(text: Uint8Array, prefix: string): Uint8Array {
  const trimmed = trim(text);
  const decoded = decodeBech32m(trimmed);
  if (decoded === null) {
    throw badKey(
      `That is not a key: its checksum does not match, so a character is missing or wrong. It has ${trimmed.length} characters.`,
    );
  }
  if (decoded.prefix === prefix) return decoded.bytes;
  decoded.bytes.fill(0);
  if (decoded.prefix === SECRET_PREFIX) {
    throw badKey(
      "That is a SECRET key, where a public key (udp1…) is wanted. If it stands in your shell's history now, make a new one.",
    );
  }
  if (decoded.prefix === PUBLIC_PREFIX) throw badKey('That is a public key, where a secret key is wanted.');
  throw badKey(`That is not a key of udp-tool: it begins with "${decoded.prefix}1".`);
}

/** Without the white space of ASCII around it. */
function trim(text: Uint8Array): Uint8Array {
  const start = text.findIndex((letter) => !isSpace(letter));
  return start < 0
    ? text.subarray(0, 0)
    : text.subarray(start, text.findLastIndex((letter) => !isSpace(letter)) + 1);
}

function isSpace(letter: number): boolean {
  return letter === 0x20 || (letter >= 0x09 && letter <= 0x0d);
}

function badPresharedKey(message: string): UdpToolError {
  return new UdpToolError('bad-key', message, { hint: 'Make one with "head -c 32 /dev/urandom > FILE".' });
}

function badKey(message: string): UdpToolError {
  return new UdpToolError('bad-key', message, {
    hint: 'Copy the whole line that "udp-tool keygen" printed on the other machine: it begins with udp1 and has 62 characters.',
  });
}
