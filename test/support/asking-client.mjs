// Asks the one peer of the book again and again, until it is killed: node asking-client.mjs KEYS TIMEOUT_MS [AT_ONCE].
// A request has a number of its own. It says `ok NUMBER` or `CODE NUMBER` of each, and how many milliseconds it took.
import { setTimeout as pause } from 'node:timers/promises';
import { createEndpoint, KeyStore } from '../../dist/index.js';

const [, , keys, timeout, atOnce = '1'] = process.argv;
const PACE_MS = 10;
const store = new KeyStore(keys);
const peers = await store.loadPeers();
const endpoint = await createEndpoint({ keyPair: await store.loadKeyPair(), peers, commands: [] });
const peer = endpoint.peer(peers[0].name);
let last = 0;

for (let i = 0; i < Number(atOnce); i++) void askOn();

async function askOn() {
  for (;;) {
    const number = ++last;
    const begun = performance.now();
    const said = await peer.request('append', [number], { timeoutMs: Number(timeout) }).then(
      () => 'ok',
      (error) => error.code,
    );
    process.stdout.write(`${said} ${number} ${Math.round(performance.now() - begun)}\n`);
    await pause(PACE_MS);
  }
}
