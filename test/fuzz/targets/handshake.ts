/** Datagrams of handshakes under a known key, and those of a pairing (PROTOCOL §4.2 to §4.5, §B.1, §B.2). */
import { concat } from '../../../src/bytes.ts';
import { sealBehind } from '../../../src/crypto/box.ts';
import { keyPairFromSecret, SecretKey } from '../../../src/crypto/keys.ts';
import { decodeDatagram, encodeDatagram } from '../../../src/pairing/datagrams.ts';
import { decodeOffer, encodeOffer, OFFER_BYTES } from '../../../src/pairing/offer.ts';
import {
  CHALLENGE_BYTES,
  HELLO_BYTES,
  OPEN_BOX_OFFSET,
  openChallenge,
  openHello,
  openKeyBox,
  openRetry,
  RETRY_BYTES,
  sealChallenge,
  sealHello,
  sealOpen,
  sealRetry,
} from '../../../src/session/handshake-datagrams.ts';
import { encodeCbor } from '../../../src/wire/cbor.ts';
import { counterOf, HEADER_BYTES } from '../../../src/wire/header.ts';
import { block, check, Input, same, type Target } from '../target.ts';

const KEY = new Uint8Array(32).fill(5);
const TAG = KEY.subarray(0, 8);
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7);
const plaintextOf = (length: number): Uint8Array => encodeCbor(bytes(length));

/**
 * A byte for what it is, then the header's 24 bytes in a block, and the plaintext; or, of the last kind, a datagram as
 * it is.
 */
export const handshake: Target = {
  name: 'handshake',
  seeds: () => [
    ...[5 + 1184, 5, 6 + 32 + 1088 + 8 + 55].map((length, i) =>
      concat(Uint8Array.of(0), block(bytes(24).fill(1 + i)), plaintextOf(length)).slice(),
    ),
    concat(
      Uint8Array.of(3),
      sealOpen({ cookie: bytes(55), openKey: KEY, ephemeral: bytes(32) }, TAG, 1, bytes(64), KEY),
    ).slice(),
  ],
  maxBytes: 1600,
  work: { base: 4_000, perByte: 100 },
  memory: { base: 80 * 1024, perByte: 64 },
  run(input) {
    const reader = new Input(input);
    if (reader.below(4) === 3) {
      expectOpen(reader.rest());
      return;
    }
    const header = concat(reader.block(), bytes(HEADER_BYTES)).slice(0, HEADER_BYTES);
    const datagram = sealBehind(header, reader.rest(), KEY).slice();
    const hello = openHello(datagram, KEY);
    const token = openRetry(datagram, KEY);
    const challenge = openChallenge(datagram, KEY);
    const receiver = header.subarray(1, 9);
    if (hello !== null)
      expectSealed(datagram, HELLO_BYTES, sealHello(hello, receiver, KEY, header.subarray(9)));
    if (token !== null)
      expectSealed(datagram, RETRY_BYTES, sealRetry(token, receiver, KEY, header.subarray(9)));
    if (challenge !== null)
      expectSealed(datagram, CHALLENGE_BYTES, sealChallenge(challenge, receiver, KEY, header.subarray(9)));
  },
};

/** But for its type, it is the same again: what is sealed has one form. */
function expectSealed(datagram: Uint8Array, length: number, again: Uint8Array): void {
  check(datagram.length === length, `a datagram of ${datagram.length} bytes is taken`);
  if (datagram[0] === again[0]) same(again, datagram, 'a datagram is another one when it is sealed again');
}

function expectOpen(datagram: Uint8Array): void {
  if (datagram.length <= OPEN_BOX_OFFSET) return;
  const ephemeral = openKeyBox(datagram, KEY);
  if (ephemeral === null) return;
  check(ephemeral.length === 32, 'a key has another length');
  // Nothing of what it vouches for can be another.
  const other = datagram.slice();
  other[datagram.length - 1] = (other[datagram.length - 1] as number) ^ 1;
  check(openKeyBox(other, KEY) === null, 'the second box of an OPEN can be another');
  const counter = counterOf(datagram);
  check(counter === null || (counter >= 0 && counter < 2 ** 48), 'a counter is out of range');
}

const OTHER = keyPairFromSecret(SecretKey.fromBytes(new Uint8Array(32).fill(9))).publicKey;
const OFFER = encodeOffer({ publicKey: OTHER, name: 'pi', at: '[fe80::1%eth0]:9999' }).slice();

export const pairingDatagrams: Target = {
  name: 'pairing-datagrams',
  seeds: () => {
    const commitment = bytes(32);
    const share = { commitment, offer: OFFER, nonce: bytes(32) };
    return [
      encodeDatagram({ type: 'hello', commitment }),
      encodeDatagram({ type: 'answer', ...share }),
      encodeDatagram({ type: 'reveal', ...share, proof: bytes(32) }),
      encodeDatagram({ type: 'confirm', commitment, step: 1, proof: bytes(32) }),
      OFFER,
    ].map((datagram) => datagram.slice());
  },
  maxBytes: 600,
  work: { base: 3_000, perByte: 50 },
  memory: { base: 72 * 1024, perByte: 32 },
  run(input) {
    const datagram = decodeDatagram(input);
    if (datagram !== null) {
      same(encodeDatagram(datagram), input, 'a datagram has two encodings');
      if ('offer' in datagram) expectOffer(datagram.offer);
    }
    expectOffer(input);
    expectOffer(concat(input, new Uint8Array(OFFER_BYTES)).slice(0, OFFER_BYTES));
  },
};

function expectOffer(encoded: Uint8Array): void {
  const offer = decodeOffer(encoded);
  if (offer !== null) same(encodeOffer(offer), encoded, 'an offer has two encodings');
}
