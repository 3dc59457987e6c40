import { describe, expect, test } from 'vitest';
import type { Session } from '../../src/session/session.ts';
import { echo, launch } from '../support/commands.ts';
import { seeds } from '../support/prng.ts';
import { type Flight, pair, VirtualNetwork } from '../support/virtual-network.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const isHello = ({ datagram }: Flight): boolean => datagram[0] === 1;
const isOpen = ({ datagram }: Flight): boolean => datagram[0] === 4;

describe('handshake', () => {
  test('the first answer takes two round trips, later ones one', () => {
    const network = new VirtualNetwork(1, { delayMs: 50 });
    const { client } = pair(network, { commands: [echo] });
    const first = client.request('echo', ['a']);
    network.run(SECOND);
    expect(first.settledAt).toBe(200);
    const second = client.request('echo', ['b']);
    network.run(SECOND);
    expect(second.settledAt).toBe(1_000 + 100);
  });

  test('requests of one turn share a datagram', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client } = pair(network, { commands: [echo] });
    client.request('echo', ['warm-up']);
    network.run(SECOND);
    const before = network.datagrams;
    for (let i = 0; i < 20; i++) client.request('echo', [`${i}`]);
    network.run(SECOND);
    expect(network.datagrams - before).toBe(2);
  });

  test('both sides ask each other at the same time', () => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    const { client, server } = pair(network, { commands: [echo] });
    // Each is a peer of the other: the server learns the client's address, and the client's commands.
    server.machine.endpoint.setAddresses(server.peer(), [client.address]);
    const there = client.request('echo', ['there']);
    const back = server.request('echo', ['back']);
    network.run(SECOND);
    expect(there.outcome).toMatchObject({ ok: true });
    expect(back.outcome).toMatchObject({ ok: false, error: { code: 'unknown-command' } });
    expect(server.machine.endpoint.sessionCount).toBe(2);
  });

  test('any one datagram of a handshake may be lost', () => {
    for (let lost = 0; lost < 6; lost++) {
      const network = new VirtualNetwork(lost + 1, { delayMs: 10 });
      let count = 0;
      network.intercept = (flight) => (count++ === lost ? [] : [flight]);
      const { client } = pair(network, { commands: [echo] });
      const result = client.request('echo', ['x'], 10 * SECOND);
      network.run(10 * SECOND);
      expect(result.outcome).toMatchObject({ ok: true });
      expect(result.settledAt).toBeLessThan(2 * SECOND);
    }
  });

  test('a server that dies between its CHALLENGE and the OPEN is found by another HELLO soon', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['warm']);
    network.run(SECOND);
    network.intercept = () => [];
    const early = client.request('echo', ['x'], 60 * SECOND);
    network.run(3 * SECOND);
    server.restart();
    network.intercept = (flight) => [flight];
    network.run(10 * SECOND);
    expect(early.outcome).toMatchObject({ ok: true });
    // The next request asks by a handshake of its own whether the server restarted again: it does now.
    let deaths = 0;
    network.intercept = (flight) => {
      if (deaths === 0 && isOpen(flight)) {
        server.restart();
        deaths++;
      }
      return [flight];
    };
    client.request('echo', ['y']);
    network.run(50);
    expect(deaths).toBe(1);
    const startedAt = network.now;
    const result = client.request('echo', ['z'], 20 * SECOND);
    network.run(20 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
    expect(result.settledAt - startedAt).toBeLessThan(SECOND);
  });

  test('a CHALLENGE that was held up, of a server that has gone since, slows nothing without bound', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['warm']);
    network.run(SECOND);
    // Time-outs are long: the next HELLO is sent once in the time that its CHALLENGE takes.
    network.intercept = () => [];
    client.request('echo', ['x'], 15 * SECOND);
    network.run(20 * SECOND);
    server.restart();
    let held = 0;
    network.intercept = (flight) => {
      if (flight.datagram[0] !== 3 || held > 0) return [flight];
      held++;
      network.at(network.now + 4.5 * SECOND, () => {
        server.restart();
        client.machine.receive(flight.datagram.slice(), flight.from, network.now);
      });
      return [];
    };
    const startedAt = network.now;
    const result = client.request('echo', ['y'], 2 * MINUTE);
    network.run(2 * MINUTE);
    expect(held).toBe(1);
    expect(result.outcome).toMatchObject({ ok: true });
    expect(result.settledAt - startedAt).toBeLessThan(30 * SECOND);
  });

  test('of a peer that is looked for elsewhere now, the next HELLO does not wait', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['warm']);
    network.run(SECOND);
    server.address = { ip: '192.168.2.77', port: 9999 };
    client.request('echo', ['lost'], 60 * SECOND);
    // Its last HELLO went before 60 s; the next one would go seconds later.
    network.run(58 * SECOND);
    client.machine.endpoint.setAddresses(client.peer(), [server.address]);
    const startedAt = network.now;
    const result = client.request('echo', ['x']);
    network.run(5 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
    expect(result.settledAt - startedAt).toBeLessThan(100);
  });

  test('more handshakes than the meter allows: RETRY, and then still an answer', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    network.record = true;
    const { client, server } = pair(network, { commands: [echo] });
    const results: { outcome: unknown }[] = [];
    for (let i = 0; i < 20; i++) {
      results.push(client.request('echo', [`${i}`]));
      network.run(30);
      client.restart();
    }
    expect(results.every(({ outcome }) => outcome !== null)).toBe(true);
    expect(network.sent.some(({ datagram }) => datagram[0] === 2)).toBe(true);
    expect(server.machine.endpoint.drops['rate-limited']).toBe(0);
  });

  test('a token that got stale is replaced, no faster than HELLO is sent again', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    network.record = true;
    const { client, server } = pair(network, { commands: [echo] });
    for (let i = 0; i < 18; i++) {
      client.request('echo', [`${i}`]);
      network.run(30);
      client.restart();
    }
    // The HELLO with the token is held up until the epoch that made the token is over.
    let held = false;
    network.intercept = (flight) => {
      const hasToken = isHello(flight) && network.sent.some(({ datagram }) => datagram[0] === 2);
      if (!hasToken || held) return [flight];
      held = true;
      server.restart(); // its token is worth nothing now, and its meter is full
      return [];
    };
    const startedAt = network.now;
    const result = client.request('echo', ['x'], 10_000);
    network.run(10_000);
    expect(held).toBe(true);
    expect(result.outcome).toMatchObject({ ok: true });
    expect(result.settledAt - startedAt).toBeLessThan(3_000);
  });

  test('handshakes that get no further than CHALLENGE become rarer', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(SECOND);
    client.restart();
    network.record = true;
    network.intercept = (flight) => (isOpen(flight) ? [] : [flight]);
    client.request('echo', ['x'], 60 * SECOND);
    network.run(60 * SECOND);
    const sent = network.sent.filter(isHello).length;
    expect(sent).toBeGreaterThan(2);
    expect(sent).toBeLessThan(12);
  });

  test('recorded HELLOs drain one meter, and the real peer passes by the other', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    network.record = true;
    const { client, server } = pair(network, { commands: [echo] });
    for (let i = 0; i < 24; i++) {
      client.request('echo', [`${i}`]);
      network.run(1_000);
      client.restart();
    }
    const recorded = network.sent.filter(isHello);
    network.run(5 * MINUTE); // the epoch that knew them is gone
    const attacker = { ip: '10.6.6.6', port: 666 };
    for (let second = 0; second < 20; second++) {
      for (const { datagram, to } of recorded) network.inject({ datagram, from: attacker, to });
      network.run(SECOND);
    }
    const result = client.request('echo', ['real'], 3 * SECOND);
    for (let i = 0; i < 30; i++) {
      for (const { datagram, to } of recorded) network.inject({ datagram, from: attacker, to });
      network.run(100);
    }
    expect(result.outcome).toMatchObject({ ok: true });
    expect(server.machine.endpoint.sessionCount).toBeGreaterThan(0);
  });

  test('a HELLO is replaced after 30 s, and until then sent again as it is', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client } = pair(network, { commands: [echo] });
    const sent: { at: number; hello: string }[] = [];
    network.intercept = ({ datagram }) => {
      sent.push({ at: network.now, hello: Buffer.from(datagram).toString('hex') });
      return [];
    };
    client.request('echo', ['x'], 2 * MINUTE);
    network.run(2 * MINUTE);
    const first = new Map<string, number>();
    for (const { at, hello } of sent) {
      if (!first.has(hello)) first.set(hello, at);
      expect(at - (first.get(hello) as number)).toBeLessThan(30 * SECOND);
    }
    expect(first.size).toBeGreaterThan(2);
    const begun = [...first.values()];
    for (const [i, at] of begun.slice(1).entries())
      expect(at - (begun[i] as number)).toBeGreaterThanOrEqual(30 * SECOND);
  });
});

/** As if it had sent so many datagrams. */
function spend(session: Session | undefined, sent: number): void {
  if (session === undefined) throw new Error('there is a session');
  Object.defineProperty(session, 'sent', { value: sent, configurable: true });
}

describe('the life of a session', () => {
  test.each([
    ['a session goes on', '2^32 - 1', 2 ** 32 - 1, 0],
    ['another is begun', '2^32', 2 ** 32, 1],
  ])('%s after %s datagrams', (_what, _count, sent, handshakes) => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    const { client } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(SECOND);
    network.record = true;
    const { current } = client.peer();
    spend(current ?? undefined, sent);
    const result = client.request('echo', ['y']);
    network.run(SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
    expect(network.sent.filter(isHello)).toHaveLength(handshakes);
    expect(client.peer().current !== current).toBe(handshakes > 0);
  });

  test.each(['client', 'server'] as const)(
    'without a new handshake the %s sends nothing at counter 2^48, and takes nothing',
    (side) => {
      const network = new VirtualNetwork(1, { delayMs: 20 });
      const hosts = pair(network, { commands: [echo] });
      const { client, server } = hosts;
      client.request('echo', ['x']);
      network.run(SECOND);
      network.intercept = (flight) => (isHello(flight) ? [] : [flight]);
      network.record = true;
      const [inbound] = server.peer().inbound;
      const session = side === 'client' ? client.peer().current : inbound;
      spend(session ?? undefined, 2 ** 48 - 1);
      const last = client.request('echo', ['last']);
      network.run(100);
      expect(last.outcome).toMatchObject({ ok: true });
      const reply = network.sent.findLast(({ to }) => to === hosts[side].address) as Flight;
      network.sent.length = 0;
      spend(session ?? undefined, 2 ** 48);
      client.request('echo', ['one more']);
      network.run(5 * SECOND);
      const sent = network.sent.filter(({ from }) => from === hosts[side].address);
      expect(sent.every(isHello)).toBe(true);
      const { endpoint } = hosts[side].machine;
      const { expired } = endpoint.drops;
      hosts[side].machine.receive(reply.datagram, reply.from, network.now);
      expect(endpoint.drops.expired).toBe(expired + 1);
    },
  );

  test('asked once a minute for a day: rekeyed every hour, and never late', () => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    network.record = true;
    const { client, server } = pair(network, { commands: [echo] });
    for (let minute = 0; minute < 24 * 60; minute++) {
      const startedAt = network.now;
      const result = client.request('echo', [`${minute}`]);
      network.run(MINUTE);
      expect(result.outcome).toMatchObject({ ok: true });
      if (minute > 0) expect(result.settledAt - startedAt).toBe(40);
    }
    const handshakes = network.sent.filter(isHello).length;
    expect(handshakes).toBeGreaterThanOrEqual(24);
    expect(handshakes).toBeLessThanOrEqual(28);
    // Replaced sessions are gone from both sides.
    expect(client.machine.endpoint.sessionCount).toBeLessThanOrEqual(2);
    expect(server.machine.endpoint.sessionCount).toBeLessThanOrEqual(2);
  });

  test('without a new handshake it ends after two hours, however busy it is', () => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    const { client } = pair(network, { commands: [echo] });
    client.request('echo', ['first']);
    network.run(MINUTE);
    network.intercept = (flight) => (isHello(flight) ? [] : [flight]);
    const outcomes = Array.from({ length: 130 }, () => {
      const result = client.request('echo', ['x']);
      network.run(MINUTE);
      return result.outcome;
    });
    expect(outcomes.slice(0, 118).every((outcome) => outcome?.ok)).toBe(true);
    for (const outcome of outcomes.slice(120))
      expect(outcome).toMatchObject({ ok: false, progress: 'no-handshake' });
  });

  test('left alone, everything is forgotten and nothing is sent', () => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(MINUTE);
    const before = network.datagrams;
    network.run(HOUR);
    expect(network.datagrams).toBe(before);
    expect(client.machine.endpoint.sessionCount).toBe(0);
    expect(server.machine.endpoint.sessionCount).toBe(0);
    expect(server.machine.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });

  test('asked again after any pause, it answers', () => {
    const network = new VirtualNetwork(1, { delayMs: 20, loss: 0.1 });
    const { client } = pair(network, { commands: [echo] });
    for (const pause of [1, 5, 13, 14, 14.5, 15, 16, 59, 61, 119, 121, 600]) {
      network.run(pause * MINUTE);
      const result = client.request('echo', [`${pause}`], 20 * SECOND);
      network.run(20 * SECOND);
      expect(result.outcome).toMatchObject({ ok: true });
    }
  });

  test('a side that closes says so: the other begins anew at once', () => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(SECOND);
    for (const { datagram, to } of server.machine.close(network.now)) {
      network.transmit({ datagram, from: server.address, to });
    }
    server.restart();
    network.run(SECOND);
    expect(client.machine.endpoint.sessionCount).toBe(0);
    const startedAt = network.now;
    const result = client.request('echo', ['y']);
    network.run(SECOND);
    expect(result.settledAt - startedAt).toBe(80);
  });

  test.each(seeds(10))('the server restarts in silence: found out within seconds (seed %i)', (seed) => {
    const network = new VirtualNetwork(seed, { delayMs: 20 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(SECOND);
    server.restart();
    const startedAt = network.now;
    const result = client.request('echo', ['y']);
    network.run(10 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
    expect(result.settledAt - startedAt).toBeLessThan(2 * SECOND);
  });

  test('one peer has 64 sessions at most, and its idlest goes first', () => {
    const network = new VirtualNetwork(1, { delayMs: 1 });
    const { client, server } = pair(network, { commands: [echo] });
    for (let i = 0; i < 100; i++) {
      client.request('echo', [`${i}`]);
      network.run(SECOND);
      client.restart();
    }
    expect(server.machine.endpoint.sessionCount).toBe(64);
  });
});

describe('roaming', () => {
  test('the client changes its address: the session goes on', () => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    network.record = true;
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['home']);
    network.run(SECOND);
    for (const ip of ['10.0.0.7', '10.0.0.8', 'fd00::7']) {
      client.address = { ip, port: 40_000 };
      const startedAt = network.now;
      const result = client.request('echo', [ip]);
      network.run(SECOND);
      expect(result.settledAt - startedAt).toBe(40);
      const [session] = server.peer().inbound;
      expect(session?.paths.current).toEqual(client.address);
      expect(session?.paths.currentValidated).toBe(true);
    }
    expect(network.sent.filter(isHello)).toHaveLength(1);
  });

  test('a copy that arrives first from elsewhere moves nothing', () => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(SECOND);
    const thief = { ip: '10.6.6.6', port: 666 };
    let sentToThief = 0;
    let receivedFromThief = 0;
    network.intercept = (flight) => {
      if (flight.to.ip === thief.ip) {
        sentToThief += flight.datagram.length;
        return [];
      }
      if (flight.from.ip !== client.address.ip) return [flight];
      receivedFromThief += flight.datagram.length;
      network.inject({ ...flight, from: thief });
      return [flight];
    };
    const result = client.request('echo', ['y'], 10 * SECOND);
    network.run(10 * SECOND);
    const [session] = server.peer().inbound;
    expect(session?.paths.current).toEqual(client.address);
    expect(sentToThief).toBeLessThanOrEqual(3 * receivedFromThief);
    // Whoever wins every race holds up what he races, and no more.
    network.intercept = (flight) => [flight];
    const later = client.request('echo', ['z']);
    network.run(5 * SECOND);
    expect(later.outcome).toMatchObject({ ok: true });
    expect(result.outcome).not.toBeNull();
  });

  test('a path response proves no address but the one that it comes from', () => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(SECOND);
    const thief = { ip: '10.6.6.6', port: 666 };
    let stray = 0;
    network.intercept = (flight) => {
      // He hands the client what goes to him.
      if (flight.to.ip === thief.ip) return [{ ...flight, to: client.address }];
      if (flight.from.ip !== client.address.ip || stray === 0) return [flight];
      stray--;
      return [{ ...flight, from: thief }];
    };
    const [session] = server.peer().inbound;
    for (const text of ['y', 'z']) {
      stray = 1;
      const result = client.request('echo', [text]);
      network.run(20);
      expect(stray).toBe(0);
      expect(session?.paths.current).toEqual(client.address);
      network.run(SECOND);
      expect(result.outcome).toMatchObject({ ok: true });
    }
  });

  test('a HELLO that the network copied costs its session nothing: its path is proved', () => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    const { client, server } = pair(network, { commands: [echo] });
    network.intercept = (flight) => {
      // The copy comes shortly before the OPEN.
      if (isHello(flight)) network.at(network.now + 50, () => network.inject(flight));
      return [flight];
    };
    client.request('echo', ['x']);
    network.run(60);
    const [session] = server.peer().inbound;
    expect(session?.paths.currentValidated).toBe(true);
  });

  test('an OPEN from another address than its HELLO: answered, three bytes for one until the path is proved', () => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    const big = { ...launch, name: 'big', idempotent: true, args: [], run: () => 'x'.repeat(30_000) };
    const { client, server } = pair(network, { commands: [big] });
    const victim = { ip: '203.0.113.9', port: 53 };
    let toVictim = 0;
    let fromVictim = 0;
    network.intercept = (flight) => {
      if (isOpen(flight)) {
        fromVictim += flight.datagram.length;
        return [{ ...flight, from: victim }];
      }
      if (flight.to.ip === victim.ip) {
        toVictim += flight.datagram.length;
        return [];
      }
      return [flight];
    };
    client.request('big', [], 5 * SECOND);
    network.run(6 * SECOND);
    expect(fromVictim).toBeGreaterThan(0);
    expect(toVictim).toBeGreaterThan(0);
    expect(toVictim).toBeLessThanOrEqual(3 * fromVictim);
    expect([...server.peer().inbound].every(({ paths }) => !paths.currentValidated)).toBe(true);
  });

  test('an OPEN from another address than its HELLO, of an honest client behind such a NAT: whole answer', () => {
    const network = new VirtualNetwork(1, { delayMs: 20 });
    const big = { ...launch, name: 'big', idempotent: true, args: [], run: () => 'x'.repeat(30_000) };
    const { client } = pair(network, { commands: [big] });
    const moved = { ip: '203.0.113.9', port: 5_353 };
    network.intercept = (flight) => {
      if (isOpen(flight)) client.address = moved;
      return [flight.from.ip === '192.168.2.1' && !isHello(flight) ? { ...flight, from: moved } : flight];
    };
    const result = client.request('big', [], 10 * SECOND);
    network.run(10 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
  });
});

describe('removing a peer', () => {
  test('ends its sessions at once, and it is a stranger from then on', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client, server } = pair(network, { commands: [echo] });
    client.request('echo', ['x']);
    network.run(SECOND);
    server.machine.removePeer(server.peer(), network.now);
    expect(server.machine.endpoint.sessionCount).toBe(0);
    network.record = true;
    const result = client.request('echo', ['y'], 5 * SECOND);
    network.run(6 * SECOND);
    expect(result.outcome).toMatchObject({ ok: false, error: { code: 'no-answer' } });
    expect(network.sent.filter(({ from }) => from.ip === server.address.ip)).toHaveLength(0);
  });

  test('ends its handshakes and trials: nothing more is said to it', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { client, server } = pair(network, { commands: [echo] });
    const nowhere = { ip: '192.168.2.99', port: 9999 };
    client.request('echo', ['x'], MINUTE);
    client.machine.endpoint.tryPath(client.peer(), [nowhere], network.now);
    network.run(7); // the CHALLENGE is on its way
    expect(server.machine.endpoint.drops['unknown-tag']).toBe(0);
    client.machine.removePeer(client.peer(), network.now);
    const { datagrams } = network;
    network.run(MINUTE);
    expect(network.datagrams).toBe(datagrams);
    expect(client.machine.endpoint.drops['unknown-hello']).toBe(1);
    expect(client.machine.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });
});
