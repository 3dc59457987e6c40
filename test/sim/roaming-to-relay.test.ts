/** A session that moves from an address to a relay: its own choice, and nothing that breaks the other side. */
import { expect, test } from 'vitest';
import { relayLinkOf } from '../../src/session/address.ts';
import { encodeMessage, MessageType } from '../../src/wire/messages.ts';
import { P2pHost } from '../support/p2p-host.ts';
import { VirtualNetwork } from '../support/virtual-network.ts';

test('streams that go on over a relay do so in datagrams that fit into its own', () => {
  const network = new VirtualNetwork(1, { delayMs: 5 });
  const relay = new P2pHost(network, { ip: '203.0.113.1', relayBytesPerSecond: 100e6 });
  const [alice, bob] = [
    new P2pHost(network, { ip: '203.0.113.2' }),
    new P2pHost(network, { ip: '203.0.113.3' }),
  ];
  for (const host of [alice, bob]) {
    host.trust(relay, relay.address);
    relay.trust(host);
  }
  alice.trust(bob);
  bob.trust(alice);
  bob.wait();
  network.run(1_000);
  alice.reach(bob);
  network.run(3_000);
  const session = alice.peer(bob).current;
  const toRelay = alice.peer(relay).current;
  if (session == null || toRelay == null) throw new Error('there are sessions');
  expect(session.isDirect).toBe(true);
  const before = alice.fetch(bob, 100_000);
  network.run(1_000);
  expect(before.bytes?.length).toBe(100_000);

  // From now on alice sends all of that session over the link.
  const next = alice.ask(relay, 'udp-tool.introduce', [bob.publicKey.bytes, []]);
  network.run(1_000);
  const link = ((next.outcome?.ok ? (next.outcome.value as number[])[0] : Number.NaN) as number) - 1;
  network.intercept = (flight) => {
    if (flight.from !== alice.address || flight.to.ip !== bob.address.ip) return [flight];
    alice.machine.endpoint.send(
      toRelay,
      encodeMessage({ type: MessageType.RELAY, link, datagram: flight.datagram }),
    );
    network.at(network.now, () => {}); // it is sent on at once
    return [];
  };
  network.record = true;
  const after = alice.fetch(bob, 2_500_000);
  network.run(10_000);
  expect(after.bytes?.length).toBe(2_500_000);
  const [inbound] = bob.peer(alice).inbound;
  expect(inbound && relayLinkOf(inbound.remote)).toMatchObject({ link });
  expect(
    Math.max(
      ...network.sent.filter(({ from }) => from === bob.address).map(({ datagram }) => datagram.length),
    ),
  ).toBeLessThanOrEqual(1_232);
});
