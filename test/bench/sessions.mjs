/**
 * What a session costs a server in memory, how many handshakes it makes beside what their public-key operations
 * alone would allow, and whether a request takes longer among many sessions.
 * `node --expose-gc test/bench/sessions.mjs [SESSIONS]`, after `npm run build`; 100,000 take about two minutes.
 */
import { sharedKey } from '../../dist/crypto/box.js';
import { kemEncapsulate, kemKeyPair } from '../../dist/crypto/kem.js';
import { keyPairFromSecret, SecretKey } from '../../dist/crypto/keys.js';
import { builtinCommands } from '../../dist/index.js';
import { ProtocolMachine } from '../../dist/rpc/request-machine.js';
import { random } from '../../dist/transport/random.js';

const SERVER = { ip: '127.0.0.1', port: 9999 };
/** Of one peer: what its meter and its number of sessions allow. */
const SESSIONS_PER_PEER = 16;
/** The first sessions, whose clients go on asking. */
const ASKING = 1000;
const REQUESTS = 50_000;
/** Past the life of the epoch, within that of an idle session (PROTOCOL §12). */
const EPOCH_OVER_MS = 130_000;

const total = Math.max(SESSIONS_PER_PEER, Number(process.argv[2]) || 4000);
const keyPair = () => keyPairFromSecret(SecretKey.generate(random));
const machine = (own) =>
  new ProtocolMachine({
    keyPair: own,
    random,
    command: (_peer, name) => builtinCommands.find((command) => command.name === name),
    execute: (_call, done) => done({ ok: true, value: 42 }),
  });

const serverKeys = keyPair();
const kem = kemKeyPair(random(64));
const kemPeer = keyPair();
const server = machine(serverKeys);
const clients = Array.from({ length: Math.ceil(total / SESSIONS_PER_PEER) }, keyPair);
for (const { publicKey } of clients) server.endpoint.addPeer(publicKey);

const before = await memory();
let remembered = 0;
let serverMs = 0;
let keysMs = 0;
let sessions = 0;
const asking = [];
let among = null;
for (const own of clients) {
  for (let i = 0; i < SESSIONS_PER_PEER; i++) {
    keysMs += publicKeyOperations(); // in turn with handshakes: both meet the same machine
    const client = connect(own, { ip: '127.0.0.1', port: 1024 + (sessions++ % 60_000) });
    if (asking.length < ASKING) asking.push(client);
    else if (among === null) among = { sessions, few: await ask() };
  }
}
const many = await ask();
asking.length = 0;
server.timeout(EPOCH_OVER_MS); // what was kept for handshakes goes
const after = await memory();
if (server.endpoint.sessionCount !== sessions) throw new Error('Not every handshake made a session.');

const handshakeUs = (serverMs * 1000) / sessions;
const keysUs = (keysMs * 1000) / sessions;
console.log(`${sessions} sessions, each with an answered request, Node ${process.version}`);
console.log(`memory a session      ${((after - before - remembered) / sessions).toFixed(0)} bytes`);
if (among !== null) {
  const line = ({ p50, p99 }) => `p50 ${p50.toFixed(1)} µs, p99 ${p99.toFixed(1)} µs`;
  console.log(`a request among ${among.sessions} sessions: ${line(among.few)}`);
  console.log(`a request among ${sessions} sessions: ${line(many)}`);
}
console.log(
  `handshake, server     ${handshakeUs.toFixed(0)} µs with its first request; ${(1e6 / handshakeUs).toFixed(0)} a second`,
);
console.log(
  `public keys alone     ${keysUs.toFixed(0)} µs; so ${((keysUs / handshakeUs) * 100).toFixed(0)} % of what they allow`,
);

/** A client that has asked once. */
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
  return { client, peer, from };
}

/** What the server takes for one request: datagram in, answer out, without sockets. Its memory is counted apart. */
async function ask() {
  const times = [];
  const memoryBefore = await memory();
  for (let i = 0; i < 2 * REQUESTS; i++) {
    const { client, peer, from } = asking[i % asking.length];
    client.client.request({ peer, command: 'lucky', args: [], timeoutMs: 1000, settle() {} }, 0);
    const [{ datagram }] = client.drain(0);
    const startedAt = performance.now();
    server.receive(datagram, from, 0);
    const [answer] = server.drain(0);
    if (i >= REQUESTS) times.push((performance.now() - startedAt) * 1000); // the first half warms up
    client.receive(answer.datagram, SERVER, 0);
  }
  remembered += (await memory()) - memoryBefore;
  times.sort((a, b) => a - b);
  return { p50: times[Math.floor(times.length * 0.5)], p99: times[Math.floor(times.length * 0.99)] };
}

/** In bytes. One collection leaves what only the next one finds unused, buffers above all. */
async function memory() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await new Promise((done) => setImmediate(done));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external; // external: with array buffers
}

/** One encapsulation and three Diffie–Hellmans, as PROTOCOL §5 has them for the responder. */
function publicKeyOperations() {
  const startedAt = performance.now();
  kemEncapsulate(kem.publicKey, random(32));
  for (let j = 0; j < 3; j++) sharedKey(kemPeer.publicKey.bytes, serverKeys.secretKey.expose());
  return performance.now() - startedAt;
}
