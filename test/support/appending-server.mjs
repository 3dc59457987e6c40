// Appends the number of each request to a file, until it is killed: node appending-server.mjs KEYS HOST PORT FILE. It
// says on which port.
import { appendFileSync } from 'node:fs';
import { createEndpoint, defineCommand, KeyStore } from '../../dist/index.js';

const [, , keys, ip, port, file] = process.argv;
const store = new KeyStore(keys);
const append = defineCommand({
  name: 'append',
  summary: 'Appends a number to the file',
  args: [{ name: 'number', type: 'integer', summary: 'Which' }],
  idempotent: false,
  run({ args }) {
    appendFileSync(file, `${args.number}\n`);
    return args.number;
  },
});
const endpoint = await createEndpoint({
  keyPair: await store.loadKeyPair(),
  peers: await store.loadPeers(),
  commands: [append],
  ip,
  port: Number(port),
});
process.stdout.write(`port ${endpoint.addresses[0].port}\n`);
