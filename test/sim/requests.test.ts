import { describe, expect, test } from 'vitest';
import { MAX_BYTES_IN_FLIGHT } from '../../src/rpc/constants.ts';
import { blob, echo, launch } from '../support/commands.ts';
import { seeds } from '../support/prng.ts';
import { type LinkOptions, pair, VirtualNetwork } from '../support/virtual-network.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

const LINKS: Record<string, LinkOptions> = {
  'a clean link': { delayMs: 10 },
  '30 % loss': { delayMs: 10, loss: 0.3 },
  'duplication and reordering': { delayMs: 5, jitterMs: 200, duplication: 0.3 },
  '30 % loss, duplication and reordering': { delayMs: 20, jitterMs: 150, loss: 0.3, duplication: 0.2 },
  'a satellite': { delayMs: 1_200, jitterMs: 100, loss: 0.05 },
};

describe.each(Object.entries(LINKS))('over %s', (_name, link) => {
  test.each(seeds(6))('every request is answered and executed once (seed %i)', (seed) => {
    const network = new VirtualNetwork(seed, link);
    const executed = new Map<string, number>();
    const { client } = pair(network, {
      commands: [echo, launch],
      onExecute: (_command, { what }) => executed.set(String(what), (executed.get(String(what)) ?? 0) + 1),
    });
    const results = Array.from({ length: 60 }, (_, i) => {
      const result = client.request('launch', [`job ${i}`], 2 * MINUTE);
      if (i % 7 === 0) network.run(network.prng.below(400));
      return { i, result };
    });
    network.run(2 * MINUTE);
    for (const { i, result } of results) {
      expect(result.outcome).toMatchObject({ ok: true, value: `launched job ${i}` });
      expect(executed.get(`job ${i}`)).toBe(1);
    }
  });
});

describe('the server restarts again and again', () => {
  test.each(seeds(20))(
    'no job is executed twice, and each has an outcome by its deadline (seed %i)',
    (seed) => {
      const network = new VirtualNetwork(seed, { delayMs: 20, jitterMs: 60, loss: 0.3, duplication: 0.2 });
      const executed = new Map<string, number>();
      const { client, server } = pair(network, {
        commands: [echo, launch],
        onExecute: (command, { what }) => {
          if (command === 'launch') executed.set(String(what), (executed.get(String(what)) ?? 0) + 1);
        },
        executionMs: () => network.prng.below(300),
      });
      const jobs: { name: string; deadline: number; result: ReturnType<typeof client.request> }[] = [];
      for (let i = 0; i < 40; i++) {
        network.at(network.prng.below(60 * SECOND), () => {
          const timeout = 5 * SECOND + network.prng.below(25 * SECOND);
          const deadline = network.now + timeout;
          jobs.push({ name: `job ${i}`, deadline, result: client.request('launch', [`job ${i}`], timeout) });
        });
      }
      for (let i = 0; i < 6; i++) network.at(network.prng.below(70 * SECOND), () => server.restart());
      network.run(2 * MINUTE);

      expect(jobs).toHaveLength(40);
      for (const { name, deadline, result } of jobs) {
        const count = executed.get(name) ?? 0;
        expect(count).toBeLessThanOrEqual(1);
        expect(result.outcome).not.toBeNull();
        expect(result.settledAt).toBeLessThanOrEqual(deadline + 1);
        if (result.outcome?.ok) expect(count).toBe(1);
        else expect(['no-answer', 'outcome-unknown']).toContain(result.outcome?.error.code);
      }
      expect(jobs.some(({ result }) => result.outcome?.ok)).toBe(true);
    },
  );

  test('an idempotent request goes through all the same', () => {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    const { client, server } = pair(network, { commands: [echo], executionMs: () => 2_000 });
    const result = client.request('echo', ['hello'], 20 * SECOND);
    network.run(1_000);
    server.restart();
    network.run(20 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true, value: 'hello' });
  });

  test('a request that is not idempotent and was under way has an unknown outcome', () => {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    let executions = 0;
    const { client, server } = pair(network, {
      commands: [launch],
      onExecute: () => executions++,
      executionMs: () => 2_000,
    });
    const result = client.request('launch', ['x'], 20 * SECOND);
    network.run(1_000);
    server.restart();
    network.run(20 * SECOND);
    expect(result.outcome).toMatchObject({ ok: false, error: { code: 'outcome-unknown' } });
    expect(executions).toBe(1);
  });
});

describe('many at once', () => {
  test('go a few at a time, and all are answered', () => {
    const network = new VirtualNetwork(1, { delayMs: 50 });
    const { client } = pair(network, { commands: [echo] });
    client.request('echo', ['hello']);
    network.run(SECOND);
    network.record = true;
    const results = Array.from({ length: 10_000 }, (_, i) => client.request('echo', [`${i}`], MINUTE));
    network.run(0);
    const burst = network.sent.reduce((sum, { datagram }) => sum + datagram.length, 0);
    expect(burst).toBeLessThan(1.2 * MAX_BYTES_IN_FLIGHT);
    network.run(MINUTE);
    expect(results.every(({ outcome }, i) => outcome?.ok && outcome.value === `${i}`)).toBe(true);
  });

  test('that have not been sent when the server restarts are executed by the new one', () => {
    const network = new VirtualNetwork(1, { delayMs: 50 });
    const executed = new Set<unknown>();
    const { client, server } = pair(network, {
      commands: [launch],
      onExecute: (_command, { what }) => executed.add(what),
    });
    client.request('launch', ['first']);
    network.run(SECOND);
    const results = Array.from({ length: 1_000 }, (_, i) => client.request('launch', [`${i}`], MINUTE));
    network.run(20);
    server.restart();
    network.run(MINUTE);
    const codes = results.map(({ outcome }) => (outcome?.ok === false ? outcome.error.code : 'ok'));
    const sentBefore = codes.indexOf('ok');
    expect(codes.slice(0, sentBefore).every((code) => code === 'outcome-unknown')).toBe(true);
    expect(codes.slice(sentBefore).every((code) => code === 'ok')).toBe(true);
    expect(sentBefore).toBeLessThan(400);
    expect(executed.size).toBe(1 + 1_000 - sentBefore);
  });

  test('that wait for room when their deadline comes were not executed', () => {
    const network = new VirtualNetwork(1, { delayMs: 50 });
    const executed = new Set<unknown>();
    const { client } = pair(network, {
      commands: [launch],
      onExecute: (_command, { what }) => executed.add(what),
    });
    client.request('launch', ['first']);
    network.run(SECOND);
    network.intercept = () => [];
    const results = Array.from({ length: 1_000 }, (_, i) => client.request('launch', [`${i}`], 2 * SECOND));
    network.run(10 * SECOND);
    expect(results.every(({ settledAt }) => settledAt === 3 * SECOND)).toBe(true);
    expect(results.at(-1)?.outcome).toMatchObject({ ok: false, progress: 'waiting' });
    network.intercept = (flight) => [flight];
    network.run(MINUTE);
    expect(executed.size).toBe(1);
  });
});

describe('deadlines', () => {
  test('nobody there: fails at the deadline, not executed', () => {
    const network = new VirtualNetwork(1);
    const { client } = pair(network, { commands: [echo] });
    network.intercept = () => [];
    const result = client.request('echo', [], 3_000);
    network.run(10_000);
    expect(result.settledAt).toBe(3_000);
    expect(result.outcome).toMatchObject({
      ok: false,
      progress: 'no-handshake',
      error: { code: 'no-answer' },
    });
    const before = network.datagrams;
    network.run(MINUTE);
    expect(network.datagrams).toBe(before); // nothing is sent for nobody's sake
  });

  test('a command that takes longer than the deadline: said to be running', () => {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    const { client } = pair(network, { commands: [echo], executionMs: () => 10_000 });
    const result = client.request('echo', [], 3_000);
    network.run(10_000);
    expect(result.outcome).toMatchObject({ ok: false, progress: 'running' });
  });

  test('a slow command is asked after with patience, and answered once done', () => {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    let executions = 0;
    const { client } = pair(network, {
      commands: [echo],
      onExecute: () => executions++,
      executionMs: () => 60_000,
    });
    const result = client.request('echo', ['slow'], 2 * MINUTE);
    network.run(2 * MINUTE);
    expect(result.outcome).toMatchObject({ ok: true, value: 'slow' });
    expect(result.settledAt).toBeLessThan(60_200);
    expect(executions).toBe(1);
    expect(network.datagrams).toBeLessThan(80);
  });
});

describe('the window of requests', () => {
  test('a slow request does not hold up thousands of quick ones', () => {
    const network = new VirtualNetwork(1, { delayMs: 5, loss: 0.1 });
    const { client } = pair(network, {
      commands: [echo, launch],
      executionMs: (command) => (command === 'launch' ? 30_000 : 0),
    });
    const slow = client.request('launch', ['slowly'], MINUTE);
    const quick: ReturnType<typeof client.request>[] = [];
    for (let i = 0; i < 3_000; i++) {
      network.at(i * 3, () => quick.push(client.request('echo', [`${i}`], 20 * SECOND)));
    }
    network.run(25 * SECOND);
    expect(quick).toHaveLength(3_000);
    for (const [i, { outcome }] of quick.entries())
      expect(outcome).toMatchObject({ ok: true, value: `${i}` });
    network.run(MINUTE);
    expect(slow.outcome).toMatchObject({ ok: true });
  });

  test('a thousand requests at once over a bad link', () => {
    const network = new VirtualNetwork(7, { delayMs: 5, loss: 0.3, duplication: 0.1, jitterMs: 20 });
    const { client } = pair(network, { commands: [echo] });
    const results = Array.from({ length: 1_000 }, (_, i) => client.request('echo', [`${i}`], MINUTE));
    network.run(MINUTE);
    for (const [i, { outcome }] of results.entries())
      expect(outcome).toMatchObject({ ok: true, value: `${i}` });
  });
});

describe('answers in parts', () => {
  test.each([0, 1, 1_100, 1_190, 5_000, 65_000, 65_533])('%i bytes come through 30 %% loss', (length) => {
    const network = new VirtualNetwork(length, { delayMs: 10, jitterMs: 30, loss: 0.3, duplication: 0.1 });
    let executions = 0;
    const { client } = pair(network, { commands: [blob], onExecute: () => executions++ });
    const result = client.request('blob', [length], MINUTE);
    network.run(MINUTE);
    expect(result.outcome).toMatchObject({ ok: true });
    const value = result.outcome?.ok ? (result.outcome.value as Uint8Array) : new Uint8Array();
    expect(value).toHaveLength(length);
    expect(value.every((byte, i) => byte === ((i * 31 + 7) & 0xff))).toBe(true);
    expect(executions).toBe(1);
  });

  test('beyond 64 KiB there is a clear error', () => {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    const { client } = pair(network, { commands: [blob] });
    const result = client.request('blob', [65_534]);
    network.run(MINUTE);
    expect(result.outcome).toMatchObject({ ok: false, error: { code: 'too-large' } });
  });

  test('no datagram is ever longer than 1,232 bytes', () => {
    const network = new VirtualNetwork(3, { delayMs: 1 });
    network.record = true;
    const { client } = pair(network, { commands: [blob, echo] });
    client.request('blob', [60_000]);
    for (let i = 0; i < 50; i++) client.request('echo', ['x'.repeat(i * 18)]);
    network.run(10_000);
    expect(Math.max(...network.sent.map(({ datagram }) => datagram.length))).toBe(1_232);
  });

  test('the server restarts between two parts: the answer is asked for anew, and not mixed', () => {
    const network = new VirtualNetwork(5, { delayMs: 10 });
    let boots = 0;
    const changing = { ...echo, name: 'changing', run: () => `${boots}`.repeat(40_000) };
    const { client, server } = pair(network, { commands: [changing] });
    let parts = 0;
    network.intercept = (flight) => {
      const isPart = flight.datagram[0] === 5 && flight.datagram.length > 1_000;
      return isPart && boots === 0 && parts++ > 10 ? [] : [flight]; // eleven of 35 come through
    };
    const result = client.request('changing', [], MINUTE);
    network.run(3_000);
    expect(result.outcome).toBeNull();
    expect(parts).toBeGreaterThan(11);
    boots = 1;
    server.restart();
    network.run(MINUTE);
    expect(result.outcome).toMatchObject({ ok: true, value: '1'.repeat(40_000) });
  });
});

describe('small datagrams wait for company', () => {
  function ask(count: number) {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    const { client } = pair(network, { commands: [echo] });
    client.request('echo', ['hello'], 10 * SECOND);
    network.run(1_000);
    expect(client.machine.expectsCompany()).toBe(false);
    for (let i = 0; i < count; i++) client.request('echo', [i], 10 * SECOND);
    return { network, client };
  }

  test('while one is unanswered and many requests are under way', () => {
    const { network, client } = ask(20);
    network.run(1);
    expect(client.machine.expectsCompany()).toBe(true);
    network.run(25);
    expect(client.machine.expectsCompany()).toBe(false);
  });

  test('but not behind requests that the other side works on', () => {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    const { client } = pair(network, { commands: [launch], executionMs: () => 60_000 });
    for (let i = 0; i < 8; i++) client.request('launch', [`job ${i}`], 2 * MINUTE);
    network.run(5_000);
    let held = 0;
    for (let i = 0; i < 1_000; i++) {
      network.run(10);
      client.flush();
      if (client.machine.expectsCompany()) held++;
    }
    expect(held).toBeLessThan(50);
  });

  test('but not when few are under way', () => {
    const { network, client } = ask(3);
    network.run(1);
    expect(client.machine.client.pendingCount).toBe(3);
    expect(client.machine.expectsCompany()).toBe(false);
  });

  test('nor behind a full one', () => {
    const { network, client } = ask(60);
    network.run(1);
    expect(client.machine.client.pendingCount).toBe(60);
    client.flush(); // with nothing in it
    expect(client.machine.expectsCompany()).toBe(false);
  });
});
