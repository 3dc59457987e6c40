import { expect, test } from 'vitest';
import type { FileOffer, Offer } from '../../src/files/offer.ts';
import type { RemotePeer } from '../../src/remote-peer.ts';
import { choose, gather, holdersOf } from '../../src/sharing/find.ts';

const [liar, pi, mac] = ['liar', 'pi', 'mac'].map((name) => ({ name }) as RemotePeer) as [
  RemotePeer,
  RemotePeer,
  RemotePeer,
];

const offer: FileOffer = {
  kind: 'file',
  name: 'a.txt',
  size: 7,
  files: 1,
  id: new Uint8Array(32).fill(1),
  mtimeMs: 0,
  isExecutable: false,
};

test('who says a wrong size of what others have is not put together with them', () => {
  const lists = new Map<RemotePeer, Offer[]>([
    [liar, [{ ...offer, size: 8 }]],
    [pi, [offer]],
    [mac, [{ ...offer, mtimeMs: 5 }]],
  ]);
  expect(gather(lists).map(({ offer: { size }, peers }) => [size, peers])).toEqual([
    [8, [liar]],
    [7, [pi, mac]],
  ]);
  expect(holdersOf(lists, offer)).toEqual([pi, mac]);
  expect(() => choose(gather(lists), 'a.txt')).toThrow(/Different files/);
});

test('a file is executable where all who have it say so', () => {
  for (const order of [
    [true, false],
    [false, true],
  ]) {
    const lists = new Map<RemotePeer, Offer[]>(
      order.map((isExecutable, i) => [[liar, pi][i] as RemotePeer, [{ ...offer, isExecutable }]]),
    );
    expect(gather(lists)).toMatchObject([{ offer: { isExecutable: false }, peers: [liar, pi] }]);
  }
});
