/** Two workers behind one address; `steer` is the kernel that chooses between them. */
import { describe, expect, test } from 'vitest';
import type { EndpointGroup } from '../../src/session/endpoint.ts';
import { WorkerIds } from '../../src/session/session-ids.ts';
import { HEADER_BYTES } from '../../src/wire/header.ts';
import { echo, launch } from '../support/commands.ts';
import { type Flight, VirtualHost, VirtualNetwork } from '../support/virtual-network.ts';

const SECOND = 1_000;
const ip = '192.168.2.3';
const stranger = { ip: '192.168.2.66', port: 6_666 };
const isOpen = ({ datagram }: Flight): boolean => datagram[0] === 4;
const isHello = ({ datagram }: Flight): boolean => datagram[0] === 1;

function group(options: { executionMs?: number } = {}) {
  const network = new VirtualNetwork(1, { delayMs: 5 });
  const key = network.prng.bytes(32);
  const executed: string[] = [];
  const handedOn: { from: number; to: number }[] = [];
  const workers: VirtualHost[] = [];
  let chosen = 0;
  let takes = true;
  const seat = (number: number) => (): EndpointGroup => ({
    ids: new WorkerIds({ key, number, count: 2 }, network.prng.bytes),
    onStray(owner, datagram, from) {
      if (!takes) return false;
      handedOn.push({ from: number, to: owner });
      const copy = datagram.slice();
      network.at(network.now, () => workers[owner]?.machine.receiveHandedOn(copy, from, network.now));
      return true;
    },
  });
  for (const number of [0, 1]) {
    const worker: VirtualHost = new VirtualHost(network, {
      ip,
      commands: [echo, launch],
      onExecute: (command, args) => executed.push(`${number}: ${command} ${args['what'] ?? args['text']}`),
      executionMs: () => options.executionMs ?? 0,
      group: seat(number),
      ...(workers[0] && { keyPair: workers[0].keyPair }),
    });
    worker.hears = () => chosen === number;
    workers.push(worker);
  }
  const [first, second] = workers as [VirtualHost, VirtualHost];
  const client = new VirtualHost(network, { ip: '192.168.2.1' });
  for (const worker of workers) worker.trust(client);
  client.trust(first, [first.address]);
  return {
    network,
    client,
    first,
    second,
    executed,
    handedOn,
    steer: (number: number): void => {
      chosen = number;
    },
    congest: (): void => {
      takes = false;
    },
  };
}

describe('a client whose datagrams arrive at another worker', () => {
  test('goes on with its session, from its new address', () => {
    const { network, client, first, second, executed, handedOn, steer } = group();
    client.request('echo', ['a']);
    network.run(SECOND);
    steer(1);
    client.address = { ip: '10.0.0.7', port: 4_242 };
    let hellos = 0;
    network.intercept = (flight) => {
      if (isHello(flight)) hellos++;
      return [flight];
    };
    const result = client.request('echo', ['b']);
    network.run(SECOND);
    expect(result.outcome).toMatchObject({ ok: true, value: 'b', tries: 1 });
    expect(executed).toEqual(['0: echo a', '0: echo b']);
    expect(hellos).toBe(0);
    expect(handedOn.length).toBeGreaterThan(0);
    expect(new Set(handedOn.map(({ from, to }) => `${from} to ${to}`))).toEqual(new Set(['1 to 0']));
    expect([first, second].map(({ machine }) => machine.endpoint.sessionCount)).toEqual([1, 0]);
    expect(second.machine.endpoint.drops).toEqual(first.machine.endpoint.drops);
  });

  test('opens its session though only the OPEN does', () => {
    const { network, client, second, executed, handedOn, steer } = group();
    network.intercept = (flight) => {
      if (isOpen(flight)) steer(1);
      return [flight];
    };
    const result = client.request('launch', ['a']);
    network.run(SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
    expect(executed).toEqual(['0: launch a']);
    expect(handedOn[0]).toEqual({ from: 1, to: 0 });
    expect(second.machine.endpoint.sessionCount).toBe(0);
  });

  test('is not helped while the way between the workers is full: that is a drop', () => {
    const { network, client, second, steer, congest } = group();
    client.request('echo', ['a']);
    network.run(SECOND);
    steer(1);
    congest();
    const result = client.request('echo', ['b']);
    network.run(4 * SECOND); // a handshake with the other worker begins meanwhile
    expect(result.outcome).toMatchObject({ ok: true });
    expect(second.machine.endpoint.drops['unknown-session']).toBeGreaterThan(0);
  });

  test('has a session with another worker once its own is gone, and nothing is handed back and forth', () => {
    const { network, client, first, executed, handedOn, steer } = group();
    client.request('echo', ['a']);
    network.run(SECOND);
    first.restart();
    steer(1);
    const result = client.request('echo', ['b']);
    network.run(4 * SECOND);
    expect(result.outcome).toMatchObject({ ok: true });
    expect(executed).toEqual(['0: echo a', '1: echo b']);
    expect(handedOn.every(({ from, to }) => from === 1 && to === 0)).toBe(true);
    expect(first.machine.endpoint.drops['unknown-session']).toBe(handedOn.length);
  });
});

test('a request that is not idempotent runs at one worker only, though its client is at two', () => {
  const { network, client, first, second, executed, steer, congest } = group({ executionMs: 3 * SECOND });
  client.request('echo', ['warm-up']);
  network.run(4 * SECOND);
  const result = client.request('launch', ['rocket'], 20 * SECOND);
  network.run(100);
  congest(); // the first worker has it, and hears of the client no more
  steer(1);
  network.run(20 * SECOND);
  expect([first, second].map(({ machine }) => machine.endpoint.sessionCount)).toEqual([1, 1]);
  expect(executed).toEqual(['0: echo warm-up', '0: launch rocket']);
  expect(result.outcome).not.toBeNull();
  const again = client.request('launch', ['another']);
  network.run(5 * SECOND);
  expect(again.outcome).toMatchObject({ ok: true });
  expect(executed.at(-1)).toBe('1: launch another');
});

describe('strangers', () => {
  test.each([
    [4, 'bad-cookie'],
    [5, 'unknown-session'],
  ] as const)('of type %i with invented ids are not handed on', (type, reason) => {
    const { network, first, handedOn } = group();
    for (let i = 0; i < 1_000; i++) {
      const datagram = network.prng.bytes(400);
      datagram.fill(0, 9, HEADER_BYTES);
      datagram[0] = type;
      network.inject({ datagram, from: stranger, to: first.address });
    }
    expect(handedOn).toEqual([]);
    expect(first.machine.endpoint.drops[reason]).toBe(1_000);
  });

  test('what was handed on goes no further, whosever it is', () => {
    const { network, client, second, handedOn } = group();
    network.record = true;
    client.request('echo', ['a']);
    network.run(SECOND);
    const open = network.sent.find(isOpen);
    if (open === undefined) throw new Error('no OPEN');
    const { endpoint } = second.machine;
    expect(endpoint.receiveHandedOn(open.datagram, open.from, network.now)).toBe('bad-cookie');
    expect(handedOn).toEqual([]);
  });
});
