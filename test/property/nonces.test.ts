/** No (key, nonce) pair is ever used twice: counted at the only two functions that seal. */
import { expect, test, vi } from 'vitest';

const used = vi.hoisted(() => ({ pairs: new Set<string>(), seals: 0 }));

/**
 * Sealed and opened is by a stand-in, since the cipher takes most of the time and has no say in nonces: a tag of key and
 * nonce, then the plaintext as it is.
 */
vi.mock('../../src/crypto/box.ts', async (importOriginal) => {
  const box = await importOriginal<typeof import('../../src/crypto/box.ts')>();
  const { NONCE_BYTES, TAG_BYTES } = box;
  const { allocate } = await import('../../src/bytes.ts');
  const pair = Buffer.alloc(NONCE_BYTES + 16);
  const tagByte = (i: number, nonce: Uint8Array, key: Uint8Array): number =>
    (key[i] as number) ^ (nonce[i] as number) ^ (nonce[i + NONCE_BYTES - TAG_BYTES] as number);
  const sealAt = (
    datagram: Uint8Array,
    at: number,
    plaintext: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ) => {
    used.seals++;
    pair.set(nonce);
    pair.set(key.subarray(0, 16), NONCE_BYTES);
    used.pairs.add(pair.toString('latin1'));
    for (let i = 0; i < TAG_BYTES; i++) datagram[at + i] = tagByte(i, nonce, key);
    datagram.set(plaintext, at + TAG_BYTES);
    return datagram;
  };
  const openAt = (
    datagram: Uint8Array,
    at: number,
    nonce: Uint8Array,
    key: Uint8Array,
  ): Uint8Array | null => {
    if (datagram.length < at + TAG_BYTES) return null;
    for (let i = 0; i < TAG_BYTES; i++) if (datagram[at + i] !== tagByte(i, nonce, key)) return null;
    const plaintext = allocate(datagram.length - at - TAG_BYTES);
    plaintext.set(datagram.subarray(at + TAG_BYTES));
    return plaintext;
  };
  return {
    ...box,
    seal: (plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array) =>
      sealAt(allocate(TAG_BYTES + plaintext.length), 0, plaintext, nonce, key),
    open: (sealed: Uint8Array, nonce: Uint8Array, key: Uint8Array) => openAt(sealed, 0, nonce, key),
    sealBehind: (header: Uint8Array, plaintext: Uint8Array, key: Uint8Array) => {
      const datagram = allocate(NONCE_BYTES + TAG_BYTES + plaintext.length);
      datagram.set(header);
      return sealAt(datagram, NONCE_BYTES, plaintext, header, key);
    },
    openWithin: (datagram: Uint8Array, at: number, key: Uint8Array) => openAt(datagram, at, datagram, key),
  };
});

const { pair, VirtualNetwork } = await import('../support/virtual-network.ts');
const { echo, blob } = await import('../support/commands.ts');

const DATAGRAMS = 1_000_000;

test('in a million datagrams with loss, restarts, rekeying and roaming', { timeout: 240_000 }, () => {
  const network = new VirtualNetwork(1, { delayMs: 3, jitterMs: 5, loss: 0.02, duplication: 0.02 });
  const { client, server } = pair(network, { commands: [echo, blob] });
  let answered = 0;
  let rounds = 0;
  while (network.datagrams < DATAGRAMS) {
    const results = Array.from({ length: 8 }, () => client.request('blob', [60_000], 20_000));
    network.run(400);
    answered += results.filter(({ outcome }) => outcome?.ok).length;
    rounds++;
    if (rounds % 200 === 0) server.restart();
    if (rounds % 150 === 0) client.restart();
    if (rounds % 70 === 0) client.address = { ip: `10.0.0.${rounds % 250}`, port: rounds };
    if (rounds % 90 === 0) network.run(3_600_000);
  }
  expect(answered).toBeGreaterThan(rounds); // most of what was asked
  expect(used.seals).toBeGreaterThan(DATAGRAMS * 0.9);
  expect(used.pairs.size).toBe(used.seals);
});
