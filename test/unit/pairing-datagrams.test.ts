import { describe, expect, test } from 'vitest';
import { generateKeyPair } from '../../src/index.ts';
import { decodeDatagram, encodeDatagram, type PairingDatagram } from '../../src/pairing/datagrams.ts';
import { decodeOffer, encodeOffer } from '../../src/pairing/offer.ts';

const { publicKey } = generateKeyPair();
const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

describe('an offer', () => {
  test.each([
    ['pi', ''],
    ['p', '192.168.2.3:9999'],
    ['x'.repeat(32), `${'h'.repeat(249)}:65535`],
    ['a-b_c', '[fe80::1%eth0]:9999'],
  ])('%s at "%s" is read as it was written', (name, at) => {
    const offer = { publicKey, name, at };
    expect(encodeOffer(offer)).toHaveLength(321);
    expect(decodeOffer(encodeOffer(offer))).toEqual(offer);
  });

  test.each([
    ['', ''],
    ['-pi', ''],
    ['x'.repeat(33), ''],
    ['p\u00ed', ''],
    ['pi', 'h'.repeat(256)],
    ['pi', 'a b'],
    ['pi', 'a\u001b[2J'],
    ['pi', 'a"b'],
  ])('of the name %j at %j cannot be written', (name, at) => {
    expect(() => encodeOffer({ publicKey, name, at })).toThrow();
  });

  const good = encodeOffer({ publicKey, name: 'pi', at: 'pi:1' });
  test.each([
    ['a key of low order', 0, bytes(32, 0)],
    ['a key whose number is too large', 0, bytes(32, 0xff)],
    ['no name', 32, [0, 0, 0]],
    ['a name longer than its field', 32, [33]],
    ['a name with a control character', 33, [0x1b]],
    ['something behind the name', 36, [0x61]],
    ['something behind the address', 70 + 4, [0x61]],
    ['an address with a quote', 66, [0x22]],
    ['an address with a byte beyond ASCII', 66, [0xe9]],
  ])('with %s is none', (_what, at, values) => {
    const changed = good.slice();
    changed.set(values, at);
    expect(decodeOffer(changed)).toBeNull();
    expect(decodeOffer(good)).not.toBeNull();
  });

  test('of another length is none, even where zeros alone lack', () => {
    expect(decodeOffer(good.subarray(0, -1))).toBeNull();
    expect(decodeOffer(Uint8Array.of(...good, 0))).toBeNull();
  });
});

describe('a datagram', () => {
  const [commitment, nonce, proof] = [bytes(32, 1), bytes(32, 2), bytes(32, 3)] as const;
  const offer = encodeOffer({ publicKey, name: 'pi', at: '' });
  const all: PairingDatagram[] = [
    { type: 'hello', commitment },
    { type: 'answer', commitment, offer, nonce },
    { type: 'reveal', commitment, offer, nonce, proof },
    { type: 'confirm', commitment, step: 255, proof },
  ];

  test.each(all)('$type is 512 bytes, and read as it was written', (datagram) => {
    const encoded = encodeDatagram(datagram);
    expect(encoded).toHaveLength(512);
    expect(decodeDatagram(encoded)).toEqual(datagram);
  });

  test.each(all)('$type with something behind it, of another length, label or type is none', (datagram) => {
    const encoded = encodeDatagram(datagram);
    for (const [at, value] of [
      [511, 1],
      [0, 0x55],
      [14, 0x52],
      [15, 0],
      [15, 5],
    ] as const) {
      const changed = encoded.slice();
      changed[at] = value;
      expect(decodeDatagram(changed)).toBeNull();
    }
    for (const length of [0, 1, 15, 16, 48, 511]) expect(decodeDatagram(encoded.slice(0, length))).toBeNull();
    expect(decodeDatagram(new Uint8Array([...encoded, 0]))).toBeNull();
  });

  test('holds copies: what arrived may be overwritten', () => {
    const encoded = encodeDatagram({ type: 'hello', commitment });
    const datagram = decodeDatagram(encoded);
    encoded.fill(0);
    expect(datagram).toEqual({ type: 'hello', commitment });
  });
});
