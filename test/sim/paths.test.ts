import { describe, expect, test } from 'vitest';
import type { CborValue } from '../../src/wire/cbor.ts';
import { encodeMessage, MessageType } from '../../src/wire/messages.ts';
import { LyingIntroducer, P2pHost, type P2pHostOptions } from '../support/p2p-host.ts';
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

describe('in one network', () => {
  test('two behind one NAT reach each other by the addresses that they have there', () => {
    const { network, alice, pi } = world(1, ['port-restricted', 'port-restricted']);
    const carol = new P2pHost(network, { ip: '10.1.0.7' });
    for (const [one, other] of [
      [carol, alice],
      [alice, carol],
      [pi, carol],
    ] as const)
      one.trust(other);
    carol.trust(pi, pi.address);
    carol.wait();
    network.run(1_000);
    const reached = alice.reach(carol);
    network.run(5_000);
    expect(reached.path).toMatchObject({ kind: 'lan', address: carol.address });
  });

  test('one that begins to wait only then is found a little later', () => {
    const { network, alice, bob } = world(1, ['open', 'open']);
    bob.machine.reachable.stop();
    network.run(60_000);
    const reached = alice.reach(bob);
    network.run(1_500);
    expect(reached.path).toBeUndefined();
    bob.wait();
    network.run(3_500);
    expect(reached.path?.kind).toBe('punched');
  });

  test('a peer at a configured address is reached without anybody', () => {
    const { network, alice, pi } = world(1, ['symmetric', 'symmetric']);
    const reached = alice.reach(pi);
    network.run(1_000);
    expect(reached.path).toMatchObject({ kind: 'direct', via: undefined });
    expect(reached.afterMs).toBeLessThan(200);
  });

  test('where it was seen last, or was found in the network, is tried at once', () => {
    const network = new VirtualNetwork(1);
    const [alice, bob] = [
      new P2pHost(network, { ip: '192.168.2.1' }),
      new P2pHost(network, { ip: '192.168.2.3' }),
    ];
    alice.trust(bob);
    bob.trust(alice);
    const nowhere = { ip: '192.168.2.99', port: 9999 };
    alice.machine.finder.suggest(alice.peer(bob), 'lan', [nowhere, bob.address], network.now);
    const reached = alice.reach(bob);
    network.run(200);
    expect(reached.path).toMatchObject({ kind: 'lan', address: bob.address });
    const asked = alice.ask(bob, 'hello');
    network.run(200);
    expect(asked.outcome).toMatchObject({ ok: true });
  });
});

describe('a path that changes', () => {
  test('a relayed one is replaced by a punched one, and requests go on meanwhile', () => {
    const { network, nats, alice, bob } = world(5, ['port-restricted', 'port-restricted']);
    const block = network.intercept;
    // For a while nothing goes from NAT to NAT.
    network.intercept = (flight) =>
      nats.some(({ ip }) => ip === flight.to.ip && flight.from.ip !== PI.ip) ? [] : block(flight);
    const reached = alice.reach(bob);
    network.run(6_000);
    expect(reached.path?.kind).toBe('relayed');
    network.intercept = block;
    for (let second = 0; second < 60; second++) {
      const asked = alice.ask(bob, 'hello', [], 2_000);
      network.run(1_000);
      expect(asked.outcome, `in second ${second}`).toMatchObject({ ok: true });
    }
    expect(alice.kindTo(bob)).toBe('punched');
    expect(bob.kindTo(alice)).toBe('punched');
  });

  test('what is fetched meanwhile is fetched on, by the better path', () => {
    const { network, nats, alice, bob, pi } = world(6, ['port-restricted', 'port-restricted'], {
      delayMs: 10,
    });
    const block = network.intercept;
    network.intercept = (flight) =>
      nats.some(({ ip }) => ip === flight.to.ip && flight.from.ip !== PI.ip) ? [] : block(flight);
    alice.reach(bob);
    network.run(6_000);
    expect(alice.kindTo(bob)).toBe('relayed');
    network.intercept = block;
    let fetched = 0;
    let relayed = 0;
    for (let second = 0; second < 40; second++) {
      const piece = alice.fetch(bob, 100_000);
      network.run(1_000);
      if (piece.bytes?.length === 100_000) fetched++;
      if (second === 30) relayed = pi.machine.relayTraffic.bytes;
    }
    expect(fetched).toBe(40);
    expect(alice.kindTo(bob)).toBe('punched');
    expect(pi.machine.relayTraffic.bytes - relayed).toBeLessThan(1_000);
  });

  test('the NAT of either side forgets: a way is found again', () => {
    for (const side of [0, 1] as const) {
      const { network, nats, alice, bob } = world(7 + side, ['port-restricted', 'port-restricted']);
      alice.reach(bob);
      network.run(5_000);
      expect(alice.kindTo(bob)).toBe('punched');
      nats[side].rebind();
      network.run(40_000);
      const reached = alice.reach(bob);
      network.run(15_000);
      expect(reached.path?.kind, `side ${side}`).toBe('punched');
      const asked = alice.ask(bob, 'hello');
      network.run(5_000);
      expect(asked.outcome).toMatchObject({ ok: true });
    }
  });

  test('a hole that is used now and then stays open', () => {
    const { network, alice, bob } = world(3, ['port-restricted', 'port-restricted']);
    alice.reach(bob);
    network.run(3_000);
    network.record = true;
    network.sent.length = 0;
    alice.ask(bob, 'hello');
    network.run(45_000);
    const between = network.sent.filter(({ from, to }) => from === alice.address && to.ip === '198.51.100.2');
    expect(between.length).toBeGreaterThanOrEqual(3);
    network.sent.length = 0;
    network.run(600_000); // but not for ever
    const later = network.sent.filter(({ from, to }) => from === alice.address && to.ip === '198.51.100.2');
    expect(later.length).toBeLessThan(10);
  });
});

describe('a relay', () => {
  test('carries no more than its owner lets it', () => {
    const { network, alice, bob, pi } = world(
      2,
      ['symmetric', 'symmetric'],
      { delayMs: 5 },
      {
        ...PI,
        relayBytesPerSecond: 20_000,
      },
    );
    alice.reach(bob);
    network.run(8_000);
    expect(alice.kindTo(bob)).toBe('relayed');
    const before = pi.machine.relayTraffic.bytes;
    for (let i = 0; i < 40; i++) alice.ask(bob, 'hello', [50_000], 60_000);
    network.run(10_000);
    const { bytes, dropped } = pi.machine.relayTraffic;
    expect(bytes - before).toBeLessThan(20_000 * 10.5);
    expect(bytes - before).toBeGreaterThan(20_000 * 5);
    expect(dropped).toBeGreaterThan(0);
  });

  test('carries streams in datagrams that stay ordinary ones, in either role', () => {
    const { network, alice, bob } = world(6, ['symmetric', 'symmetric']);
    alice.reach(bob);
    network.run(8_000);
    network.record = true;
    const [there, back] = [alice.fetch(bob, 200_000), bob.fetch(alice, 200_000)];
    network.run(5_000);
    expect([there.bytes?.length, back.bytes?.length]).toEqual([200_000, 200_000]);
    const lengths = network.sent.map(({ datagram }) => datagram.length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(1_232);
  });

  test('is left alone while nobody uses it', () => {
    const { network, alice, bob, pi } = world(2, ['symmetric', 'symmetric']);
    alice.reach(bob);
    network.run(8_000);
    expect(alice.kindTo(bob)).toBe('relayed');
    network.run(90_000);
    const { datagrams } = pi.machine.relayTraffic;
    network.run(600_000);
    expect(pi.machine.relayTraffic.datagrams).toBe(datagrams);
  });

  test('leads back too: who was found by a relay can ask who found him', () => {
    const { network, alice, bob } = world(2, ['symmetric', 'symmetric']);
    alice.reach(bob);
    network.run(8_000);
    expect(bob.kindTo(alice)).toBe('relayed');
    const reached = bob.reach(alice);
    network.run(1_000);
    expect(reached.path?.kind).toBe('relayed');
    const asked = bob.ask(alice, 'hello');
    network.run(1_000);
    expect(asked.outcome).toMatchObject({ ok: true });
  });

  test('leads both ways at once', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { network, alice, bob } = world(seed, ['symmetric', 'symmetric']);
      alice.wait();
      network.run(1_000);
      const begun = [alice.reach(bob)];
      network.run(100 * seed);
      begun.push(bob.reach(alice));
      network.run(8_000);
      expect(begun.map(({ path }) => path?.kind)).toEqual(['relayed', 'relayed']);
      const asked = [alice.ask(bob, 'hello'), bob.ask(alice, 'hello')];
      network.run(1_000);
      for (const { outcome } of asked) expect(outcome, `seed ${seed}`).toMatchObject({ ok: true });
    }
  });

  test('is none where its owner says so, and an introducer is none either', () => {
    for (const [options, kind] of [
      [{ relayBytesPerSecond: 0 }, null],
      [{ introduces: false }, null],
    ] as const) {
      const { network, alice, bob } = world(2, ['symmetric', 'symmetric'], undefined, { ...PI, ...options });
      const reached = alice.reach(bob, 9_000);
      network.run(12_000);
      expect(reached.path).toBe(kind);
    }
  });

  test('cannot read what it relays, and is not believed: another key gets nothing', () => {
    const { network, alice, bob, pi } = world(2, ['symmetric', 'symmetric']);
    network.record = true;
    alice.reach(bob);
    network.run(5_000);
    // Of bob's machine, the relay has the public key and the session; a session of alice needs bob's secret key.
    const { drops } = alice.machine.endpoint;
    const [session] = pi.machine.endpoint.sessionsWith(pi.peer(alice), network.now);
    const link = Number(
      /^relay-\d+-(\d+)$/.exec(
        alice.machine.finder.pathTo(alice.peer(bob), network.now)?.address.ip ?? '',
      )?.[1],
    );
    const forged = new Uint8Array(1232).fill(3);
    if (session === undefined) throw new Error('no session');
    pi.machine.endpoint.send(session, encodeMessage({ type: MessageType.RELAY, link, datagram: forged }));
    network.run(100);
    expect(drops['unknown-hello']).toBe(1);
    // And over a link that leads nowhere, nothing is received at all.
    pi.machine.endpoint.send(
      session,
      encodeMessage({ type: MessageType.RELAY, link: link ^ 1, datagram: forged }),
    );
    network.run(100);
    expect(drops['unknown-hello']).toBe(1);
  });

  test('forwards nothing over a link that is not of who sends it', () => {
    const { network, alice, bob, pi } = world(2, ['symmetric', 'symmetric']);
    const mallory = new P2pHost(network, { ip: '203.0.113.66' });
    pi.trust(mallory);
    mallory.trust(pi, pi.address);
    alice.reach(bob);
    network.run(5_000);
    const link = Number(
      /^relay-\d+-(\d+)$/.exec(
        alice.machine.finder.pathTo(alice.peer(bob), network.now)?.address.ip ?? '',
      )?.[1],
    );
    mallory.reach(pi);
    network.run(1_000);
    const [session] = mallory.machine.endpoint.sessionsWith(mallory.peer(pi), network.now);
    if (session === undefined) throw new Error('no session');
    const { datagrams } = pi.machine.relayTraffic;
    const datagram = new Uint8Array(100);
    for (let i = 0; i < 20; i++)
      mallory.machine.endpoint.send(session, encodeMessage({ type: MessageType.RELAY, link, datagram }));
    network.run(100);
    expect(pi.machine.relayTraffic.datagrams).toBe(datagrams);
  });
});

describe('hostile', () => {
  test('an introducer that lies about addresses has few HELLOs sent to a third party', () => {
    const network = new VirtualNetwork(4);
    const victim = '192.0.2.7';
    const sent: number[] = [];
    network.intercept = (flight) => {
      if (flight.to.ip !== victim) return [flight];
      sent.push(network.now);
      return [];
    };
    const alice = new P2pHost(network, { ip: '203.0.113.5' });
    const bob = new P2pHost(network, { ip: '203.0.113.6' });
    const evil = new LyingIntroducer(network, bob.publicKey.bytes, victim);
    alice.trust(bob);
    alice.trust(evil, evil.address);
    evil.trust(alice);
    alice.wait();
    network.run(60_000);
    expect(evil.invitations).toBeGreaterThan(5);
    expect(evil.invitations).toBeLessThan(60);
    expect(sent.length).toBeGreaterThan(0);
    for (const start of sent) {
      const within = sent.filter((at) => at >= start && at < start + 10_000).length;
      expect(within).toBeLessThanOrEqual(10);
    }
  });

  test('a peer that asks for introductions without end is told that it is too much', () => {
    const { network, alice, bob, pi } = world(2, ['symmetric', 'symmetric']);
    const outcomes = Array.from({ length: 60 }, () =>
      alice.ask(pi, 'udp-tool.introduce', [bob.publicKey.bytes, []]),
    );
    network.run(10_000);
    const busy = outcomes.filter(({ outcome }) => outcome?.ok === false && outcome.error.code === 'busy');
    expect(busy.length).toBeGreaterThanOrEqual(40);
    expect(outcomes.every(({ outcome }) => outcome !== undefined)).toBe(true);
  });

  test('who is not trusted by the other one learns nothing of him', () => {
    const { network, bob, pi } = world(2, ['open', 'open']);
    const mallory = new P2pHost(network, { ip: '203.0.113.66' });
    pi.trust(mallory);
    mallory.trust(pi, pi.address);
    mallory.trust(bob);
    network.record = true;
    const asked = mallory.ask(pi, 'udp-tool.introduce', [bob.publicKey.bytes, []]);
    const unknown = mallory.ask(pi, 'udp-tool.introduce', [mallory.publicKey.bytes, []]);
    network.run(10_000);
    expect(asked.outcome).toMatchObject({ ok: true, value: null });
    expect(unknown.outcome).toMatchObject({ ok: true, value: null });
    expect(network.sent.some(({ from, to }) => from === bob.address && to.ip === mallory.address.ip)).toBe(
      false,
    );
  });

  test('nobody accepts what another one was invited to', () => {
    const { network, alice, bob, pi } = world(2, ['open', 'open']);
    const mallory = new P2pHost(network, { ip: '203.0.113.66' });
    pi.trust(mallory);
    mallory.trust(pi, pi.address);
    bob.machine.reachable.stop();
    network.run(30_000);
    const waiting = bob.ask(pi, 'udp-tool.meet', [[], []]);
    network.run(500);
    const asked = alice.ask(pi, 'udp-tool.introduce', [bob.publicKey.bytes, []]);
    network.run(500);
    const { outcome } = waiting;
    if (outcome?.ok !== true || !Array.isArray(outcome.value)) throw new Error('not invited');
    const [link] = outcome.value as CborValue[];
    expect(link).toEqual(expect.any(Number));
    mallory.ask(pi, 'udp-tool.meet', [[], [link]]);
    network.run(10_000);
    expect(asked.outcome).toMatchObject({ ok: true, value: null });
  });

  test('what is no meeting is refused', () => {
    const { network, alice, pi } = world(2, ['open', 'open']);
    const bad: CborValue[][] = [
      [],
      [[], [], []],
      [[[new Uint8Array(4), 70_000]], []],
      [[[new Uint8Array(5), 1]], []],
      [[], Array(9).fill(1)],
      [[], [-1]],
    ];
    const outcomes = bad.map((args) => alice.ask(pi, 'udp-tool.meet', args));
    network.run(2_000);
    for (const { outcome } of outcomes) {
      expect(outcome).toMatchObject({ ok: false, error: { code: 'bad-arguments' } });
    }
  });

  test('processes of one peer that wait without number are not kept without number', () => {
    const { network, bob, pi } = world(2, ['open', 'open']);
    const busy: boolean[] = [];
    for (let i = 0; i < 20; i++) {
      const process = new P2pHost(network, { ip: `203.0.113.${100 + i}`, keyPair: bob.keyPair });
      process.trust(pi, pi.address);
      const asked = process.ask(pi, 'udp-tool.meet', [[], []]);
      network.run(300);
      busy.push(asked.outcome?.ok === false);
    }
    expect(busy.filter((is) => is).length).toBe(5);
  });
});
