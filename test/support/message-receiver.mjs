// Takes messages, until it is killed: node message-receiver.mjs KEYS. It says on which port.
import { createEndpoint, KeyStore, MessageStore, messageCommands } from '../../dist/index.js';

const [, , keys] = process.argv;
const store = new KeyStore(keys);
const keyPair = await store.loadKeyPair();
const endpoint = await createEndpoint({
  keyPair,
  peers: await store.loadPeers(),
  commands: messageCommands({ store: new MessageStore(keys, keyPair) }),
  ip: '127.0.0.1',
});
process.stdout.write(`port ${endpoint.addresses[0].port}\n`);
