/** Somebody looks on: he sees all of it and no secret, and nothing changes. */
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/bytes.ts';
import { isRelayAddress } from '../../src/session/address.ts';
import { HANDSHAKE_BURST } from '../../src/session/constants.ts';
import type { StreamAsk } from '../../src/streams/stream-machine.ts';
import { blob, echo, launch } from '../support/commands.ts';
import { Onlooker } from '../support/onlooker.ts';
import { P2pHost } from '../support/p2p-host.ts';
import { seeds } from '../support/prng.ts';
import { type Flight, pair, VirtualHost, VirtualNetwork } from '../support/virtual-network.ts';

const BAD_NETWORK = { delayMs: 5, jitterMs: 20, loss: 0.1, duplication: 0.1 };
const HELLO = 1;
const RETRY = 2;

function give({ subject: [, length], answer }: StreamAsk): void {
  answer(new Uint8Array(Number(length)).fill(7));
}

/** Requests, large answers, streams, a restart and a goodbye between two hosts. */
function scenario(
  seed: number,
  tap?: Onlooker,
): { network: VirtualNetwork; client: VirtualHost; server: VirtualHost; drawn: Uint8Array[] } {
  const network = new VirtualNetwork(seed, BAD_NETWORK);
  const drawn: Uint8Array[] = [];
  const { bytes } = network.prng;
  Object.assign(network.prng, {
    bytes: (length: number) => {
      const random = bytes(length);
      drawn.push(Uint8Array.from(random));
      return random;
    },
  });
  network.record = true;
  const looked = tap && { tap };
  const server = new VirtualHost(network, {
    ip: '192.168.2.3',
    commands: [echo, launch, blob],
    onAsk: give,
    ...looked,
  });
  const client = new VirtualHost(network, { ip: '192.168.2.1', ...looked });
  server.trust(client);
  client.trust(server, [server.address]);
  for (let i = 0; i < 20; i++) client.request('launch', [`${i}`], 20_000);
  client.request('blob', [10_000], 20_000);
  client.request('nothing', [], 20_000);
  network.run(2_000);
  client.machine.streams.ask(
    { peer: client.peer(), process: null },
    { subject: ['bytes', 100_000], maxBytes: 100_000, settle: () => {} },
    5_000,
    network.now,
  );
  network.run(5_000);
  server.restart();
  client.request('echo', ['again'], 20_000);
  network.run(20_000);
  return { network, client, server, drawn };
}

function flightsOf({ sent }: VirtualNetwork): string[] {
  return sent.map(({ datagram, from, to }) => `${from.ip} ${to.ip} ${toHex(datagram)}`);
}

describe('somebody who looks on', () => {
  test.each(seeds(3))('changes no byte on the wire, and no drop (seed %i)', (seed) => {
    const onlooker = new Onlooker();
    const alone = scenario(seed);
    const seen = scenario(seed, onlooker);
    expect(onlooker.noted.length).toBeGreaterThan(100);
    expect(flightsOf(seen.network)).toEqual(flightsOf(alone.network));
    for (const side of ['client', 'server'] as const)
      expect(seen[side].machine.endpoint.drops).toEqual(alone[side].machine.endpoint.drops);
  });

  test('sees every datagram: as it was on the wire, and why it was dropped', () => {
    const onlooker = new Onlooker();
    const { network } = scenario(1, onlooker);
    const sent = onlooker.noted.filter(({ direction }) => direction === 'sent');
    expect(sent.map(({ start, length }) => `${length} ${toHex(start)}`)).toEqual(
      network.sent.map(({ datagram }) => `${datagram.length} ${toHex(datagram.subarray(0, 64))}`),
    );
    expect(sent.every(({ contents }) => contents !== undefined)).toBe(true);
    const received = onlooker.noted.filter(({ direction }) => direction === 'received');
    const onWire = new Map(sent.map(({ start, contents }) => [toHex(start), contents]));
    const taken = received.filter(({ dropped }) => dropped === null);
    expect(taken.length).toBeGreaterThan(100);
    for (const { start, contents } of taken)
      expect(contents?.messages).toEqual(onWire.get(toHex(start))?.messages);
    const dropped = received.filter((one) => one.dropped !== null);
    expect(new Set(dropped.map((one) => one.dropped))).toContain('replayed');
    expect(dropped.every(({ contents }) => contents === undefined)).toBe(true);
    const names = new Set(onlooker.names().flatMap((line) => line.split(' ')));
    for (const name of ['REQUEST', 'RESPONSE', 'ERROR', 'PART', 'ASK', 'STREAM', 'LAST', 'ACK', 'INSTANCE'])
      expect(names).toContain(name);
  });

  test('sees nothing that was drawn at random, but what goes over the wire in the clear', () => {
    const onlooker = new Onlooker();
    const { client, server, drawn, network } = scenario(2, onlooker);
    const { keys } = client.peer();
    const secrets = [
      ...drawn.filter(({ length }) => length > 4),
      client.keyPair.secretKey.expose(),
      server.keyPair.secretKey.expose(),
      keys.pairKey,
      keys.incoming.helloKey,
      keys.outgoing.helloKey,
      keys.incoming.challengeKey,
      keys.outgoing.challengeKey,
    ];
    // Ephemeral keys, seeds of the KEM, instances, boot ids, data of path challenges, session ids.
    expect(new Set(secrets.map(({ length }) => length))).toEqual(new Set([6, 8, 15, 32, 64]));
    const messages = JSON.stringify(onlooker.noted.map(({ contents }) => contents?.messages));
    expect(messages).toContain('"REQUEST"');
    for (const secret of secrets)
      for (const encoding of ['hex', 'base64', 'latin1'] as const)
        expect(messages.includes(Buffer.from(secret).toString(encoding))).toBe(false);
    expect(onlooker.noted.every(({ start }) => start.buffer.byteLength === start.length)).toBe(true);
    const wire = new Set(network.sent.map(({ datagram }) => toHex(datagram.subarray(0, 64))));
    expect(onlooker.noted.every(({ start }) => wire.has(toHex(start)))).toBe(true);
  });

  test('whose eyes are shut is told nothing', () => {
    const onlooker = new Onlooker();
    onlooker.isOpen = false;
    scenario(1, onlooker);
    expect(onlooker.noted).toEqual([]);
  });
});

describe('a peer is named', () => {
  test('in a handshake only by what it sealed itself', () => {
    const network = new VirtualNetwork(1);
    const onlooker = new Onlooker();
    const { client, server } = pair(network, { commands: [echo], tap: onlooker });
    network.record = true;
    client.machine.endpoint.want(client.peer(), 1_000, network.now);
    network.run(500);
    expect(onlooker.noted[0]).toMatchObject({ direction: 'received', dropped: null });
    expect(onlooker.noted[0]?.contents?.peer).toBe(server.peer());
    onlooker.noted.length = 0;
    const [hello] = network.sent as [Flight];
    expect(hello.datagram[0]).toBe(HELLO);
    const forged = Uint8Array.from(hello.datagram);
    forged[100] = (forged[100] as number) ^ 1;
    network.inject({ ...hello, datagram: forged });
    expect(onlooker.noted).toMatchObject([
      { direction: 'received', dropped: 'bad-box', contents: undefined },
    ]);
  });

  test('in a RETRY, on both sides', () => {
    const network = new VirtualNetwork(1);
    const onlooker = new Onlooker();
    const { client, server } = pair(network, { commands: [echo], tap: onlooker });
    for (let i = 0; i < HANDSHAKE_BURST; i++) server.peer().meter.take(network.now);
    const ofClient = new Onlooker();
    const tapped = new VirtualHost(network, {
      ip: client.address.ip,
      keyPair: client.keyPair,
      tap: ofClient,
    });
    client.hears = () => false;
    tapped.trust(server, [server.address]);
    tapped.request('echo');
    network.run(1_000);
    const isRetry = ({ start }: { start: Uint8Array }): boolean => start[0] === RETRY;
    expect(onlooker.noted.filter(isRetry)).toMatchObject([
      { direction: 'sent', contents: { peer: server.peer(), messages: [] } },
    ]);
    expect(ofClient.noted.filter(isRetry)).toMatchObject([
      { direction: 'received', contents: { peer: tapped.peer(), messages: [] } },
    ]);
  });
});

test('what is relayed is seen twice: as a RELAY, and as what was in it, but by the relay alone as a RELAY', () => {
  const network = new VirtualNetwork(1, { delayMs: 5 });
  const [ofRelay, ofAlice, ofBob] = [new Onlooker(), new Onlooker(), new Onlooker()];
  const relay = new P2pHost(network, { ip: '203.0.113.1', tap: ofRelay });
  const alice = new P2pHost(network, { ip: '203.0.113.2', tap: ofAlice });
  const bob = new P2pHost(network, { ip: '203.0.113.3', tap: ofBob });
  for (const host of [alice, bob]) {
    host.trust(relay, relay.address);
    relay.trust(host);
  }
  alice.trust(bob);
  bob.trust(alice);
  // Nothing goes between them but by the relay.
  network.intercept = (flight) => ([flight.from.ip, flight.to.ip].includes(relay.address.ip) ? [flight] : []);
  bob.wait();
  network.run(1_000);
  alice.reach(bob);
  network.run(10_000);
  expect(alice.kindTo(bob)).toBe('relayed');
  for (const { noted } of [ofRelay, ofAlice, ofBob]) noted.length = 0;
  const asked = alice.ask(bob, 'hello', [5]);
  network.run(1_000);
  expect(asked.outcome).toMatchObject({ ok: true, value: 'xxxxx' });

  const inner = ofAlice.noted.filter(({ address }) => isRelayAddress(address));
  expect(
    inner.map(({ direction, contents }) => [direction, contents?.peer, contents?.messages[0]?.name]),
  ).toEqual([
    ['sent', alice.peer(bob), 'REQUEST'],
    ['received', alice.peer(bob), 'RESPONSE'],
  ]);
  const outer = ofAlice.noted.filter(({ contents }) => contents?.messages[0]?.name === 'RELAY');
  expect(outer.map(({ direction, contents }) => [direction, contents?.peer])).toEqual([
    ['sent', alice.peer(relay)],
    ['received', alice.peer(relay)],
  ]);
  expect(outer.map(({ contents }) => contents?.messages[0]?.fields['datagram'])).toEqual(
    inner.map(({ length }) => length),
  );
  expect(ofBob.names()).toContain('REQUEST');
  expect(ofRelay.names()).toContain('RELAY');
  expect(ofRelay.names().join(' ')).not.toMatch(/REQUEST|RESPONSE/);
});
