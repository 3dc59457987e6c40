/** Histories that broke an earlier version, and a peer that is trusted and hostile all the same. */
import { describe, expect, test } from 'vitest';
import { encodeMessage, MessageType } from '../../src/wire/messages.ts';
import { blob, echo, launch } from '../support/commands.ts';
import { type Flight, pair, VirtualNetwork } from '../support/virtual-network.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const OPEN = 4;

describe('at most once', () => {
  /** The first handshake's OPENs are held up; the second handshake does the work. Gives back what was held. */
  function heldOpens(network: VirtualNetwork): Flight[] {
    const held: Flight[] = [];
    let firstSession: string | null = null;
    network.intercept = (flight) => {
      if (flight.datagram[0] !== OPEN) return [flight];
      const session = Buffer.from(flight.datagram.subarray(1, 9)).toString('hex');
      firstSession ??= session;
      if (session !== firstSession) return [flight];
      held.push(flight);
      return [];
    };
    return held;
  }

  test.each([0, 20, 60, 110, 130])('an OPEN that is held up for %i s after the client closed', (seconds) => {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    let executed = 0;
    const { client, server } = pair(network, { commands: [launch], onExecute: () => executed++ });
    const held = heldOpens(network);
    const result = client.request('launch', ['x'], 30 * SECOND);
    network.run(20 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
    for (const { datagram, to } of client.machine.close(network.now)) {
      network.inject({ datagram, from: client.address, to });
    }
    network.run(seconds * SECOND);
    expect(held.length).toBeGreaterThan(0);
    for (const flight of held) network.inject(flight);
    network.run(SECOND);
    expect(executed).toBe(1);
    network.run(20 * MINUTE);
    expect(server.machine.endpoint.sessionCount).toBe(0);
    expect(server.machine.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });

  test('a session that is kept alive while the one that did the work is long gone', () => {
    const network = new VirtualNetwork(3, { delayMs: 10 });
    let executed = 0;
    const { client } = pair(network, { commands: [launch], onExecute: () => executed++ });
    const held = heldOpens(network);
    const result = client.request('launch', ['x'], 30 * SECOND);
    network.run(20 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
    expect(held.length).toBeGreaterThanOrEqual(2);
    // Each of the held OPENs keeps the first session alive for a while more.
    for (const flight of held) {
      network.inject(flight);
      network.run(14 * MINUTE);
    }
    expect(executed).toBe(1);
  });

  test.each([
    [256, 0],
    [255, 1],
  ])('an id that is %i below the highest is executed %i times', (below, expected) => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const executed: string[] = [];
    const { client } = pair(network, {
      commands: [launch],
      onExecute: (_command, { what }) => executed.push(String(what)),
    });
    client.request('launch', ['begin']);
    network.run(SECOND);
    const [session] = client.machine.endpoint.sessionsTo(client.peer(), network.now);
    if (session === undefined) throw new Error('there is a session');
    const { boot } = session;
    for (const id of [1_000, 1_000 - below]) {
      const request = { type: MessageType.REQUEST, lane: 9, id, boot, command: 'launch', args: [`${id}`] };
      client.machine.endpoint.send(session, encodeMessage(request));
      network.run(SECOND);
    }
    expect(executed.filter((what) => what === `${1_000 - below}`)).toHaveLength(expected);
  });

  test('the peer is removed and added again while a request is under way', () => {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    let executed = 0;
    const { client, server } = pair(network, {
      commands: [launch],
      onExecute: () => executed++,
      executionMs: () => 2_000,
    });
    const result = client.request('launch', ['x'], 30 * SECOND);
    network.run(SECOND);
    server.machine.removePeer(server.peer(), network.now);
    server.machine.endpoint.addPeer(client.keyPair.publicKey);
    network.run(30 * SECOND);
    expect(executed).toBe(1);
    expect(result.outcome).toMatchObject({ ok: true, value: 'launched x' });
  });
});

describe('recovery', () => {
  test('23 requests that fill an OPEN to the last byte', () => {
    // 22 of 46 bytes encoded, and one of every length around what is left.
    for (let length = 0; length < 60; length++) {
      const network = new VirtualNetwork(1, { delayMs: 5 });
      const { client } = pair(network, { commands: [echo] });
      const texts = Array.from({ length: 23 }, (_, i) => 'x'.repeat(i < 22 ? 26 : length));
      const results = texts.map((text) => client.request('echo', [text], 5 * SECOND));
      network.run(5 * SECOND);
      for (const { outcome } of results) expect(outcome).toMatchObject({ ok: true, tries: 1 });
    }
  });

  test('large answers are samples too: an outage is forgotten after one', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client } = pair(network, { commands: [blob] });
    client.request('blob', [5_000]);
    network.run(SECOND);
    network.intercept = () => [];
    client.request('blob', [5_000], 30 * SECOND);
    network.run(60 * SECOND);
    network.intercept = (flight) => [flight];
    for (let i = 0; i < 3; i++) {
      client.request('blob', [5_000], 20 * SECOND);
      network.run(20 * SECOND);
    }
    expect(client.peer().rtt.rto(client.peer().rtt.doublings(0))).toBeLessThan(200);
  });

  test('a server that restarts soon after an outage is found at once', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['warm']);
    network.run(SECOND);
    network.intercept = () => [];
    client.request('echo', ['lost'], 60 * SECOND);
    network.run(55 * SECOND);
    network.intercept = (flight) => [flight];
    network.run(20 * SECOND);
    server.restart();
    const startedAt = network.now;
    const result = client.request('echo', ['x']);
    network.run(5 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
    expect(result.settledAt - startedAt).toBeLessThan(500);
  });

  test('a slow command leaves the time-outs as they were, but for one doubling', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client } = pair(network, {
      commands: [echo, launch],
      executionMs: (name) => (name === 'launch' ? 20_000 : 0),
    });
    client.request('echo', ['warm']);
    network.run(SECOND);
    client.request('launch', ['slowly'], MINUTE);
    network.run(MINUTE);
    const { rtt } = client.peer();
    expect(rtt.doublings(0)).toBeLessThan(8);
    client.request('echo', ['next']);
    network.run(SECOND);
    expect(rtt.doublings(0)).toBe(0);
  });

  test.each([
    [20, 150],
    [100, 500],
    [150, 1_000],
    [300, 2_000],
  ])('round trips of %i ms, time-outs of %i ms: a server that restarted is found', (roundTrip, timeout) => {
    const network = new VirtualNetwork(1, { delayMs: roundTrip / 2 });
    const { client, server } = pair(network, { commands: [echo] });
    for (let i = 0; i < 5; i++) {
      client.request('echo', ['warm'], 10 * SECOND);
      network.run(2 * SECOND);
    }
    server.restart();
    const outcomes = Array.from({ length: 20 }, () => {
      const result = client.request('echo', ['x'], timeout);
      network.run(timeout + 10);
      return result.outcome?.ok;
    });
    expect(outcomes.slice(4)).not.toContain(false);
  });

  test('a delay that rises from 2 to 400 ms is learnt', () => {
    const network = new VirtualNetwork(1, { delayMs: 1 });
    const { client } = pair(network, { commands: [echo] });
    for (let i = 0; i < 20; i++) {
      client.request('echo', ['warm']);
      network.run(SECOND);
    }
    network.link = { delayMs: 200 };
    let tries = 0;
    for (let i = 0; i < 20; i++) {
      const result = client.request('echo', [`${i}`]);
      network.run(5 * SECOND);
      tries = result.outcome?.ok ? result.outcome.tries : 99;
    }
    expect(tries).toBe(1);
  });

  test('one lost part is asked for after a round trip, not after the longest time-out', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client } = pair(network, { commands: [blob, echo] });
    for (let i = 0; i < 5; i++) {
      client.request('echo', ['warm']);
      network.run(SECOND);
    }
    let lost = false;
    network.intercept = (flight) => {
      if (lost || flight.datagram.length < 1_200 || flight.datagram[0] !== 5) return [flight];
      lost = true;
      return [];
    };
    const startedAt = network.now;
    const result = client.request('blob', [10_000], 20 * SECOND);
    network.run(20 * SECOND);
    expect(lost).toBe(true);
    expect(result.settledAt - startedAt).toBeLessThan(250);
  });

  test('a server with several addresses, the first of them dead, that answers from yet another', () => {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    const { client, server } = pair(network, { commands: [echo] });
    client.machine.endpoint.setAddresses(client.peer(), [{ ip: '10.9.9.9', port: 9_999 }, server.address]);
    const outside = { ip: '10.1.1.1', port: 9_999 };
    network.intercept = (flight) => [
      flight.from.ip === server.address.ip ? { ...flight, from: outside } : flight,
    ];
    const result = client.request('echo', ['x'], 20 * SECOND);
    network.run(20 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
  });

  test('a session that was never confirmed is not sent on for long', () => {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    const { client } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(SECOND);
    // A handshake beside it that gets no further than the CHALLENGE.
    network.intercept = (flight) => (flight.datagram[0] === OPEN ? [] : [flight]);
    client.machine.endpoint.suspect(client.peer(), network.now);
    network.run(20 * SECOND);
    const before = network.datagrams;
    client.request('echo', ['y']);
    network.run(SECOND);
    expect(network.datagrams - before).toBe(2);
  });
});

describe('roaming', () => {
  test.each([1_100, 5_000, 30_000])('to a new address in the middle of asking for %i bytes', (length) => {
    const network = new VirtualNetwork(1, { delayMs: 100 });
    const { client, server } = pair(network, { commands: [blob, echo] });
    client.request('echo', ['warm']);
    network.run(SECOND);
    client.address = { ip: '10.0.0.9', port: 4_242 };
    const result = client.request('blob', [length]);
    network.run(5 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
    const [session] = server.peer().inbound;
    expect(session?.paths.current).toEqual(client.address);
  });

  test('on a path whose round trip is longer than the interval between two path challenges', () => {
    const network = new VirtualNetwork(1, { delayMs: 600 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['warm'], 20 * SECOND);
    network.run(20 * SECOND);
    client.address = { ip: '10.0.0.9', port: 4_242 };
    for (let i = 0; i < 20; i++) {
      client.request('echo', [`${i}`], 20 * SECOND);
      network.run(300);
    }
    const [session] = server.peer().inbound;
    expect(session?.paths.current).toEqual(client.address);
  });
});

describe('a hostile peer that is trusted', () => {
  test('cannot have a victim flooded by showing a cookie that was made for the victim', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client, server } = pair(network, { commands: [blob] });
    const victim = { ip: '203.0.113.9', port: 53 };
    let fromVictim = 0;
    let toVictim = 0;
    network.intercept = (flight) => {
      if (flight.to.ip === victim.ip) {
        toVictim += flight.datagram.length;
        return [];
      }
      if (flight.to.ip !== server.address.ip) return [flight];
      fromVictim += flight.datagram.length;
      // HELLO first as if from the victim, then from itself; everything else as if from the victim.
      const forged = { ...flight, from: victim };
      return flight.datagram[0] === 1 ? [forged, flight] : [forged];
    };
    for (let i = 0; i < 10; i++) client.request('blob', [60_000], 10 * SECOND);
    network.run(10 * SECOND);
    expect(fromVictim).toBeGreaterThan(0);
    expect(toVictim).toBeLessThanOrEqual(3 * fromVictim);
  });

  test('cannot have one datagram answered with thousands', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client } = pair(network, { commands: [blob] });
    client.request('blob', [60_000], 10 * SECOND);
    network.run(SECOND);
    const [session] = client.machine.endpoint.sessionsTo(client.peer(), network.now);
    if (session === undefined) throw new Error('there is a session');
    const more = encodeMessage({ type: MessageType.MORE, lane: 0, id: 1, have: new Uint8Array(8) });
    const before = network.datagrams;
    for (let i = 0; i < 60; i++) client.machine.endpoint.send(session, more);
    network.run(SECOND);
    expect(network.datagrams - before).toBeLessThan(70);
  });

  test('cannot leave anything behind with requests behind a CLOSE', () => {
    const network = new VirtualNetwork(1, { delayMs: 1 });
    let executed = 0;
    const { client, server } = pair(network, { commands: [echo], onExecute: () => executed++ });
    for (let i = 0; i < 30; i++) {
      client.request('echo', ['x']);
      network.run(SECOND);
      const [session] = client.machine.endpoint.sessionsTo(client.peer(), network.now);
      if (session === undefined) throw new Error('there is a session');
      const { boot } = session;
      const request = { type: MessageType.REQUEST, lane: 7, id: 1, boot, command: 'echo', args: [] };
      client.machine.endpoint.send(session, encodeMessage({ type: MessageType.CLOSE }));
      client.machine.endpoint.send(session, encodeMessage(request));
      network.run(SECOND);
      client.restart();
    }
    expect(executed).toBe(30);
    network.run(10 * MINUTE);
    expect(server.machine.endpoint.sessionCount).toBe(0);
    expect(server.machine.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
    client.request('echo', ['honest']);
    network.run(SECOND);
    expect(executed).toBe(31);
  });

  test('cannot be sent to at port 0, which no system sends to', () => {
    const network = new VirtualNetwork(1, { delayMs: 1 });
    network.record = true;
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(SECOND);
    const [hello] = network.sent as [Flight];
    server.machine.receive(hello.datagram, { ip: '10.6.6.6', port: 0 }, network.now);
    expect(server.machine.drain(network.now)).toHaveLength(0);
    expect(server.machine.endpoint.drops['bad-source']).toBe(1);
  });

  test('cannot answer a request in a session that it began itself', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client, server } = pair(network, { commands: [echo], executionMs: () => 2 * SECOND });
    server.machine.endpoint.setAddresses(server.peer(), [client.address]);
    const result = client.request('echo', ['true']);
    server.request('none');
    network.run(SECOND);
    const [session] = server.machine.endpoint.sessionsTo(server.peer(), network.now);
    if (session === undefined) throw new Error('there is a session');
    const forged = encodeMessage({ type: MessageType.RESPONSE, lane: 0, id: 1, value: 'forged' });
    server.machine.endpoint.send(session, forged);
    network.run(2 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true, value: 'true' });
  });
});
