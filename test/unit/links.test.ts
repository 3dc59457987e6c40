import { expect, test } from 'vitest';
import { type LinkEnd, Links } from '../../src/p2p/links.ts';
import { MessageType } from '../../src/wire/messages.ts';

const SECONDS = 10;
const BYTES_PER_SECOND = 1_000_000;

function end(index: number) {
  const peer = { index, inbound: new Set<unknown>() };
  const session = {
    peer,
    instance: BigInt(index),
    role: 'responder',
    isDirect: true,
    isAlive: () => true,
    idleSince: () => 0,
  };
  peer.inbound.add(session);
  return { session: session as never, end: { peer, instance: session.instance } as unknown as LinkEnd };
}

test('who has many links gets no more of a relay than who has one', () => {
  const [alice, bob, mallory, friend] = [end(1), end(2), end(3), end(4)];
  let toBob = 0;
  const links = new Links({
    endpoint: { send: (to: unknown) => (toBob += Number(to === bob.session)) } as never,
    random: (length) => new Uint8Array(length),
    bytesPerSecond: BYTES_PER_SECOND,
  });
  links.open(0, [alice.end, bob.end], 0);
  for (let link = 1; link <= 30; link++) links.open(link, [mallory.end, friend.end], 0);
  const relay = (link: number, bytes: number) => ({
    type: MessageType.RELAY,
    link,
    datagram: new Uint8Array(bytes),
  });
  for (let now = 1; now <= SECONDS * 1_000; now++) {
    for (let i = 0; i < 2; i++) links.forward(alice.session, relay(0, 1_200), now);
    if (now % 200 === 0)
      for (let link = 1; link <= 30; link++) links.forward(mallory.session, relay(link, 41), now);
  }
  expect((toBob * 1_200) / SECONDS).toBeGreaterThan(0.45 * BYTES_PER_SECOND);
});
