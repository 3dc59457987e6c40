/**
 * What a session costs a server in memory, and how many handshakes it makes beside what their public-key operations
 * alone would allow. `node --expose-gc test/bench/sessions.mjs [SESSIONS]`, after `npm run build`.
 */
import { sharedKey } from '../../dist/crypto/box.js';
import { kemEncapsulate, kemKeyPair } from '../../dist/crypto/kem.js';
import { keyPairFromSecret, SecretKey } from '../../dist/crypto/keys.js';
import { builtinCommands } from '../../dist/index.js';
import { RequestMachine } from '../../dist/rpc/request-machine.js';
import { random } from '../../dist/transport/random.js';

const SERVER = { ip: '127.0.0.1', port: 9999 };
/** Of one peer: what its meter and its number of sessions allow. */
const SESSIONS_PER_PEER = 16;
const OPERATIONS = 300;
/** Past the life of the epoch, within that of an idle session (PROTOCOL §12). */
const EPOCH_OVER_MS = 130_000;

const total = Math.max(SESSIONS_PER_PEER, Number(process.argv[2]) || 4000);
const keyPair = () => keyPairFromSecret(SecretKey.generate(random));
const machine = (own) =>
  new RequestMachine({
    keyPair: own,
    random,
    command: (_peer, name) => builtinCommands.find((command) => command.name === name),
    execute: (_call, done) => done({ ok: true, value: 42 }),
  });

const serverKeys = keyPair();
const server = machine(serverKeys);
const clients = Array.from({ length: Math.ceil(total / SESSIONS_PER_PEER) }, keyPair);
for (const { publicKey } of clients) server.endpoint.addPeer(publicKey);

globalThis.gc();
const before = process.memoryUsage();
let serverMs = 0;
let sessions = 0;
for (const own of clients) {
  for (let i = 0; i < SESSIONS_PER_PEER; i++)
    connect(own, { ip: '127.0.0.1', port: 1024 + (sessions++ % 60_000) });
}
server.timeout(EPOCH_OVER_MS); // what was kept for handshakes goes
globalThis.gc();
const after = process.memoryUsage();
if (server.endpoint.sessionCount !== sessions) throw new Error('Not every handshake made a session.');

const bytes = (usage) => usage.heapUsed + usage.external; // external: with array buffers
const handshakeUs = (serverMs * 1000) / sessions;
const keysUs = publicKeyOperationsUs();
console.log(`${sessions} sessions, each with an answered request, Node ${process.version}`);
console.log(`memory a session      ${((bytes(after) - bytes(before)) / sessions).toFixed(0)} bytes`);
console.log(
  `handshake, server     ${handshakeUs.toFixed(0)} µs with its first request; ${(1e6 / handshakeUs).toFixed(0)} a second`,
);
console.log(
  `public keys alone     ${keysUs.toFixed(0)} µs; so ${((keysUs / handshakeUs) * 100).toFixed(0)} % of what they allow`,
);

/** A client that asks once, and is forgotten. */
function connect(own, from) {
  const client = machine(own);
  const peer = client.endpoint.addPeer(serverKeys.publicKey);
  client.endpoint.setAddresses(peer, [SERVER]);
  let answered = false;
  const settle = ({ ok }) => {
    answered = ok;
  };
  client.client.request({ peer, command: 'lucky', args: [], timeoutMs: 1000, settle }, 0);
  for (let i = 0; i < 3 && !answered; i++) {
    const requests = client.drain(0);
    const startedAt = performance.now();
    for (const { datagram } of requests) server.receive(datagram, from, 0);
    const answers = server.drain(0);
    serverMs += performance.now() - startedAt;
    for (const { datagram } of answers) client.receive(datagram, SERVER, 0);
  }
  if (!answered) throw new Error('A request was not answered.');
}

/** One encapsulation and three Diffie–Hellmans, as PROTOCOL §5 has them for the responder. */
function publicKeyOperationsUs() {
  const kem = kemKeyPair(random(64));
  const [a, b] = [keyPair(), keyPair()];
  const startedAt = performance.now();
  for (let i = 0; i < OPERATIONS; i++) {
    kemEncapsulate(kem.publicKey, random(32));
    for (let j = 0; j < 3; j++) sharedKey(a.publicKey.bytes, b.secretKey.expose());
  }
  return ((performance.now() - startedAt) * 1000) / OPERATIONS;
}
