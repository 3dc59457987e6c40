/** What the stages of a request and of a handshake cost, one by one in this process, in microseconds. */
import { open, seal } from '../../dist/crypto/box.js';
import { keyPairFromSecret, SecretKey } from '../../dist/crypto/keys.js';
import { Endpoint } from '../../dist/session/endpoint.js';
import { ReplayWindow } from '../../dist/session/replay-window.js';
import { random } from '../../dist/transport/random.js';
import { decodeCbor, scanCbor } from '../../dist/wire/cbor.js';
import { packEnvelope, unpackEnvelope } from '../../dist/wire/envelope.js';
import { counterOf, HEADER_BYTES } from '../../dist/wire/header.js';
import { BOOT_BYTES, encodeMessage, MessageType } from '../../dist/wire/messages.js';
import { shapes } from './flood.mjs';
import { median } from './report.mjs';

const BATCHES = 40;
const BATCH = 1000;
/** The first batches find the code not compiled yet. */
const WARM_UP_BATCHES = 10;
const HANDSHAKES = 300;
const CAPACITY = 1192;
const CLIENT = { ip: '127.0.0.1', port: 40_000 };
const SERVER = { ip: '127.0.0.1', port: 9999 };

export function measureStages() {
  return [...cryptography(), ...messages(), ...session(), ...strangers(), ...handshake()].map(
    ([stage, us]) => ({ stage, us }),
  );
}

function cryptography() {
  const key = random(32);
  const nonce = random(24);
  const plaintext = random(64);
  const box = seal(plaintext, nonce, key);
  const forged = Uint8Array.from(box);
  forged[20] ^= 1;
  return [
    ['seal 64 bytes', perCall(() => seal(plaintext, nonce, key))],
    ['open 64 bytes', perCall(() => open(box, nonce, key))],
    ['open 64 bytes, forged', perCall(() => open(forged, nonce, key))],
  ];
}

function messages() {
  const encoded = encodeMessage(request());
  const envelope = packEnvelope([encoded], CAPACITY);
  return [
    ['encode a request', perCall(() => encodeMessage(request()))],
    ['strict scan of it', perCall(() => scanCbor(encoded))],
    ['strict scan and decode of it', perCall(() => decodeCbor(encoded))],
    ['pack an envelope', perCall(() => packEnvelope([encoded], CAPACITY))],
    ['unpack an envelope (scan, decode, parse)', perCall(() => unpackEnvelope(envelope))],
  ];
}

function session() {
  const { client, server, session } = connected();
  const encoded = encodeMessage(request());
  const inbound = server.takeEvents().find((event) => event.type === 'message')?.session;
  const replay = perCall(
    (i, window) => window.check(i) && window.commit(i),
    () => new ReplayWindow(),
  );
  const send = perCall(() => {
    client.send(session, encoded);
    client.drain(1);
  });
  const sealedBatch = () =>
    Array.from({ length: BATCH }, () => session.seal(packEnvelope([encoded], CAPACITY)));
  // A counter is received once only: each batch is sealed anew, outside the measured time.
  const receiveAtSession = perCall((i, datagrams) => {
    const { ok } = inbound.receive(datagrams[i], HEADER_BYTES, counterOf(datagrams[i]), 1);
    if (!ok) throw new Error('A session refused what the stage table sent it.');
  }, sealedBatch);
  const receiveAtEndpoint = perCall((i, datagrams) => {
    server.receive(datagrams[i], CLIENT, 1);
    if (server.takeEvents().length !== 1)
      throw new Error('An endpoint refused what the stage table sent it.');
  }, sealedBatch);
  return [
    ['replay window: check and commit', replay],
    ['session: send one message (pack, seal, header)', send],
    ['session: receive one message (check, open, commit, unpack)', receiveAtSession],
    ['endpoint: receive one message (look up, session, path, event)', receiveAtEndpoint],
  ];
}

function strangers() {
  const { server } = connected();
  return Object.values(shapes).map(({ name, make }) => {
    const datagrams = Array.from({ length: BATCH }, make);
    return [`drop: ${name}`, perCall((i) => server.receive(datagrams[i], CLIENT, 1))];
  });
}

/** Every datagram of a handshake, each side by itself. Time passes, so that the responder's meter lets all in. */
function handshake() {
  const clientKeys = keyPair();
  const serverKeys = keyPair();
  const server = new Endpoint({ keyPair: serverKeys, random });
  server.addPeer(clientKeys.publicKey);
  const times = { hello: [], challenge: [], open: [], answerHello: [], acceptOpen: [] };
  const timed = (name, step) => {
    const startedAt = performance.now();
    const transmits = step();
    times[name].push((performance.now() - startedAt) * 1000);
    return transmits[0]?.datagram;
  };
  for (let i = 0; i < HANDSHAKES; i++) {
    const now = i * 300;
    const client = new Endpoint({ keyPair: clientKeys, random });
    const peer = client.addPeer(serverKeys.publicKey);
    client.setAddresses(peer, [SERVER]);
    server.timeout(now);
    const hello = timed('hello', () => {
      client.want(peer, now + 1, now);
      return client.drain(now);
    });
    const challenge = timed('answerHello', () => {
      server.receive(hello, CLIENT, now);
      return server.drain(now);
    });
    timed('challenge', () => {
      client.receive(challenge, SERVER, now);
      return [];
    });
    const open = timed('open', () => client.drain(now));
    timed('acceptOpen', () => {
      server.receive(open, CLIENT, now);
      return [];
    });
    for (const { datagram } of server.drain(now)) client.receive(datagram, SERVER, now);
    for (const { datagram } of client.close(now)) server.receive(datagram, CLIENT, now);
    if (server.sessionCount > 0) throw new Error('The handshake of the stage table did not work.');
    server.takeEvents();
  }
  return [
    ['handshake, initiator: make HELLO', median(times.hello)],
    ['handshake, responder: HELLO to CHALLENGE', median(times.answerHello)],
    ['handshake, initiator: take CHALLENGE', median(times.challenge)],
    ['handshake, initiator: seal OPEN', median(times.open)],
    ['handshake, responder: take OPEN', median(times.acceptOpen)],
  ];
}

/** Median over batches of the time of one call; what `prepare` makes for a batch is not counted. */
function perCall(work, prepare = () => undefined) {
  const times = [];
  for (let batch = 0; batch < BATCHES + WARM_UP_BATCHES; batch++) {
    const prepared = prepare();
    const startedAt = performance.now();
    for (let i = 0; i < BATCH; i++) work(i, prepared);
    if (batch >= WARM_UP_BATCHES) times.push(((performance.now() - startedAt) * 1000) / BATCH);
  }
  return median(times);
}

function request() {
  return {
    type: MessageType.REQUEST,
    lane: 0,
    id: 300,
    boot: BOOT,
    command: 'time',
    args: [],
  };
}

const BOOT = random(BOOT_BYTES);

function keyPair() {
  return keyPairFromSecret(SecretKey.generate(random));
}

/** Two endpoints with a confirmed session, whose responder's side knows a request of it. */
function connected() {
  const clientKeys = keyPair();
  const serverKeys = keyPair();
  const client = new Endpoint({ keyPair: clientKeys, random });
  const server = new Endpoint({ keyPair: serverKeys, random });
  const peer = client.addPeer(serverKeys.publicKey);
  server.addPeer(clientKeys.publicKey);
  client.setAddresses(peer, [SERVER]);
  client.want(peer, 1, 0);
  for (let i = 0; i < 3; i++) {
    for (const { datagram } of client.drain(0)) server.receive(datagram, CLIENT, 0);
    for (const { datagram } of server.drain(0)) client.receive(datagram, SERVER, 0);
  }
  const [session] = client.sessionsTo(peer, 0);
  client.send(session, encodeMessage(request()));
  for (const { datagram } of client.drain(0)) server.receive(datagram, CLIENT, 0);
  return { client, server, session };
}
