/** Keys: PROTOCOL.md §2 and §3. */
import { hsalsa, xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { hex, join } from './bytes.ts';

export const hash = (bits: number, message: Uint8Array, key?: Uint8Array): Uint8Array =>
  blake2b(message, { dkLen: bits / 8, ...(key && { key }) });

/** Cuts the 64 bytes of a BLAKE2b-512 into two keys. */
const halves = (bytes: Uint8Array): readonly [Uint8Array, Uint8Array] => [
  bytes.slice(0, 32),
  bytes.slice(32),
];

export const twoKeys = (key: Uint8Array, message: Uint8Array): readonly [Uint8Array, Uint8Array] =>
  halves(hash(512, message, key));

/** HSalsa20, with zero input, of the X25519 result; undefined for a point of low order. */
export function agree(secret: Uint8Array, point: Uint8Array): Uint8Array | undefined {
  let shared: Uint8Array;
  try {
    shared = x25519.getSharedSecret(secret, point);
  } catch {
    return undefined;
  }
  const words = (bytes: Uint8Array): Uint32Array => new Uint32Array(bytes.slice().buffer);
  const out = new Uint32Array(8);
  hsalsa(words(join('expand 32-byte k')), words(shared), new Uint32Array(4), out);
  return new Uint8Array(out.buffer);
}

export const box = (key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Uint8Array =>
  xsalsa20poly1305(key, nonce).encrypt(plain);

/** Undefined if it does not open. */
export function unbox(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  try {
    return xsalsa20poly1305(key, nonce).decrypt(sealed);
  } catch {
    return undefined;
  }
}

export interface KeyPair {
  readonly secret: Uint8Array;
  readonly public: Uint8Array;
}

export const keyPair = (secret: Uint8Array): KeyPair => ({ secret, public: x25519.getPublicKey(secret) });

const SYMBOLS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const BECH32M = 0x2bc830a3;
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

function polymod(values: readonly number[]): number {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (const [bit, term] of GENERATOR.entries()) if ((top >>> bit) & 1) sum ^= term;
  }
  return sum;
}

const expand = (prefix: string): number[] => {
  const letters = [...prefix].map((letter) => letter.charCodeAt(0));
  return [...letters.map((code) => code >> 5), 0, ...letters.map((code) => code & 31)];
};

/** A public key as text. */
export function keyToText(key: Uint8Array): string {
  const bits = BigInt(`0x${hex(key)}`) << 4n; // 256 bits in 52 groups of 5
  const data = Array.from({ length: 52 }, (_, i) => Number((bits >> BigInt(5 * (51 - i))) & 31n));
  const sum = polymod([...expand('udp'), ...data, 0, 0, 0, 0, 0, 0]) ^ BECH32M;
  const check = Array.from({ length: 6 }, (_, i) => (sum >>> (5 * (5 - i))) & 31);
  return `udp1${[...data, ...check].map((value) => SYMBOLS[value]).join('')}`;
}

/** The 32 bytes of a key as text with that prefix (BIP 350); throws at anything else. */
export function keyFromText(text: string, prefix: 'udp' | 'udp-secret-key-'): Uint8Array {
  const lower = text.toLowerCase();
  if (text !== lower && text !== text.toUpperCase()) throw new Error('mixed case');
  if (!lower.startsWith(`${prefix}1`)) throw new Error('another prefix');
  const values = [...lower.slice(prefix.length + 1)].map((symbol) => SYMBOLS.indexOf(symbol));
  if (values.includes(-1) || polymod([...expand(prefix), ...values]) !== BECH32M)
    throw new Error('a wrong checksum');
  let bits = 0n;
  for (const value of values.slice(0, -6)) bits = (bits << 5n) | BigInt(value);
  if (values.length !== 52 + 6 || bits & 15n) throw new Error('not 32 bytes');
  const key = Uint8Array.from(Buffer.from((bits >> 4n).toString(16).padStart(64, '0'), 'hex'));
  if (prefix === 'udp') {
    const number = BigInt(`0x${hex(key.toReversed())}`);
    if (number >= 2n ** 255n - 19n) throw new Error('not reduced');
    if (agree(new Uint8Array(32).fill(9), key) === undefined) throw new Error('of low order');
  }
  return key;
}

/** The keys of a pair of peers in one direction (§3.2). */
export interface PairKeys {
  readonly k0: Uint8Array;
  readonly tag: Uint8Array;
  readonly kH: Uint8Array;
  readonly kC: Uint8Array;
  readonly initiator: Uint8Array;
  readonly responder: Uint8Array;
}

export function pairKeys(
  own: KeyPair,
  peer: Uint8Array,
  role: 'initiator' | 'responder',
  psk: Uint8Array = new Uint8Array(32),
): PairKeys {
  const kSs = agree(own.secret, peer);
  if (kSs === undefined) throw new Error('a peer of low order');
  const [initiator, responder] = role === 'initiator' ? [own.public, peer] : [peer, own.public];
  const k0 = hash(256, join('udp-tool/1 pair', psk), kSs);
  const tag = hash(256, join('udp-tool/1 tag', initiator, responder), k0).slice(0, 8);
  const [kH, kC] = twoKeys(k0, join('udp-tool/1 hs', initiator, responder));
  return { k0, tag, kH, kC, initiator, responder };
}
