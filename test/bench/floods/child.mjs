/** A process of the flood benchmark: a server, or somebody who asks it. Forked by processes.mjs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createEndpoint, defineCommand } from '../../../dist/index.js';
import { HOST, openSocket } from '../socket.mjs';
import { keyPairOf } from './ammunition.mjs';

let server = null;
let endpoint = null;
let busy = null;

const actions = {
  async serve({ keys }) {
    endpoint = await createEndpoint({
      keyPair: keyPairOf(keys.server),
      peers: ['client', 'mac'].map((name) => ({ name, publicKey: keyPairOf(keys[name]).publicKey })),
      ip: HOST,
      commands: [defineCommand({ name: 'bench', summary: 'A small value', idempotent: true, run: () => 42 })],
    });
    return endpoint.addresses[0].port;
  },
  /** A socket whose message handler counts, and does nothing else. */
  async serveNothing() {
    const { socket, port } = await openSocket();
    server = { received: 0 };
    socket.on('message', () => server.received++);
    return port;
  },
  usage() {
    const { user, system } = process.cpuUsage();
    globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    const stats = endpoint?.stats;
    return {
      cpuUs: user + system,
      received: server?.received ?? stats.received.datagrams,
      sentBytes: stats?.sent.bytes ?? 0,
      drops: stats?.drops ?? {},
      sessions: stats?.sessions ?? 0,
      rss,
      heapUsed: heapUsed + external,
    };
  },
  async connect({ keys, name, port }) {
    endpoint = await createEndpoint({
      keyPair: keyPairOf(keys[name]),
      peers: [{ name: 'server', publicKey: keyPairOf(keys.server).publicKey, at: `${HOST}:${port}` }],
      ip: HOST,
    });
    await endpoint.peer('server').request('bench');
  },
  /** Asks every so many ms, each time something of its own: what came of it. */
  async ask({ everyMs, seconds }) {
    const latencies = [];
    let failed = 0;
    const asked = [];
    const before = endpoint.stats.received.bytes;
    const endsAt = performance.now() + seconds * 1000;
    while (performance.now() < endsAt) {
      const sentAt = performance.now();
      asked.push(
        endpoint
          .peer('server')
          .request('bench')
          .then(
            () => latencies.push(performance.now() - sentAt),
            () => failed++,
          ),
      );
      await sleep(everyMs);
    }
    await Promise.all(asked);
    latencies.sort((a, b) => a - b);
    const percentile = (p) => latencies[Math.floor((latencies.length - 1) * p)] ?? Number.NaN;
    return {
      asked: asked.length,
      failed,
      p50: percentile(0.5),
      p99: percentile(0.99),
      worst: percentile(1),
      receivedBytes: endpoint.stats.received.bytes - before,
    };
  },
  /** Asks as fast as it can, so many requests outstanding, until `rest`. */
  greedy({ outstanding }) {
    busy = true;
    let answered = 0;
    const go = () => {
      if (!busy) return;
      endpoint
        .peer('server')
        .request('bench')
        .then(
          () => {
            answered++;
            go();
          },
          () => setImmediate(go),
        );
    };
    for (let i = 0; i < outstanding; i++) go();
    busy = { answered: () => answered };
  },
  rest() {
    const answered = busy.answered();
    busy = null;
    return answered;
  },
  async close() {
    await endpoint?.close();
  },
};

process.on('message', async ({ action, options }) => {
  try {
    process.send({ result: await actions[action](options) });
  } catch (error) {
    process.send({ error: error.stack });
  }
  if (action === 'close') process.exit();
});
process.on('disconnect', () => process.exit());
process.send('ready');
