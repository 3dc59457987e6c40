/** What a relay does not carry, and for whom it does not introduce (PROTOCOL §10.4). */
import { beforeEach, describe, expect, test } from 'vitest';
import { isRelayAddress } from '../../src/session/address.ts';
import type { CborValue } from '../../src/wire/cbor.ts';
import { DatagramType } from '../../src/wire/header.ts';
import { encodeMessage, MessageType } from '../../src/wire/messages.ts';
import { P2pHost } from '../support/p2p-host.ts';
import { VirtualNetwork } from '../support/virtual-network.ts';

const INTRODUCE = 'udp-tool.introduce';
const MEET = 'udp-tool.meet';
/** Of a session that nobody has: who receives it counts it. */
const STRAY = new Uint8Array(100).fill(DatagramType.DATA, 0, 1);

let network: VirtualNetwork;
let alice: P2pHost;
let bob: P2pHost;
let pi: P2pHost;

function host(name: number, ...relays: P2pHost[]): P2pHost {
  const one = new P2pHost(network, { ip: `203.0.113.${name}` });
  for (const relay of relays) befriend(one, relay);
  return one;
}

/** The first knows where the second is. */
function befriend(one: P2pHost, other: P2pHost): void {
  one.trust(other, other.address);
  other.trust(one);
}

/** The number of a new link of that relay, between who asks and another one. */
function newLink(relay: P2pHost, asker: P2pHost, other: P2pHost): number {
  const asked = asker.ask(relay, INTRODUCE, [other.publicKey.bytes, []]);
  network.run(1_000);
  const value = asked.outcome?.ok ? asked.outcome.value : null;
  if (!Array.isArray(value)) throw new Error('not introduced');
  const [link] = value as CborValue[];
  return link as number;
}

function sendRelay(from: P2pHost, to: P2pHost, link: number): void {
  relaySoon(from, to, link, STRAY);
  network.run(100);
}

/** In the next turn: it may be called while something is sent. */
function relaySoon(from: P2pHost, to: P2pHost, link: number, datagram: Uint8Array): void {
  network.at(network.now, () => {
    const [session] = from.machine.endpoint.sessionsWith(from.peer(to), network.now);
    if (session === undefined) throw new Error('there is a session');
    from.machine.endpoint.send(session, encodeMessage({ type: MessageType.RELAY, link, datagram }));
  });
}

const strays = ({ machine }: P2pHost): number => machine.endpoint.drops['unknown-session'];

beforeEach(() => {
  network = new VirtualNetwork(1, { delayMs: 5 });
  pi = host(1);
  alice = host(2, pi);
  bob = host(3, pi);
  alice.trust(bob);
  bob.trust(alice);
  bob.wait();
  network.run(1_000);
});

describe('another process of the same peer', () => {
  let other: P2pHost;

  beforeEach(() => {
    other = new P2pHost(network, { ip: '203.0.113.22', keyPair: alice.keyPair });
    other.trust(pi, pi.address);
  });

  test('has no part in a link', () => {
    const link = newLink(pi, alice, bob);
    other.ask(pi, 'hello');
    network.run(1_000);
    const before = strays(bob);
    sendRelay(other, pi, link);
    expect([pi.machine.relayTraffic.datagrams, strays(bob)]).toEqual([0, before]);
    sendRelay(alice, pi, link);
    expect([pi.machine.relayTraffic.datagrams, strays(bob)]).toEqual([1, before + 1]);
  });

  test('gets nothing of what is sent over it, though it was heard last', () => {
    alice.reach(bob);
    network.run(3_000);
    const link = newLink(pi, alice, bob) - 1; // the one that alice listens to
    other.ask(pi, 'hello');
    network.run(1_000);
    const before = strays(alice);
    sendRelay(bob, pi, link);
    expect(strays(alice)).toBe(before + 1);
  });
});

describe('a peer whose session goes over a relay', () => {
  let carol: P2pHost;
  /** Of bob's, between alice and carol. */
  let link: number;

  beforeEach(() => {
    carol = host(4, bob);
    carol.trust(alice);
    alice.trust(carol);
    carol.wait();
    alice.reach(bob);
    network.run(3_000);
    expect(alice.peer(bob).current?.isDirect).toBe(true);
    link = newLink(bob, alice, carol);
    // From now on alice sends all that is for bob over a link of pi's.
    const linkOfPi = newLink(pi, alice, bob) - 1;
    network.intercept = (flight) => {
      if (flight.from !== alice.address || flight.to.ip !== bob.address.ip) return [flight];
      relaySoon(alice, pi, linkOfPi, flight.datagram);
      return [];
    };
    alice.ask(bob, 'hello');
    network.run(1_000);
    const inbound = [...bob.peer(alice).inbound];
    expect(inbound.map(({ remote }) => isRelayAddress(remote))).toEqual([true]);
  });

  test('has nothing relayed', () => {
    const { datagrams } = bob.machine.relayTraffic;
    sendRelay(alice, bob, link);
    expect(bob.machine.relayTraffic.datagrams).toBe(datagrams);
  });

  test('is relayed nothing to', () => {
    const { datagrams, dropped } = bob.machine.relayTraffic;
    sendRelay(carol, bob, link);
    expect(bob.machine.relayTraffic).toMatchObject({ datagrams, dropped: dropped + 1 });
  });

  test('is introduced to nobody, and not found', () => {
    const introduced = alice.ask(bob, INTRODUCE, [carol.publicKey.bytes, []]);
    const met = alice.ask(bob, MEET, [[], []]);
    network.run(1_000);
    expect(introduced.outcome).toMatchObject({ ok: true, value: null });
    expect(met.outcome).toMatchObject({ ok: true, value: [] });
  });
});

test('what was relayed brings nothing relayed', () => {
  const other = host(9);
  befriend(bob, other);
  befriend(alice, other);
  bob.wait();
  network.run(1_000);
  const [link, linkOfOther] = [newLink(pi, alice, bob), newLink(other, alice, bob)];
  sendRelay(other, bob, linkOfOther);
  const before = strays(bob);
  expect(before).toBeGreaterThan(0);
  // The next one comes over the link of another relay.
  network.intercept = (flight) => {
    if (flight.from !== other.address) return [flight];
    network.intercept = (next) => [next];
    relaySoon(pi, bob, link, flight.datagram);
    return [];
  };
  sendRelay(other, bob, linkOfOther);
  sendRelay(pi, bob, link);
  expect(strays(bob)).toBe(before + 1); // that one, and not the one within
});
