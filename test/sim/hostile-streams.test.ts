/** Streams with a peer that is trusted and hostile, and with networks that fail at the wrong moment (PROTOCOL §8.6). */
import { describe, expect, test } from 'vitest';
import { RETIRED_SESSION_MS } from '../../src/session/constants.ts';
import type { StreamResult } from '../../src/streams/asked-stream.ts';
import {
  MAX_ANSWERS_IN_THE_MAKING,
  MAX_ASKS_PER_SESSION,
  MAX_REFUSALS_PER_SESSION,
  TURN_BYTES,
} from '../../src/streams/constants.ts';
import type { CongestionController } from '../../src/streams/recovery/congestion-controller.ts';
import type { StreamAsk } from '../../src/streams/stream-machine.ts';
import { encodeAsk, encodeStop } from '../../src/wire/stream-messages.ts';
import { echo } from '../support/commands.ts';
import { type LinkOptions, pair, VirtualHost, VirtualNetwork } from '../support/virtual-network.ts';

const CHUNK = 128 * 1024;

function ask(host: VirtualHost, network: VirtualNetwork, subject: string[], maxBytes = CHUNK) {
  const asked: { result: StreamResult | null; pending: ReturnType<typeof host.machine.streams.ask> | null } =
    {
      result: null,
      pending: null,
    };
  asked.pending = host.machine.streams.ask(
    { peer: host.peer(), process: null },
    {
      subject,
      maxBytes,
      settle: (result) => {
        asked.result = result;
      },
    },
    5_000,
    network.now,
  );
  return asked;
}

function set(onAsk: (ask: StreamAsk) => void, link: LinkOptions = {}, seed = 1) {
  const network = new VirtualNetwork(seed, { delayMs: 1, ...link });
  const { client, server } = pair(network, { commands: [echo], onAsk });
  client.request('echo', ['x']);
  network.run(1_000);
  const [session] = client.machine.endpoint.sessionsTo(client.peer(), network.now);
  if (session === undefined) throw new Error('there is a session');
  return { network, client, server, session };
}

describe('memory', () => {
  test('an answer that is made when its session is gone counts no longer', () => {
    const asks: StreamAsk[] = [];
    const { network, client, server } = set((one) => asks.push(one));
    for (let i = 0; i < 10; i++) ask(client, network, ['slow']);
    network.run(10);
    expect(asks).toHaveLength(10);
    for (const { datagram, to } of client.machine.close(network.now))
      network.transmit({ datagram, from: client.address, to });
    network.run(100);
    expect(server.machine.endpoint.sessionCount).toBe(0);
    for (const one of asks) one.answer(new Uint8Array(CHUNK));
    network.run(1_000);
    expect(server.machine.streams.answerBytes).toBe(0);
  });

  test('what was asked and stopped waits no longer', () => {
    const asks: StreamAsk[] = [];
    const { network, client, session } = set((one) => asks.push(one));
    for (let id = 0; id < 3_000; id++) {
      client.machine.endpoint.send(session, encodeAsk(id, ['slow']));
      client.machine.endpoint.send(session, encodeStop(id));
      if (id % 100 === 0) network.run(10);
    }
    network.run(1_000);
    for (let done = 0; done < asks.length; done++) {
      asks[done]?.refuse('unknown');
      network.run(5);
    }
    expect(asks.length).toBeLessThan(MAX_ASKS_PER_SESSION);
  });

  test('who has several sessions has no more answers made at once', () => {
    let made = 0;
    const { network, client, session } = set(() => made++);
    client.machine.endpoint.suspect(client.peer(), network.now);
    network.run(100);
    const { current } = client.peer();
    if (current === null || current === session) throw new Error('there is another session');
    for (let id = 0; id < 100; id++)
      for (const one of [session, current]) client.machine.endpoint.send(one, encodeAsk(id, ['slow']));
    network.run(100);
    expect(made).toBe(MAX_ANSWERS_IN_THE_MAKING);
  });

  test('who acknowledges next to nothing is neither refused nor answered without end', () => {
    for (const isGiven of [false, true]) {
      let asked = 0;
      const { network, client, server, session } = set(({ answer, refuse }) => {
        asked++;
        if (isGiven) answer(new Uint8Array());
        else refuse('unknown');
      });
      // He hears one datagram in a while, so that he is not given up.
      let toClient = 0;
      network.intercept = (flight) => (flight.to === client.address && toClient++ % 30 > 0 ? [] : [flight]);
      for (let id = 0; id < 10_000; id++) {
        client.machine.endpoint.send(session, encodeAsk(id, ['x']));
        if (id % 100 === 0) network.run(1);
      }
      expect(server.machine.streams.nextTimeout()).toBeLessThan(Number.POSITIVE_INFINITY);
      expect(asked).toBeLessThan(2 * MAX_REFUSALS_PER_SESSION);
    }
  });
});

test('who has several sessions has no more of a turn', () => {
  const network = new VirtualNetwork(1, { delayMs: 1 });
  const endless: CongestionController = {
    name: 'endless',
    cwnd: 1e9,
    pacingRate: Number.POSITIVE_INFINITY,
    restart: () => {},
    onFeedback: () => {},
    onPersistentCongestion: () => {},
    onSpuriousLoss: () => {},
  };
  const { client, server } = pair(network, {
    commands: [echo],
    onAsk: ({ answer }) => answer(new Uint8Array(CHUNK)),
    controller: () => endless,
  });
  client.request('echo', ['x']);
  network.run(1_000);
  const first = client.peer().current;
  client.machine.endpoint.suspect(client.peer(), network.now);
  network.run(100);
  const second = client.peer().current;
  if (first === null || second === null || first === second) throw new Error('there are two sessions');
  const { machine } = server;
  const drain = machine.drain.bind(machine);
  const turns: number[] = [];
  machine.drain = (now) => {
    const transmits = drain(now);
    turns.push(transmits.reduce((sum, { datagram }) => sum + datagram.length, 0));
    return transmits;
  };
  for (const session of [first, second])
    for (let id = 0; id < 8; id++) client.machine.endpoint.send(session, encodeAsk(id, ['x']));
  network.run(1_000);
  expect(turns.reduce((sum, bytes) => sum + bytes)).toBeGreaterThan(16 * CHUNK);
  expect(Math.max(...turns)).toBeLessThan(TURN_BYTES + 10_000);
});

describe('a network that fails', () => {
  test.each([4_000, 10_000])('while a process is stopped for %i ms: what was asked ends', (ms) => {
    const { network, client } = set(({ answer }) => answer(new Uint8Array(CHUNK)), { delayMs: 10 });
    const asked = Array.from({ length: 100 }, () => ask(client, network, ['x']));
    network.run(70);
    expect(asked.some(({ result }) => result === null)).toBe(true);
    const { machine } = client;
    // Its socket holds what comes meanwhile.
    const held: Parameters<typeof machine.receive>[] = [];
    const stopped: Partial<typeof machine> = {
      receive: (...datagram) => void held.push(datagram),
      nextTimeout: () => Number.POSITIVE_INFINITY,
      drain: () => [],
    };
    client.machine = stopped as typeof machine;
    network.run(ms);
    client.machine = machine;
    for (const [datagram, from] of held) machine.receive(datagram, from, network.now);
    network.run(3_000);
    expect(asked.filter(({ result }) => result === null)).toHaveLength(0);
  });

  test('and loses a probe: what takes its time goes on', () => {
    const asks: StreamAsk[] = [];
    const { network, client, server } = set((one) => asks.push(one));
    const asked = ask(client, network, ['slow']);
    network.run(500);
    let lost = 0;
    network.intercept = (flight) => (flight.to === server.address && lost++ === 0 ? [] : [flight]);
    network.run(10_000);
    expect(asked.result).toBeNull();
    asks[0]?.answer(new Uint8Array(5));
    network.run(100);
    expect(asked.result).toMatchObject({ ok: true });
    expect(server.machine.streams.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
    expect(client.machine.streams.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('a session that ends', () => {
  test('carries nothing but streams, and is replaced within the hour', () => {
    const { network, client, session } = set(({ answer }) => answer(new Uint8Array(5)));
    for (let minute = 0; minute < 61; minute++) {
      const asked = ask(client, network, ['x']);
      network.run(60_000);
      expect(asked.result).toMatchObject({ ok: true });
    }
    expect(client.peer().current).not.toBe(session);
  });

  test('since it was replaced, has what was asked asked again as soon as it is over', () => {
    const { network, client } = set(() => {});
    const asked = ask(client, network, ['never']);
    network.run(100);
    client.machine.endpoint.suspect(client.peer(), network.now);
    network.run(RETIRED_SESSION_MS + 100);
    expect(asked.result).toEqual({ ok: false, reason: 'lost' });
  });

  test('with its endpoint, ends what is asked', () => {
    const { network, client } = set(() => {});
    const asked = ask(client, network, ['never']);
    network.run(100);
    client.machine.close(network.now);
    expect(asked.result).toEqual({ ok: false, reason: 'lost' });
  });

  test('of a process that is gone does not keep from asking the one that came after it', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const onAsk = ({ answer }: StreamAsk): void => answer(new Uint8Array(5));
    const [asker, giver] = ['192.168.2.3', '192.168.2.1'].map(
      (ip) => new VirtualHost(network, { ip, onAsk, commands: [echo] }),
    ) as [VirtualHost, VirtualHost];
    asker.trust(giver, [giver.address]);
    giver.trust(asker, [asker.address]);
    giver.request('echo', ['x']);
    network.run(1_000);
    expect(asker.peer().current).toBeNull();
    const first = ask(asker, network, ['x']);
    network.run(1_000);
    expect(first.result).toMatchObject({ ok: true });
    giver.restart();
    const lost = ask(asker, network, ['x']);
    network.run(30_000);
    expect(lost.result).toEqual({ ok: false, reason: 'lost' });
    const next = ask(asker, network, ['x']);
    network.run(1_000);
    expect(next.result).toMatchObject({ ok: true });
  });
});
