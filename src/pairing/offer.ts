/** What a machine says of itself, for the other one's peer book (PROTOCOL §B.1). */
import { concat, isAllZero, utf8 } from '../bytes.ts';
import { KEY_BYTES } from '../crypto/box.ts';
import { PublicKey } from '../crypto/keys.ts';
import { UdpToolError } from '../errors.ts';
import { isPeerName } from '../peer-name.ts';

export interface Offer {
  readonly publicKey: PublicKey;
  /** What it calls itself. */
  readonly name: string;
  /** `HOST:PORT` where it serves; empty where it does not say. */
  readonly at: string;
}

const MAX_NAME_BYTES = 32;
const MAX_AT_BYTES = 255;
export const OFFER_BYTES: number = KEY_BYTES + 1 + MAX_NAME_BYTES + 1 + MAX_AT_BYTES;

/** What an address is written with; that it is one is for the layer above to say. */
const ADDRESS = /^[A-Za-z0-9._:%[\]-]*$/;

/** @throws UdpToolError `bad-usage` for a name or an address that no other machine would take */
export function encodeOffer({ publicKey, name, at }: Offer): Uint8Array {
  if (!isPeerName(name)) throw unfit(`"${name}" cannot be a peer's name.`);
  if (!ADDRESS.test(at) || at.length > MAX_AT_BYTES) throw unfit(`"${at}" cannot be sent as an address.`);
  return concat(publicKey.bytes, field(name, MAX_NAME_BYTES), field(at, MAX_AT_BYTES));
}

/** Null for anything that {@link encodeOffer} would not have made. */
export function decodeOffer(bytes: Uint8Array): Offer | null {
  if (bytes.length !== OFFER_BYTES) return null;
  const publicKey = readKey(bytes.subarray(0, KEY_BYTES));
  const name = readField(bytes.subarray(KEY_BYTES, KEY_BYTES + 1 + MAX_NAME_BYTES));
  const at = readField(bytes.subarray(KEY_BYTES + 1 + MAX_NAME_BYTES));
  if (publicKey === null || name === null || at === null) return null;
  return isPeerName(name) && ADDRESS.test(at) ? { publicKey, name, at } : null;
}

/** The length in a byte, the text, and zeros. */
function field(text: string, maxBytes: number): Uint8Array {
  const bytes = new Uint8Array(1 + maxBytes);
  bytes[0] = text.length;
  bytes.set(utf8(text), 1);
  return bytes;
}

function readField(bytes: Uint8Array): string | null {
  const end = 1 + (bytes[0] as number);
  if (end > bytes.length || !isAllZero(bytes.subarray(end))) return null;
  return String.fromCharCode(...bytes.subarray(1, end));
}

function readKey(bytes: Uint8Array): PublicKey | null {
  try {
    return PublicKey.fromBytes(bytes);
  } catch {
    return null;
  }
}

function unfit(message: string): UdpToolError {
  return new UdpToolError('bad-usage', message);
}
