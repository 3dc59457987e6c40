// An endpoint whose clock can be put forward: node memory-child.mjs KEYS PORT. Each line of input is done, then said.
import { createInterface } from 'node:readline';
import { createEndpoint, formatAddress, KeyStore, wipePresharedKeys } from '../../dist/index.js';

// The machine's timers fire early, and it looks at its clock then: so it notices when that is put forward.
const { setTimeout: wait } = globalThis;
globalThis.setTimeout = (done, ms, ...args) => wait(done, Math.min(ms, 20), ...args);

const [, , keys, port] = process.argv;
const store = new KeyStore(keys);
const keyPair = await store.loadKeyPair();
const peers = await store.loadPeers();
let ahead = 0;
const endpoint = await createEndpoint({
  keyPair,
  peers: peers.map((peer) => ({ ...peer, at: `127.0.0.1:${port}` })),
  ip: '127.0.0.1',
  clock: { now: () => performance.now() + ahead },
});
wipePresharedKeys(peers);
const acts = {
  ask: async () => (await endpoint.peer(peers[0].name).request('ping', ['x'])).value,
  /** Somebody who does not answer. */
  knock: () =>
    endpoint
      .peer(peers[0].name)
      .request('ping', ['x'], { timeoutMs: 1_000 })
      .catch(() => {}),
  later: (ms) => {
    ahead += Number(ms);
  },
  close: () => endpoint.close(),
  wipe: () => keyPair.secretKey.wipe(),
};
const say = (event, value) => process.stdout.write(`${JSON.stringify({ event, value })}\n`);
say('ready', formatAddress(endpoint.addresses[0]));
for await (const line of createInterface(process.stdin)) {
  const [act, ...args] = line.split(' ');
  say(act, await acts[act](...args));
}
