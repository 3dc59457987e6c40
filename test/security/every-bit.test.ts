/**
 * Every bit of every datagram type flipped, every truncation, every reflection: nothing is answered, nothing that can be
 * seen of the receiver changes, and the honest go on. PROTOCOL §5.3 rule 1, §11. What cannot be seen, private fields,
 * test/adversary looks at.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { digest } from '../adversary/memory.ts';
import { echo } from '../support/commands.ts';
import { type Flight, pair, type VirtualHost, VirtualNetwork } from '../support/virtual-network.ts';

const NAMES = ['', 'HELLO', 'RETRY', 'CHALLENGE', 'OPEN', 'DATA'];
const [COOKIE_OFFSET, OPEN_BOX_OFFSET] = [24, 143];
const ATTACKER = { ip: '10.6.6.6', port: 666 };

/** All that can be seen of a host from outside its private fields, but for what it dropped. */
function seenOf({ machine }: VirtualHost): number {
  const { endpoint, client } = machine;
  const peers = [...endpoint.peers];
  const sessions = peers.flatMap(({ current, unconfirmed, inbound }) => [current, unconfirmed, ...inbound]);
  return digest([
    machine.nextTimeout(),
    machine.waitingBytes(),
    endpoint.sessionCount,
    client.pendingCount,
    peers,
    peers.map(({ rtt }) => [rtt.smoothed, rtt.rto(rtt.doublings(0))]),
    sessions.map((session) => session && [session.sent, session.idleSince(), session.remote]),
    peers.flatMap(({ inbound }) => [...inbound].map(({ paths }) => paths.currentValidated)),
  ]);
}

const dropsOf = ({ machine }: VirtualHost): number =>
  Object.values(machine.endpoint.drops).reduce((sum, count) => sum + count, 0);

/** Gives a datagram to its receiver: it is dropped, and nothing else happens. */
function expectSilence(what: string, target: VirtualHost, { datagram, from }: Flight, now: number): void {
  const [seen, drops] = [seenOf(target), dropsOf(target)];
  target.machine.receive(datagram, from, now);
  const answers = target.machine.drain(now).length;
  const dropped = dropsOf(target) - drops;
  const isChanged = seenOf(target) !== seen;
  if (answers > 0 || dropped !== 1 || isChanged)
    expect.fail(`${what}: ${JSON.stringify({ answers, dropped, isChanged })}`);
}

function flippedAt(datagram: Uint8Array, bit: number): Uint8Array {
  const flipped = datagram.slice();
  flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (0x80 >> (bit & 7));
  return flipped;
}

/**
 * Makes one datagram of every kind that its receiver would accept if it came now.
 * `kind` stops the history where that datagram is on its way.
 */
function historyUpTo(kind: string): {
  network: VirtualNetwork;
  client: VirtualHost;
  server: VirtualHost;
  flight: Flight;
} {
  const network = new VirtualNetwork(11, { delayMs: 1 });
  const { client, server } = pair(network, { commands: [echo] });
  if (kind === 'RETRY to client') {
    // Handshakes until the meter is empty; the next HELLO gets a RETRY.
    for (let i = 0; i < 16; i++) {
      client.request('echo', ['x']);
      network.run(10);
      client.restart();
    }
  }
  let found: Flight | null = null;
  network.intercept = (flight) => {
    if (found !== null) return [];
    if (kindOf(flight, server) !== kind) return [flight];
    found = flight;
    return [];
  };
  client.request('echo', ['x'], 200_000);
  network.run(1);
  for (let i = 0; i < 20 && found === null; i++) {
    client.request('echo', ['y'], 200_000);
    network.run(5);
  }
  if (found === null) throw new Error(`no ${kind} was ever sent`);
  return { network, client, server, flight: found };
}

function kindOf({ datagram, from }: Flight, server: VirtualHost): string {
  return `${NAMES[datagram[0] as number]} to ${from.ip === server.address.ip ? 'client' : 'server'}`;
}

const KINDS = [
  'HELLO to server',
  'RETRY to client',
  'CHALLENGE to client',
  'OPEN to server', // that begins a session
  'DATA to client',
  'DATA to server',
];

describe.each(KINDS)('%s', (kind) => {
  let history: ReturnType<typeof historyUpTo>;
  let target: VirtualHost;

  beforeAll(() => {
    history = historyUpTo(kind);
    target = kind.endsWith('server') ? history.server : history.client;
  });

  const expectSilenceAt = (what: string, datagram: Uint8Array): void =>
    expectSilence(what, target, { ...history.flight, datagram }, history.network.now);

  test('every flipped bit is met with silence, and changes nothing that can be seen', () => {
    const { datagram } = history.flight;
    for (let bit = 0; bit < datagram.length * 8; bit++) {
      expectSilenceAt(`bit ${bit}`, flippedAt(datagram, bit));
    }
  });

  test('every truncation, and bytes behind it, are met with silence', () => {
    const { datagram } = history.flight;
    for (let length = 0; length < datagram.length; length++) {
      expectSilenceAt(`${length} bytes`, datagram.slice(0, length));
    }
    for (const extra of [1, 16, 64, 300]) {
      const longer = new Uint8Array(datagram.length + extra);
      longer.set(datagram);
      expectSilenceAt(`${extra} bytes more`, longer);
    }
  });

  test('every other type in its first byte is met with silence', () => {
    for (let type = 0; type < 256; type++) {
      if (type === history.flight.datagram[0]) continue;
      const other = history.flight.datagram.slice();
      other[0] = type;
      expectSilenceAt(`type ${type}`, other);
    }
  });

  test('reflected to whoever sent it, it is met with silence', () => {
    const { flight, network, client, server } = history;
    const sender = target === server ? client : server;
    const before = seenOf(sender);
    sender.machine.receive(flight.datagram, flight.to, network.now);
    expect(sender.machine.drain(network.now)).toHaveLength(0);
    expect(seenOf(sender)).toBe(before);
  });

  test('after all that, the original is still good, and the request is answered', () => {
    const { network, flight, client } = history;
    network.intercept = (other) => [other];
    network.inject(flight);
    const result = client.request('echo', ['alive'], 5_000);
    network.run(5_000);
    expect(result.outcome).toMatchObject({ ok: true, value: 'alive' });
  });
});

test('an OPEN for a live session: its cookie and first box, 119 bytes, are not looked at, and every other bit is', () => {
  const network = new VirtualNetwork(11, { delayMs: 1 });
  const { client, server } = pair(network, { commands: [echo] });
  const opens: Flight[] = [];
  network.intercept = (flight) => {
    if (kindOf(flight, server) === 'OPEN to server') opens.push(flight);
    return kindOf(flight, server) === 'DATA to client' || opens.length > 1 ? [] : [flight];
  };
  client.request('echo', ['x'], 10_000);
  network.run(1_500);
  const [first, again] = opens as [Flight, Flight];
  expect(again.datagram).not.toEqual(first.datagram);
  const { datagram, from } = again;
  const ignored = datagram.slice();
  for (let bit = 0; bit < datagram.length * 8; bit++) {
    const isIgnored = bit >> 3 >= COOKIE_OFFSET && bit >> 3 < OPEN_BOX_OFFSET;
    if (isIgnored) ignored.set(flippedAt(ignored, bit));
    else expectSilence(`bit ${bit}`, server, { ...again, datagram: flippedAt(datagram, bit) }, network.now);
  }
  const drops = dropsOf(server);
  server.machine.receive(ignored, from, network.now);
  expect(dropsOf(server)).toBe(drops);
  expect(server.machine.drain(network.now)).toHaveLength(1);
});

describe('garbage', () => {
  test('random bytes of every length, and with every type in front, are met with silence', () => {
    const network = new VirtualNetwork(3, { delayMs: 1 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(100);
    for (let length = 0; length <= 1_500; length++) {
      for (const type of [null, 1, 2, 3, 4, 5]) {
        const bytes = network.prng.bytes(length);
        if (type !== null && length > 0) bytes[0] = type;
        for (const host of [client, server]) {
          host.machine.receive(bytes, ATTACKER, network.now);
          if (host.machine.drain(network.now).length > 0)
            expect.fail(`${length} bytes, type ${type}, answered`);
        }
      }
    }
    const result = client.request('echo', ['alive']);
    network.run(100);
    expect(result.outcome).toMatchObject({ ok: true });
    const drops = Object.values(server.machine.endpoint.drops).reduce((sum, count) => sum + count, 0);
    expect(drops).toBe(1_501 * 6);
  });
});

describe('replays', () => {
  test('of a session that ended, while its epoch lives: no byte, no session', () => {
    const network = new VirtualNetwork(5, { delayMs: 5 });
    network.record = true;
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(1_000);
    for (const { datagram, to } of client.machine.close(network.now)) {
      network.inject({ datagram, from: client.address, to });
    }
    expect(server.machine.endpoint.sessionCount).toBe(0);
    const opens = network.sent.filter(({ datagram }) => datagram[0] === 4);
    expect(opens.length).toBeGreaterThan(0);
    for (const { datagram, from } of opens) {
      server.machine.receive(datagram, from, network.now);
      expect(server.machine.drain(network.now)).toHaveLength(0);
    }
    expect(server.machine.endpoint.sessionCount).toBe(0);
    expect(server.machine.endpoint.drops.consumed).toBe(opens.length);
  });

  test('of all that was ever sent, at any later time, from anywhere, to anybody: nothing is executed again', () => {
    const network = new VirtualNetwork(5, { delayMs: 5 });
    network.record = true;
    let executed = 0;
    const { client, server } = pair(network, { commands: [echo], onExecute: () => executed++ });
    for (let i = 0; i < 30; i++) client.request('echo', [`${i}`]);
    network.run(1_000);
    client.restart();
    for (let i = 0; i < 30; i++) client.request('echo', [`${i}`]);
    network.run(1_000);
    const recorded = [...network.sent];
    const executedHonestly = executed;
    let bytesIn = 0;
    let bytesOut = 0;
    const replayAll = (): void => {
      for (const { datagram } of recorded) {
        for (const from of [client.address, server.address, ATTACKER]) {
          for (const host of [client, server]) {
            host.machine.receive(datagram, from, network.now);
            const answers = host.machine.drain(network.now);
            if (answers.length === 0) continue;
            // A HELLO alone is answered, with no more than its own length.
            expect(datagram[0]).toBe(1);
            bytesIn += datagram.length;
            for (const answer of answers) bytesOut += answer.datagram.length;
          }
        }
      }
    };
    for (const wait of [0, 1_000, 60_000, 60_000, 60_000, 900_000, 3_600_000]) {
      network.now += wait;
      network.runUntil(network.now);
      replayAll();
      expect(executed).toBe(executedHonestly);
    }
    server.restart();
    replayAll();
    expect(executed).toBe(executedHonestly);
    expect(bytesOut).toBeGreaterThan(0);
    expect(bytesOut).toBeLessThanOrEqual(bytesIn);
    expect(server.machine.endpoint.sessionCount).toBe(0);
  });
});
