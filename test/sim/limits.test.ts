/** The limits of PROTOCOL §5, §6 and §12, to the last one. */
import { describe, expect, test } from 'vitest';
import { encodeMessage, MessageType } from '../../src/wire/messages.ts';
import { blob, echo, launch } from '../support/commands.ts';
import { type Flight, pair, VirtualHost, VirtualNetwork } from '../support/virtual-network.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HELLO = 1;
const OPEN = 4;

/** Sends a request past the client's own accounts. */
function sendRequest(client: VirtualHost, now: number, lane: number, id: number, command = 'echo'): void {
  const [session] = client.machine.endpoint.sessionsTo(client.peer(), now);
  if (session === undefined) throw new Error('there is a session');
  const { boot } = session;
  const request = { type: MessageType.REQUEST, lane, id, boot, command, args: ['x'] };
  client.machine.endpoint.send(session, encodeMessage(request));
}

/** A client whose request was executed, and whose answer got lost; and another process of the same peer. */
function executedOnce() {
  const network = new VirtualNetwork(1, { delayMs: 1 });
  let executions = 0;
  const { client, server } = pair(network, {
    commands: [echo, launch],
    onExecute: (command) => (executions += command === 'launch' ? 1 : 0),
  });
  const other = new VirtualHost(network, { ip: '192.168.2.2', keyPair: client.keyPair });
  other.trust(server, [server.address]);
  const isOfOther = ({ from, to }: Flight): boolean => [from.ip, to.ip].includes(other.address.ip);
  network.intercept = (flight) => (isOfOther(flight) || executions === 0 ? [flight] : []);
  client.request('echo', ['session']);
  network.run(SECOND);
  const deadline = network.now + 5 * MINUTE;
  const result = client.request('launch', ['x'], 5 * MINUTE);
  network.run(SECOND);
  expect(executions).toBe(1);
  return { network, client, server, other, deadline, result, executions: () => executions };
}

type Lost = ReturnType<typeof executedOnce>;

function trustAnew({ server, client, network }: Lost): void {
  server.machine.removePeer(server.peer(), network.now);
  server.trust(client);
}

function openOtherSessions({ server, other, network }: Lost): void {
  for (let i = 0; i < 64; i++) {
    other.machine.endpoint.tryPath(other.peer(), [server.address], network.now);
    network.run(300);
  }
}

describe('a request whose answer got lost is not executed again', () => {
  test.each([
    ['its peer was removed and is trusted again', trustAnew],
    ['its session made room for others', openOtherSessions],
  ])('when it comes minutes later, though %s', (_name, loseSession) => {
    const lost = executedOnce();
    const { network, server, deadline, result } = lost;
    const [session] = server.peer().inbound;
    loseSession(lost);
    expect(session?.isAlive(network.now)).toBe(false);
    network.runUntil(deadline - 15 * SECOND);
    network.intercept = (flight) => [flight];
    network.run(15 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true, value: 'launched x' });
    expect(lost.executions()).toBe(1);
  });

  test('when others of the same peer have been forgotten meanwhile', () => {
    const lost = executedOnce();
    const { network, other, result } = lost;
    other.request('launch', ['y']);
    network.run(SECOND);
    for (const { datagram, to } of other.machine.close(network.now))
      network.inject({ datagram, from: other.address, to });
    trustAnew(lost);
    network.run(4 * MINUTE);
    network.intercept = (flight) => [flight];
    network.run(MINUTE);
    expect(result.outcome).toMatchObject({ ok: true, value: 'launched x' });
    expect(lost.executions()).toBe(2); // x and y
  });

  test('when it comes at its end in an OPEN, which is held up for as long as an epoch lives', () => {
    const lost = executedOnce();
    const { network, server, deadline } = lost;
    trustAnew(lost);
    network.runUntil(deadline - 10 * SECOND);
    const held: Flight[] = [];
    network.intercept = (flight) => {
      if (flight.datagram[0] === OPEN) held.push(flight);
      return flight.datagram[0] === OPEN ? [] : [flight];
    };
    network.run(2 * MINUTE);
    for (const flight of held) network.inject(flight);
    expect(server.peer(1).inbound.size).toBeGreaterThan(0);
    expect(lost.executions()).toBe(1);
  });
});

describe('what a server remembers', () => {
  test('a peer has 1,024 lanes in all its instances together', () => {
    const network = new VirtualNetwork(1, { delayMs: 1 });
    const executed: string[] = [];
    const { client } = pair(network, {
      commands: [echo],
      onExecute: (_command, { what }) => executed.push(String(what)),
    });
    for (const lanes of [256, 256, 256, 256, 1]) {
      client.restart();
      client.request('echo', ['x'], MINUTE);
      network.run(SECOND);
      for (let lane = 1; lane < lanes; lane++) {
        sendRequest(client, network.now, lane, 1);
        network.run(1);
      }
      network.run(SECOND);
    }
    expect(executed).toHaveLength(1024);
  });

  test('a peer has 1,024 instances, until they are forgotten', () => {
    const network = new VirtualNetwork(1, { delayMs: 1 });
    const { client, server } = pair(network, { commands: [echo] });
    // Slow enough for the rate of handshakes, and fast enough that none is forgotten yet.
    for (let i = 0; i < 1024; i++) {
      client.restart();
      client.request('echo', ['x']);
      network.run(300);
    }
    client.restart();
    const oneMore = client.request('echo', ['x']);
    network.run(10 * SECOND);
    expect(oneMore.outcome).toMatchObject({ ok: false });
    expect(server.machine.endpoint.drops['peer-full']).toBeGreaterThan(0);
    network.run(12 * MINUTE);
    const later = client.request('echo', ['x']);
    network.run(SECOND);
    expect(later.outcome).toMatchObject({ ok: true });
  });

  test('of the answers to a peer the newest are kept, 4 MiB of them', () => {
    const network = new VirtualNetwork(1, { delayMs: 1 });
    const { client, server } = pair(network, { commands: [blob] });
    for (let i = 0; i < 80; i++) {
      client.request('blob', [60_000]);
      network.run(100);
    }
    network.record = true;
    const bytesAgain = Array.from({ length: 80 }, (_, i) => {
      network.sent.length = 0;
      sendRequest(client, network.now, 0, i + 1, 'blob');
      network.run(100);
      const answer = network.sent.filter(({ from }) => from === server.address);
      return answer.reduce((bytes, { datagram }) => bytes + datagram.length, 0);
    });
    const firstKept = bytesAgain.findIndex((bytes) => bytes > 60_000);
    expect(firstKept).toBeGreaterThan(0);
    expect(bytesAgain.slice(0, firstKept).every((bytes) => bytes > 0 && bytes < 200)).toBe(true);
    expect(bytesAgain.slice(firstKept).every((bytes) => bytes > 60_000)).toBe(true);
    const kept = 80 - firstKept;
    expect(kept * 60_000).toBeLessThan(4 * 1024 * 1024);
    expect((kept + 1) * 62_000).toBeGreaterThan(4 * 1024 * 1024);
  });
});

test('of one peer 1,024 commands are executed at once, and others when those are done', () => {
  const network = new VirtualNetwork(1, { delayMs: 1 });
  let executions = 0;
  const { client } = pair(network, {
    commands: [launch, echo],
    onExecute: (command) => (executions += command === 'launch' ? 1 : 0),
    executionMs: (command) => (command === 'launch' ? MINUTE : 0),
  });
  client.request('echo', ['session']);
  network.run(SECOND);
  for (let i = 0; i < 1_030; i++) {
    sendRequest(client, network.now, 1 + Math.floor(i / 256), 1 + (i % 256), 'launch');
    network.run(1);
  }
  expect(executions).toBe(1024);
  const busy = client.request('launch', ['x']);
  network.run(SECOND);
  expect(busy.outcome).toMatchObject({ ok: false, error: { code: 'busy' } });
  network.run(MINUTE);
  client.request('launch', ['x']);
  network.run(SECOND);
  expect(executions).toBe(1025);
});

test('answers are sent once more at a rate, however many a peer asks for', () => {
  const network = new VirtualNetwork(1, { delayMs: 1 });
  const { client, server } = pair(network, { commands: [blob] });
  for (let i = 0; i < 60; i++) client.request('blob', [65_000], MINUTE);
  network.run(20 * SECOND);
  const [session] = client.machine.endpoint.sessionsTo(client.peer(), network.now);
  if (session === undefined) throw new Error('there is a session');
  let bytes = 0;
  network.intercept = (flight: Flight) => {
    if (flight.from.ip !== server.address.ip) return [flight];
    bytes += flight.datagram.length;
    return [];
  };
  for (let round = 0; round < 60; round++) {
    for (let id = 1; id <= 60; id++) {
      const more = { type: MessageType.MORE, lane: 0, id, have: new Uint8Array(8) };
      client.machine.endpoint.send(session, encodeMessage(more));
    }
    network.run(30);
  }
  expect(bytes).toBeGreaterThan(2 * 2 ** 20);
  expect(bytes).toBeLessThan(10 * 2 ** 20);
});

test('a server that says CLOSE to each session has handshakes follow at the rate at which they are answered', () => {
  const network = new VirtualNetwork(1, { delayMs: 0.2 });
  const { client, server } = pair(network, { commands: [launch], executionMs: () => 10 * MINUTE });
  let hellos = 0;
  network.intercept = (flight: Flight) => {
    if (flight.datagram[0] === HELLO) hellos++;
    if (flight.datagram[0] !== OPEN) return [flight];
    network.at(network.now + 1, () => {
      for (const session of server.peer().inbound)
        server.machine.endpoint.send(session, encodeMessage({ type: MessageType.CLOSE }));
    });
    return [flight];
  };
  // One that does not meter them.
  Object.assign(server.peer(), { meter: { take: () => true } });
  client.request('launch', ['x'], MINUTE);
  network.run(10 * SECOND);
  expect(hellos).toBeGreaterThan(20);
  expect(hellos).toBeLessThan(16 + 10 * 8);
});

test('a handshake that is held back by that rate does not begin sooner where the peer is said to be elsewhere', () => {
  const network = new VirtualNetwork(1, { delayMs: 1 });
  const { client, server } = pair(network, { commands: [echo] });
  while (client.peer().starts.take(network.now));
  const result = client.request('echo', ['x']);
  const { endpoint } = client.machine;
  endpoint.setAddresses(client.peer(), [server.address, { ip: '192.168.2.4', port: 9999 }]);
  network.run(200);
  expect(network.datagrams).toBe(0);
  network.run(SECOND);
  expect(result.outcome).toMatchObject({ ok: true });
  // From its HELLO on, not from when it was asked for, nor from later.
  expect(client.peer().rtt.smoothed).toBeCloseTo(2);
});

test('an address where nobody was seen gets three times what came from there, to the byte', () => {
  for (let length = 0; length < 2_000; length += 50) {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client, server } = pair(network, { commands: [blob] });
    client.request('blob', [0]);
    network.run(SECOND);
    client.address = { ip: '203.0.113.9', port: 53 };
    const bytes = { from: 0, to: 0 };
    network.intercept = (flight: Flight) => {
      const isTo = flight.from.ip === server.address.ip;
      if (!isTo && bytes.from > 0) return [];
      bytes[isTo ? 'to' : 'from'] += flight.datagram.length;
      return isTo ? [] : [flight];
    };
    client.request('blob', [length]);
    network.run(5 * SECOND);
    expect(bytes.to).toBeGreaterThan(0);
    expect(bytes.to, `answers of ${length} bytes`).toBeLessThanOrEqual(3 * bytes.from);
  }
});

test('an endpoint that closed knows nobody', () => {
  const network = new VirtualNetwork(1, { delayMs: 1 });
  network.record = true;
  const { client, server } = pair(network, { commands: [echo] });
  client.request('echo', ['x']);
  network.run(SECOND);
  const [hello] = network.sent as [Flight];
  expect(hello.datagram[0]).toBe(HELLO);
  server.machine.close(network.now);
  expect([...server.machine.endpoint.peers]).toEqual([]);
  expect(server.machine.endpoint.receive(hello.datagram, client.address, network.now)).toBe('unknown-tag');
});
