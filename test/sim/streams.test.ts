/** Streams between whole endpoints on a virtual network and clock (PROTOCOL §8.6). */
import { describe, expect, test } from 'vitest';
import { equalBytes } from '../../src/bytes.ts';
import type { AskSpec, StreamResult } from '../../src/streams/asked-stream.ts';
import {
  GIVE_UP_AFTER_PROBES,
  MAX_ANSWER_BYTES_PER_PEER,
  MAX_ANSWERS_IN_THE_MAKING,
} from '../../src/streams/constants.ts';
import type { StreamAsk } from '../../src/streams/stream-machine.ts';
import { echo } from '../support/commands.ts';
import { Onlooker } from '../support/onlooker.ts';
import { type LinkOptions, pair, VirtualHost, VirtualNetwork } from '../support/virtual-network.ts';

const CHUNK = 128 * 1024;
const HELLO = 1;

/** Bytes that tell which they are. */
function content(length: number, salt = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + salt) & 0xff);
}

/** Gives `["bytes", length, salt]`. */
function give({ subject: [kind, length, salt], answer, refuse }: StreamAsk): void {
  if (kind === 'bytes') answer(content(length as number, salt as number));
  else refuse('unknown');
}

interface Asked {
  result: StreamResult | null;
  settledAt: number;
}

function ask(
  host: VirtualHost,
  network: VirtualNetwork,
  subject: AskSpec['subject'],
  maxBytes = CHUNK,
  process: bigint | null = null,
): Asked {
  const asked: Asked = { result: null, settledAt: 0 };
  host.machine.streams.ask(
    { peer: host.peer(), process },
    {
      subject,
      maxBytes,
      settle: (result) => {
        if (asked.result !== null) throw new Error('settled twice');
        asked.result = result;
        asked.settledAt = network.now;
      },
    },
    5_000,
    network.now,
  );
  return asked;
}

function set(link: LinkOptions = {}, seed = 1, onAsk = give) {
  const network = new VirtualNetwork(seed, { delayMs: 10, ...link });
  const { client, server } = pair(network, { commands: [echo], onAsk });
  return { network, client, server };
}

function bytesOf({ result }: Asked): Uint8Array {
  if (!result?.ok) throw new Error(`no bytes: ${JSON.stringify(result)}`);
  return result.bytes;
}

describe('what is asked for comes', () => {
  test.each([0, 1, 1_000, 1_177, 1_178, CHUNK])('%i bytes', (length) => {
    const { network, client } = set();
    const asked = ask(client, network, ['bytes', length, 3]);
    network.run(2_000);
    expect(equalBytes(bytesOf(asked), content(length, 3))).toBe(true);
  });

  test.each([1, 2, 3])('under loss, jitter and duplication, seed %i', (seed) => {
    const { network, client } = set({ loss: 0.1, jitterMs: 10, duplication: 0.05 }, seed);
    const asked = Array.from({ length: 16 }, (_, i) => ask(client, network, ['bytes', CHUNK - i, i]));
    network.run(60_000);
    for (const [i, one] of asked.entries())
      expect(equalBytes(bytesOf(one), content(CHUNK - i, i))).toBe(true);
  });

  test('of many small ones, several in a datagram', () => {
    const { network, client } = set();
    const warm = ask(client, network, ['bytes', 1, 0]);
    network.run(500);
    bytesOf(warm);
    const before = network.datagrams;
    const asked = Array.from({ length: 200 }, (_, i) => ask(client, network, ['bytes', 50, i]));
    network.run(2_000);
    for (const [i, one] of asked.entries()) expect(equalBytes(bytesOf(one), content(50, i))).toBe(true);
    expect(network.datagrams - before).toBeLessThan(80);
  });

  test('to the side that did not begin the session, by the client instance that it heard of', () => {
    const { network, client, server } = set();
    let route: bigint | null = null;
    const request = client.request('echo', ['hello']);
    network.run(500);
    expect(request.outcome?.ok).toBe(true);
    const [session] = server.machine.endpoint.sessionsWith(server.peer(), network.now);
    if (session?.role === 'responder') route = session.process;
    const asked = ask(server, network, ['anything'], CHUNK, route);
    network.run(500);
    expect(asked.result).toEqual({ ok: false, reason: 'refused', code: 'unknown' });
  });
});

test('nothing of a stream goes to an address that is not proved', () => {
  const network = new VirtualNetwork(1, { delayMs: 10 });
  const [onServer, onClient] = [new Onlooker(), new Onlooker()];
  const server = new VirtualHost(network, { ip: '192.168.2.3', onAsk: give, tap: onServer });
  const client = new VirtualHost(network, { ip: '192.168.2.1', tap: onClient });
  server.trust(client);
  client.trust(server, [server.address]);
  // Behind a NAT that gives its session another port than its HELLO had; and its path responses get lost.
  const outside = { ip: '203.0.113.9', port: 5_353 };
  let isProvable = false;
  network.intercept = (flight) => {
    if (flight.to.ip === outside.ip) return [{ ...flight, to: client.address }];
    if (flight.from.ip === server.address.ip || flight.datagram[0] === HELLO) return [flight];
    const isProof = onClient.names('sent').at(-1)?.includes('PATH_RESPONSE');
    return isProof && !isProvable ? [] : [{ ...flight, from: outside }];
  };
  const sent = (): boolean => onServer.names('sent').some((names) => /STREAM|LAST/.test(names));
  ask(client, network, ['bytes', 2_000, 3]);
  network.run(4_000);
  expect(onServer.names('received').some((names) => names.includes('ASK'))).toBe(true);
  expect(sent()).toBe(false);
  isProvable = true;
  network.run(1_000);
  expect(sent()).toBe(true);
});

describe('what is not given', () => {
  test('is refused with a code', () => {
    const { network, client } = set();
    const asked = ask(client, network, ['nonsense']);
    network.run(1_000);
    expect(asked.result).toEqual({ ok: false, reason: 'refused', code: 'unknown' });
  });

  test('more than was asked for is no answer', () => {
    const { network, client } = set();
    const asked = ask(client, network, ['bytes', 5_000, 0], 4_000);
    network.run(1_000);
    expect(asked.result).toEqual({ ok: false, reason: 'invalid' });
  });

  test('without anybody there it is lost, once the patience is over', () => {
    const { network, client } = set({ loss: 1 });
    const asked = ask(client, network, ['bytes', 1, 0]);
    network.run(4_999);
    expect(asked.result).toBeNull();
    network.run(2);
    expect(asked.result).toEqual({ ok: false, reason: 'lost' });
  });
});

describe('when something ends', () => {
  test('a server that restarts: what was asked is lost soon, and is had when it is asked again', () => {
    const { network, client, server } = set({}, 1, ({ answer, subject: [kind] }) => {
      if (kind === 'bytes') answer(content(100));
    });
    const never = ask(client, network, ['never']);
    network.run(500);
    server.restart();
    network.run(20_000);
    expect(never.result).toEqual({ ok: false, reason: 'lost' });
    const asked = ask(client, network, ['bytes']);
    network.run(5_000);
    expect(bytesOf(asked)).toHaveLength(100);
  });

  test('a slow answer is waited for', () => {
    let late: StreamAsk | null = null;
    const { network, client, server } = set({}, 1, (question) => {
      late = question;
    });
    const asked = ask(client, network, ['slow']);
    network.run(60_000);
    expect(asked.result).toBeNull();
    (late as StreamAsk | null)?.answer(content(10));
    network.run(100);
    expect(bytesOf(asked)).toHaveLength(10);
    expect(server.machine.streams.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });

  test('a peer that acknowledges nothing is given up, and its memory freed', () => {
    const { network, client, server } = set();
    const first = ask(client, network, ['bytes', 10, 0]);
    network.run(500);
    bytesOf(first);
    ask(client, network, ['bytes', CHUNK, 0]);
    network.run(12); // the ASK is there, and the answer on its way
    network.link = { loss: 1 };
    network.run(2 ** GIVE_UP_AFTER_PROBES * 1_000);
    expect(server.machine.streams.answerBytes).toBe(0);
    expect(server.machine.streams.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });

  test('a peer that asks for everything and acknowledges nothing takes so much memory and no more', () => {
    const { network, client, server } = set();
    const first = ask(client, network, ['bytes', 10, 0]);
    network.run(500);
    bytesOf(first);
    for (let i = 0; i < 3_000; i++) ask(client, network, ['bytes', CHUNK, 0]);
    let most = 0;
    let isDeaf = false;
    network.intercept = (flight) => (isDeaf && flight.from === client.address ? [] : [flight]);
    for (let i = 0; i < 200; i++) {
      network.run(5);
      isDeaf ||= server.machine.streams.answerBytes > 0;
      most = Math.max(most, server.machine.streams.answerBytes);
    }
    expect(most).toBeGreaterThan(0);
    const inTheMaking = MAX_ANSWERS_IN_THE_MAKING * CHUNK;
    expect(most).toBeLessThanOrEqual(MAX_ANSWER_BYTES_PER_PEER + inTheMaking);
    network.run(120_000);
    expect(server.machine.streams.answerBytes).toBe(0);
  });

  test('what is stopped is sent no further', () => {
    const { network, client } = set({ delayMs: 50 });
    const warm = ask(client, network, ['bytes', 1, 0]);
    network.run(1_000);
    bytesOf(warm);
    const pending = client.machine.streams.ask(
      { peer: client.peer(), process: null },
      { subject: ['bytes', CHUNK, 0], maxBytes: CHUNK, settle: () => {} },
      1_000,
      network.now,
    );
    network.run(101); // the first of it is there
    client.machine.streams.stop(pending);
    network.run(150);
    const before = network.datagrams;
    network.run(10_000);
    expect(network.datagrams - before).toBeLessThan(5);
  });
});

test('the address of the asker changes in the middle', () => {
  const { network, client } = set({ delayMs: 5 });
  const asked = Array.from({ length: 40 }, (_, i) => ask(client, network, ['bytes', CHUNK, i]));
  network.run(60);
  client.address = { ip: '10.9.8.7', port: 4711 };
  network.run(30_000);
  for (const [i, one] of asked.entries()) expect(equalBytes(bytesOf(one), content(CHUNK, i))).toBe(true);
});

test('a request beside a transfer is answered as quickly as without one', () => {
  const { network, client } = set({ delayMs: 20 });
  const warm = client.request('echo', ['x']);
  network.run(1_000);
  expect(warm.outcome?.ok).toBe(true);
  for (let i = 0; i < 100; i++) ask(client, network, ['bytes', CHUNK, i]);
  network.run(200);
  const request = client.request('echo', ['y']);
  const askedAt = network.now;
  network.run(1_000);
  expect(request.outcome?.ok).toBe(true);
  expect(request.settledAt - askedAt).toBeLessThan(45);
});
