import { expect, test } from 'vitest';
import type { Offer } from '../../src/files/offer.ts';
import type { RemotePeer } from '../../src/remote-peer.ts';
import { Uploads } from '../../src/sharing/uploads.ts';

const peer = (key: string): RemotePeer => ({ name: key, publicKey: key }) as unknown as RemotePeer;

function offerOf(salt: number): Offer {
  const id = new Uint8Array(32).fill(salt);
  return { kind: 'file', name: 'gift', size: 9, files: 1, id, mtimeMs: 0, isExecutable: false };
}

test('what is served is counted by peer and offer, and forgotten when nobody asks any more', () => {
  let now = 0;
  const uploads = new Uploads(() => now);
  const [ann, bob, one, two] = [peer('ann'), peer('bob'), offerOf(1), offerOf(2)];
  for (; now < 5_000; now += 100) uploads.onServed(ann, one, 1_000);
  uploads.onServed(bob, one, 7);
  uploads.onServed(bob, two, 5);
  const list = uploads.list();
  expect(list.map(({ peer, offer, servedBytes }) => [peer, offer, servedBytes])).toEqual([
    [ann, one, 50_000],
    [bob, one, 7],
    [bob, two, 5],
  ]);
  expect(list[0]?.bytesPerSecond).toBeGreaterThan(9_000);
  expect(list[0]?.bytesPerSecond).toBeLessThan(11_500);

  now += 300_000;
  uploads.onServed(bob, one, 1);
  now += 300_000;
  expect(uploads.list().map(({ peer, servedBytes }) => [peer.name, servedBytes])).toEqual([['bob', 8]]);
});
