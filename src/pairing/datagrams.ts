/** The four datagrams of a pairing (PROTOCOL §B.2). All have one length, so that no answer is larger than its cause. */
import { concat, equalBytes, isAllZero, utf8 } from '../bytes.ts';
import { HASH_BYTES, type Share } from './exchange.ts';
import { OFFER_BYTES } from './offer.ts';

export const NONCE_BYTES = 32;
const DATAGRAM_BYTES = 512;

const LABEL = utf8('udp-tool/1 pair');
const Type = { HELLO: 1, ANSWER: 2, REVEAL: 3, CONFIRM: 4 } as const;

export type PairingDatagram =
  | { readonly type: 'hello'; readonly commitment: Uint8Array }
  | ({ readonly type: 'answer'; readonly commitment: Uint8Array } & Share)
  | ({ readonly type: 'reveal'; readonly commitment: Uint8Array; readonly proof: Uint8Array } & Share)
  | {
      readonly type: 'confirm';
      readonly commitment: Uint8Array;
      readonly step: number;
      readonly proof: Uint8Array;
    };

export function encodeDatagram(datagram: PairingDatagram): Uint8Array {
  switch (datagram.type) {
    case 'hello':
      return filled(Type.HELLO, datagram.commitment);
    case 'answer':
      return filled(Type.ANSWER, datagram.commitment, datagram.offer, datagram.nonce);
    case 'reveal':
      return filled(Type.REVEAL, datagram.commitment, datagram.offer, datagram.nonce, datagram.proof);
    case 'confirm':
      return filled(Type.CONFIRM, datagram.commitment, Uint8Array.of(datagram.step), datagram.proof);
  }
}

/** Null for what is no datagram of a pairing. */
export function decodeDatagram(bytes: Uint8Array): PairingDatagram | null {
  if (bytes.length !== DATAGRAM_BYTES) return null;
  let offset = 0;
  const next = (length: number): Uint8Array => bytes.slice(offset, (offset += length));
  if (!equalBytes(next(LABEL.length), LABEL)) return null;
  const [type] = next(1);
  const commitment = next(HASH_BYTES);
  const read = (): PairingDatagram | null => {
    switch (type) {
      case Type.HELLO:
        return { type: 'hello', commitment };
      case Type.ANSWER:
        return { type: 'answer', commitment, offer: next(OFFER_BYTES), nonce: next(NONCE_BYTES) };
      case Type.REVEAL:
        return {
          type: 'reveal',
          commitment,
          offer: next(OFFER_BYTES),
          nonce: next(NONCE_BYTES),
          proof: next(HASH_BYTES),
        };
      case Type.CONFIRM:
        return { type: 'confirm', commitment, step: next(1)[0] as number, proof: next(HASH_BYTES) };
      default:
        return null;
    }
  };
  const datagram = read();
  return datagram !== null && isAllZero(bytes.subarray(offset)) ? datagram : null;
}

function filled(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(DATAGRAM_BYTES);
  bytes.set(concat(LABEL, Uint8Array.of(type), ...parts));
  return bytes;
}
