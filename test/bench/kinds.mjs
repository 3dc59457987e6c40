/**
 * What is compared: ways to ask something over UDP and get an answer, from nothing but dgram to the whole library.
 *
 * Each kind has `serve(keys)` and `connect(keys, port, onAnswer)`. A request is named by its slot, a number below
 * the count of outstanding requests; its answer brings the slot back.
 */
import { keyPairFromSecret, SecretKey } from '../../dist/crypto/keys.js';
import { createEndpoint, defineCommand } from '../../dist/index.js';
import { Endpoint } from '../../dist/session/endpoint.js';
import { random } from '../../dist/transport/random.js';
import { packEnvelope, unpackEnvelope } from '../../dist/wire/envelope.js';
import { BOOT_BYTES, encodeMessage, MessageType } from '../../dist/wire/messages.js';
import { HOST, openSocket } from './socket.mjs';

/** A sealed `time` request: header 24, tag 16, padded envelope 64. */
export const DATAGRAM_BYTES = 104;
const COMMAND = 'bench';
const VALUE = 42;
/** Header and tag of a sealed datagram, which the plain kind fills with zeros to be as long. */
const OVERHEAD_BYTES = 40;
const ENVELOPE_CAPACITY = 1192;
const FOREVER_MS = 1e9;

/** Datagrams and nothing else; the first two bytes hold the slot. */
const raw = {
  async serve() {
    const { socket, port, close } = await openSocket();
    socket.on('message', (datagram, from) => socket.send(datagram, from.port, from.address));
    return { port, close };
  },
  async connect(_keys, serverPort, onAnswer) {
    const { socket, close } = await openSocket();
    socket.on('message', (datagram) => onAnswer(datagram.readUInt16BE(0)));
    return {
      request(slot) {
        const datagram = Buffer.alloc(DATAGRAM_BYTES);
        datagram.writeUInt16BE(slot, 0);
        socket.send(datagram, serverPort, HOST);
      },
      close,
    };
  },
};

/** Requests and answers as CBOR in a padded envelope, one a datagram, not sealed. */
const plain = {
  async serve() {
    const { socket, port, close } = await openSocket();
    socket.on('message', (datagram, from) => {
      for (const message of unpackEnvelope(datagram.subarray(OVERHEAD_BYTES)) ?? []) {
        socket.send(plainDatagram(answerTo(message)), from.port, from.address);
      }
    });
    return { port, close };
  },
  async connect(_keys, serverPort, onAnswer) {
    const { socket, close } = await openSocket();
    const ask = asker();
    socket.on('message', (datagram) => {
      for (const message of unpackEnvelope(datagram.subarray(OVERHEAD_BYTES)) ?? []) onAnswer(message.id - 1);
    });
    return {
      request: (slot) => socket.send(plainDatagram(ask(slot)), serverPort, HOST),
      close,
    };
  },
};

/** The same messages through the session layer: sealed, numbered, replay-checked; drained after every message. */
const sealed = {
  async serve(keys) {
    const { socket, port, close } = await openSocket();
    const endpoint = new Endpoint({ keyPair: keyPairOf(keys.server), random });
    endpoint.addPeer(keyPairOf(keys.client).publicKey);
    const flush = flusher(endpoint, socket);
    socket.on('message', (datagram, { address, port }) => {
      const now = performance.now();
      endpoint.receive(datagram, { ip: address, port }, now);
      for (const event of endpoint.takeEvents()) {
        if (event.type === 'message')
          endpoint.send(event.session, encodeMessage(answerTo(event.message)), event.from);
      }
      flush(now);
    });
    return { port, close };
  },
  async connect(keys, serverPort, onAnswer) {
    const { socket, close } = await openSocket();
    const endpoint = new Endpoint({ keyPair: keyPairOf(keys.client), random });
    const peer = endpoint.addPeer(keyPairOf(keys.server).publicKey);
    endpoint.setAddresses(peer, [{ ip: HOST, port: serverPort }]);
    const flush = flusher(endpoint, socket);
    const ask = asker();
    let session = null;
    const confirmed = new Promise((done) => {
      socket.on('message', (datagram, { address, port }) => {
        const now = performance.now();
        endpoint.receive(datagram, { ip: address, port }, now);
        for (const event of endpoint.takeEvents()) {
          if (event.type === 'message') onAnswer(event.message.id - 1);
          else if (event.type === 'confirmed') done((session = event.session));
        }
        flush(now);
      });
    });
    const now = performance.now();
    endpoint.want(peer, now + FOREVER_MS, now);
    flush(now);
    await confirmed;
    return {
      request(slot) {
        endpoint.send(session, encodeMessage(ask(slot)));
        flush(performance.now());
      },
      close,
    };
  },
};

/** What a user of the library has: promises, retransmission, at most once, and coalescing. */
const library = {
  async serve(keys) {
    const endpoint = await createEndpoint({
      keyPair: keyPairOf(keys.server),
      peers: [{ name: 'client', publicKey: keyPairOf(keys.client).publicKey }],
      ip: HOST,
      commands: [
        defineCommand({ name: COMMAND, summary: 'A small value', idempotent: true, run: () => VALUE }),
      ],
    });
    return {
      port: endpoint.addresses[0].port,
      received: () => Object.values(endpoint.stats.drops).reduce((sum, count) => sum + count, 0),
      close: () => endpoint.close(),
    };
  },
  async connect(keys, serverPort, onAnswer) {
    const endpoint = await createEndpoint({
      keyPair: keyPairOf(keys.client),
      peers: [{ name: 'server', publicKey: keyPairOf(keys.server).publicKey, at: `${HOST}:${serverPort}` }],
      ip: HOST,
      commands: [],
    });
    const peer = endpoint.peer('server');
    await peer.request(COMMAND);
    return {
      request: (slot) => void peer.request(COMMAND).then(() => onAnswer(slot)),
      retransmits: true,
      close: () => endpoint.close(),
    };
  },
};

/** An empty message handler: what a datagram costs that nobody looks at. */
const sink = {
  async serve() {
    const { socket, port, close } = await openSocket();
    let received = 0;
    socket.on('message', () => received++);
    return { port, received: () => received, close };
  },
};

export const kinds = { raw, plain, sealed, library, sink };

function keyPairOf(secretHex) {
  return keyPairFromSecret(SecretKey.fromBytes(Uint8Array.from(Buffer.from(secretHex, 'hex'))));
}

function flusher(endpoint, socket) {
  return (now) => {
    for (const { datagram, to } of endpoint.drain(now)) socket.send(datagram, to.port, to.ip);
  };
}

function asker() {
  const boot = random(BOOT_BYTES);
  return (slot) => ({ type: MessageType.REQUEST, lane: 0, id: slot + 1, boot, command: COMMAND, args: [] });
}

function answerTo({ lane, id }) {
  return { type: MessageType.RESPONSE, lane, id, value: VALUE };
}

function plainDatagram(message) {
  const envelope = packEnvelope([encodeMessage(message)], ENVELOPE_CAPACITY);
  const datagram = new Uint8Array(OVERHEAD_BYTES + envelope.length);
  datagram.set(envelope, OVERHEAD_BYTES);
  return datagram;
}
