// Queues messages and brings them, until it is killed: node message-sender.mjs KEYS PORT RUN. It says what it promised.
import { createEndpoint, deliver, KeyStore, MessageStore } from '../../dist/index.js';

const [, , keys, port, run] = process.argv;
const store = new KeyStore(keys);
const keyPair = await store.loadKeyPair();
const [peer] = await store.loadPeers();
const endpoint = await createEndpoint({
  keyPair,
  peers: [{ ...peer, at: `127.0.0.1:${port}` }],
  commands: [],
});
const messages = new MessageStore(keys, keyPair);
for (let i = 0; ; i++) {
  await messages.queue(peer.publicKey, `${run} ${i}`);
  process.stdout.write(`${run} ${i}\n`);
  await deliver(endpoint.peer(peer.name), messages, { timeoutMs: 10_000 }).catch(() => {});
}
