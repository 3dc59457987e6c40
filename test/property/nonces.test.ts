/** No (key, nonce) pair is ever used twice: counted at the only two functions that seal. */
import { expect, test, vi } from 'vitest';

const used = vi.hoisted(() => ({ pairs: new Set<string>(), seals: 0 }));

vi.mock('../../src/crypto/box.ts', async (importOriginal) => {
  const box = await importOriginal<typeof import('../../src/crypto/box.ts')>();
  const count = (nonce: Uint8Array, key: Uint8Array): void => {
    used.seals++;
    used.pairs.add(Buffer.concat([nonce, key.subarray(0, 16)]).toString('latin1'));
  };
  return {
    ...box,
    seal: (plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array) => {
      count(nonce, key);
      return box.seal(plaintext, nonce, key);
    },
    sealBehind: (header: Uint8Array, plaintext: Uint8Array, key: Uint8Array) => {
      count(header, key);
      return box.sealBehind(header, plaintext, key);
    },
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
