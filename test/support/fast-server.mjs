// Answers `time`, by a clock that goes faster: node --expose-gc fast-server.mjs KEYS TIMES_AS_FAST. It says on which port,
// and at SIGUSR2 how many bytes it has in use, and how many sessions.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createEndpoint, KeyStore } from '../../dist/index.js';

const [, , keys, timesAsFast] = process.argv;
const store = new KeyStore(keys);
const endpoint = await createEndpoint({
  keyPair: await store.loadKeyPair(),
  peers: await store.loadPeers(),
  ip: '127.0.0.1',
  clock: { now: () => performance.now() * Number(timesAsFast) },
});
process.on('SIGUSR2', async () => {
  // One collection leaves what only the next one finds unused.
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await nextTurn();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  process.stdout.write(`memory ${rss} ${heapUsed + external} ${endpoint.stats.sessions}\n`);
});
process.stdout.write(`port ${endpoint.addresses[0].port}\n`);
