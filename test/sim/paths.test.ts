import { describe, expect, test } from 'vitest';
import { P2pHost, type P2pHostOptions } from '../support/p2p-host.ts';
import { NAT_KINDS, type NatKind, throughNats, VirtualNat } from '../support/virtual-nat.ts';
import { VirtualNetwork } from '../support/virtual-network.ts';

const PI: P2pHostOptions = { ip: '203.0.113.1' };

/** Two hosts behind a NAT each, and one without that both trust. */
function world(
  seed: number,
  kinds: readonly [NatKind, NatKind],
  link = { delayMs: 20 },
  pi: P2pHostOptions = PI,
): {
  network: VirtualNetwork;
  nats: [VirtualNat, VirtualNat];
  alice: P2pHost;
  bob: P2pHost;
  pi: P2pHost;
} {
  const network = new VirtualNetwork(seed, link);
  const nats: [VirtualNat, VirtualNat] = [
    new VirtualNat(kinds[0], '198.51.100.1', '10.1.'),
    new VirtualNat(kinds[1], '198.51.100.2', '10.2.'),
  ];
  network.intercept = (flight) => throughNats(nats, flight);
  const alice = new P2pHost(network, { ip: '10.1.0.5' });
  const bob = new P2pHost(network, { ip: '10.2.0.6' });
  const relay = new P2pHost(network, pi);
  for (const host of [alice, bob]) {
    host.trust(relay, relay.address);
    relay.trust(host);
  }
  alice.trust(bob);
  bob.trust(alice);
  bob.wait();
  network.run(1_000);
  return { network, nats, alice, bob, pi: relay };
}

/** Each lets in only what it sent something to, and one of them sends from another port each time. */
function cannotBePunched(a: NatKind, b: NatKind): boolean {
  const kinds = [a, b];
  return kinds.includes('symmetric') && (kinds.includes('port-restricted') || a === b);
}

describe('two hosts behind a NAT each', () => {
  for (const a of NAT_KINDS) {
    for (const b of NAT_KINDS) {
      const expected = cannotBePunched(a, b) ? 'relayed' : 'punched';
      test(`${a} and ${b}: ${expected}`, () => {
        for (const seed of [1, 2, 3]) {
          const { network, alice, bob } = world(seed, [a, b]);
          const reached = alice.reach(bob);
          network.run(12_000);
          expect(reached.path?.kind, `seed ${seed}`).toBe(expected);
          expect(reached.afterMs).toBeLessThan(expected === 'punched' ? 2_000 : 4_000);
          const asked = alice.ask(bob, 'hello', [3_000]);
          network.run(3_000);
          expect(asked.outcome).toMatchObject({ ok: true, value: 'x'.repeat(3_000) });
        }
      });
    }
  }
});
