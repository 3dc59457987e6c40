/** What passes, with names instead of what the protocol machine knows peers by. */
import { expect, test } from 'vitest';
import { relayAddress } from '../../src/session/address.ts';
import type { Peer } from '../../src/session/peer.ts';
import { type SeenDatagram, Wiretap } from '../../src/wiretap.ts';

const relay = { current: { address: { ip: '203.0.113.1', port: 9999 } } } as Peer;
const bob = {} as Peer;
const names = new Map([
  [relay, 'relay'],
  [bob, 'bob'],
]);
const received = { start: Uint8Array.of(5), length: 100, dropped: null };

async function seenBy(
  act: (wiretap: Wiretap) => void,
  peerAt: (index: number) => Peer | undefined = (index) => (index === 3 ? relay : undefined),
): Promise<SeenDatagram[]> {
  const wiretap = new Wiretap({ nameOf: (peer) => names.get(peer), peerAt });
  const seen: SeenDatagram[] = [];
  wiretap.listen((one) => seen.push(one));
  act(wiretap);
  expect(seen).toEqual([]); // not while the machine is at it
  await Promise.resolve();
  return seen;
}

test('what a relay brought is shown to come from there, and by whom', async () => {
  const from = relayAddress({ relay: 3, link: 77 });
  const contents = { peer: bob, messages: [{ name: 'CLOSE', fields: {} }], messageCount: 1 };
  const [seen] = await seenBy((wiretap) => wiretap.received({ ...received, from, contents }));
  expect(seen).toEqual({
    direction: 'received',
    address: relay.current?.address,
    via: 'relay',
    length: 100,
    start: Uint8Array.of(5),
    kind: 'DATA',
    peer: 'bob',
    dropped: undefined,
    messages: [{ name: 'CLOSE', fields: {} }],
    messageCount: 1,
  });
});

test('so is what goes by a relay; one that was removed meanwhile has no name', async () => {
  const to = relayAddress({ relay: 3, link: 77 });
  const datagram = new Uint8Array(200).fill(4);
  const [seen] = await seenBy((wiretap) => wiretap.sent({ datagram, to }));
  expect(seen).toMatchObject({ direction: 'sent', via: 'relay', length: 200, kind: 'OPEN', peer: undefined });
  expect(seen?.start).toEqual(datagram.subarray(0, 64));
  const [gone] = await seenBy(
    (wiretap) => wiretap.sent({ datagram, to }),
    () => undefined,
  );
  expect(gone).toMatchObject({ address: to, via: undefined });
});

test('is open while somebody listens', () => {
  const wiretap = new Wiretap({ nameOf: () => undefined, peerAt: () => undefined });
  expect(wiretap.isOpen).toBe(false);
  const end = wiretap.listen(() => {});
  expect(wiretap.isOpen).toBe(true);
  end();
  end();
  expect(wiretap.isOpen).toBe(false);
});
