/** HELLOs that come again (PROTOCOL §5.3, rules 2 and 3). */
import { expect, test } from 'vitest';
import {
  CACHED_CHALLENGES,
  CACHED_RETRIES,
  HANDSHAKE_BURST,
  HELLO_REPEAT_INTERVAL_MS,
} from '../../src/session/constants.ts';
import { echo } from '../support/commands.ts';
import { type Flight, pair, VirtualNetwork } from '../support/virtual-network.ts';

const ELSEWHERE = { ip: '198.51.100.1', port: 1 };
const [HELLO, RETRY] = [1, 2];

/** A server that has answered a HELLO, which is then sent to it again. */
function answeredHello(type: number, handshakes: number) {
  const network = new VirtualNetwork(1, { delayMs: 1 });
  network.record = true;
  const { client, server } = pair(network, { commands: [echo] });
  for (let i = 0; i < handshakes; i++) {
    client.request('echo', [`${i}`]);
    network.run(20);
    client.restart();
  }
  const answer = network.sent.find(({ datagram }) => datagram[0] === type) as Flight;
  const hello = network.sent[network.sent.indexOf(answer) - 1] as Flight;
  const again = (from = hello.from): Uint8Array[] => {
    server.machine.receive(hello.datagram.slice(), from, network.now);
    return server.machine.drain(network.now).map(({ datagram }) => datagram);
  };
  network.run(HELLO_REPEAT_INTERVAL_MS);
  return { network, server, answer: answer.datagram, again };
}

test.each([
  ['a CHALLENGE', 3, 1],
  ['a RETRY', RETRY, 20],
] as const)(
  '%s is given again, byte for byte, but not twice at once to one address',
  (_name, type, handshakes) => {
    const { network, server, answer, again } = answeredHello(type, handshakes);
    expect(again()).toEqual([answer]);
    expect(again()).toEqual([]);
    expect(server.machine.endpoint.drops.replayed).toBe(1);
    expect(again(ELSEWHERE)).toEqual([answer]);
    network.now += HELLO_REPEAT_INTERVAL_MS;
    expect(again()).toEqual([answer]);
  },
);

test('of a RETRY no longer than its token is good', () => {
  const { network, answer, again } = answeredHello(RETRY, 20);
  network.run(60_000);
  const [later] = again();
  expect(later).toBeDefined();
  expect(later).not.toEqual(answer);
});

test('a HELLO that was changed is not taken for the one that was answered', () => {
  const { network, server } = answeredHello(3, 1);
  const hello = network.sent.find(({ datagram }) => datagram[0] === HELLO) as Flight;
  const changed = hello.datagram.slice();
  changed[1_000] = (changed[1_000] as number) ^ 1;
  server.machine.receive(changed, hello.from, network.now);
  expect(server.machine.drain(network.now)).toEqual([]);
  expect(server.machine.endpoint.drops['bad-box']).toBe(1);
});

/** A server, and so many HELLOs of its client, which reach it all at one moment. */
function manyHellos(count: number) {
  const network = new VirtualNetwork(1);
  const { client, server } = pair(network, { commands: [echo] });
  const hellos: Uint8Array[] = [];
  network.intercept = ({ datagram }) => {
    hellos.push(datagram);
    return [];
  };
  for (let i = 0; i < count; i++) {
    client.request('echo', ['x']);
    client.flush();
    client.restart();
  }
  const answerTo = (hello: Uint8Array): string => {
    server.machine.receive(hello, client.address, network.now);
    const [answer] = server.machine.drain(network.now);
    return answer === undefined ? 'silence' : Buffer.from(answer.datagram).toString('hex');
  };
  const answers = hellos.map(answerTo);
  network.now += HELLO_REPEAT_INTERVAL_MS;
  return { hellos, answers, answerTo };
}

test('of the CHALLENGEs to a peer the last 8 are remembered', () => {
  const { hellos, answers, answerTo } = manyHellos(CACHED_CHALLENGES + 1);
  expect(new Set(answers).size).toBe(9);
  expect(hellos.slice(1).map(answerTo)).toEqual(answers.slice(1));
  const again = answerTo(hellos[0] as Uint8Array);
  expect(again.startsWith('03')).toBe(true);
  expect(again).not.toBe(answers[0]);
});

test('of the RETRYs to a peer the first 64 are remembered', () => {
  const { hellos, answers, answerTo } = manyHellos(HANDSHAKE_BURST + CACHED_RETRIES + 1);
  const retries = answers.slice(HANDSHAKE_BURST);
  expect(retries.every((answer) => answer.startsWith('02'))).toBe(true);
  expect(new Set(retries).size).toBe(65);
  const again = hellos.slice(HANDSHAKE_BURST).map(answerTo);
  expect(again.slice(0, -1)).toEqual(retries.slice(0, -1));
  expect(again.at(-1)?.startsWith('02')).toBe(true);
  expect(again.at(-1)).not.toBe(retries.at(-1));
});
