/**
 * What strangers and others send at a server: made up, or recorded from a peer of the server's whose traffic goes through
 * a wire that somebody listens at. Each kind is made when it is needed, since cookies live for two minutes.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { KEM_KEYPAIR_SEED_BYTES, kemKeyPair } from '../../../dist/crypto/kem.js';
import { keyPairFromSecret, SecretKey } from '../../../dist/crypto/keys.js';
import { createEndpoint } from '../../../dist/index.js';
import { sealHello, TOKEN_BYTES } from '../../../dist/session/handshake-datagrams.js';
import { derivePairKeys } from '../../../dist/session/key-schedule.js';
import { HOST } from '../socket.mjs';

const VARIANTS = 64;
const DATA_BYTES = 104;
/** Enough for the meter to be empty and RETRY to be in use. */
const RUNS = 32;
const [HELLO, , CHALLENGE, OPEN, DATA] = [1, 2, 3, 4, 5];
const HEADER_BYTES = 24;
/** Where the boxes of an OPEN begin (PROTOCOL §4.5). */
const KEY_BOX = HEADER_BYTES + 55;

/** @typedef {{ port: number, server: Uint8Array, mac: import('../../../dist/index.js').KeyPair }} Target */

export const kinds = [
  { name: 'random bytes', make: () => many(() => withType(0, DATA_BYTES)) },
  { name: 'DATA of an unknown session', make: () => many(() => data(randomBytes(8))) },
  { name: 'OPEN with an invented id and cookie', make: () => many(inventedOpen) },
  { name: 'HELLO with an unknown tag', make: () => many(() => withType(HELLO, 1232)) },
  {
    name: 'HELLO with a known tag, and a bad box',
    make: async (target) => tampered(ofType((await recorded(target, 1)).there, HELLO), HEADER_BYTES + 20),
  },
  {
    name: 'DATA of a live session, with a bad box',
    keepsSession: true,
    async make(target) {
      const [genuine] = ofType((await recorded(target, 1, { stays: true })).there, DATA);
      return many(() => data(genuine.subarray(1, 9)));
    },
  },
  {
    name: 'DATA replayed into a live session',
    keepsSession: true,
    make: async (target) => ofType((await recorded(target, 1, { stays: true })).there, DATA),
  },
  { name: 'HELLOs replayed', make: async (target) => ofType((await recorded(target, RUNS)).there, HELLO) },
  {
    name: 'CHALLENGEs replayed',
    make: async (target) => ofType((await recorded(target, RUNS)).back, CHALLENGE),
  },
  { name: 'OPENs replayed', make: async (target) => ofType((await recorded(target, RUNS)).there, OPEN) },
  {
    name: 'OPENs with a stolen cookie',
    make: async (target) =>
      tampered(ofType((await recorded(target, 8, { held: OPEN })).there, OPEN), KEY_BOX + 20),
  },
  {
    name: 'DATA of an unknown session, spoofed',
    spoofed: true,
    make: () => many(() => data(randomBytes(8))),
  },
  {
    name: 'HELLOs replayed, spoofed',
    spoofed: true,
    make: async (target) => ofType((await recorded(target, RUNS)).there, HELLO),
  },
  { name: 'HELLOs of a trusted peer, all new', isTrusted: true, make: (target) => freshHellos(target, 512) },
];

function many(make) {
  return Array.from({ length: VARIANTS }, make);
}

function withType(type, length) {
  const datagram = randomBytes(length);
  datagram[0] = type;
  return datagram;
}

function data(id) {
  const datagram = withType(DATA, DATA_BYTES);
  datagram.set(id, 1);
  datagram.fill(0, 9, 18); // reserved bytes, and a counter below 2^48
  return datagram;
}

function inventedOpen() {
  const datagram = withType(OPEN, 223);
  datagram.fill(0, 9, 24);
  return datagram;
}

/** @param at the byte that is changed, another one in each */
function tampered(datagrams, at) {
  return many((_, i) => {
    const datagram = Buffer.from(datagrams[i % datagrams.length]);
    datagram[at + (i >> 3)] ^= 1 << (i & 7);
    return datagram;
  });
}

function ofType(datagrams, type) {
  const found = datagrams.filter((datagram) => datagram[0] === type);
  if (found.length === 0) throw new Error(`no datagram of type ${type} was recorded`);
  return found;
}

/**
 * Runs of the peer `mac` through a wire that is listened to, each with a request.
 * @param {Target} target
 * @param runs of a process, each with a handshake
 * @param options `held`: a type that does not arrive; `stays`: the last session is not closed
 */
async function recorded({ port, server, mac }, runs, { held = 0, stays = false } = {}) {
  const there = [];
  const back = [];
  const wire = createSocket('udp4');
  const onward = createSocket('udp4');
  let asking = null;
  wire.on('message', (datagram, from) => {
    asking = from;
    there.push(datagram);
    if (datagram[0] !== held) onward.send(datagram, port, HOST);
  });
  onward.on('message', (datagram) => {
    back.push(datagram);
    if (asking !== null) wire.send(datagram, asking.port, asking.address);
  });
  for (const socket of [wire, onward]) {
    socket.bind(0, HOST);
    await once(socket, 'listening');
  }
  for (let run = 0; run < runs; run++) {
    const endpoint = await createEndpoint({
      keyPair: mac,
      peers: [{ name: 'server', publicKey: server, at: `${HOST}:${wire.address().port}` }],
      ip: HOST,
    });
    const peer = endpoint.peer('server');
    // Where OPEN is held there is no answer, and a moment is enough for it to be recorded.
    const request = peer.request('bench', [], { timeoutMs: held === 0 ? 10_000 : 300 });
    await (held === 0 ? request : request.catch(() => {}));
    if (held === 0) for (let i = 0; i < 8; i++) await peer.request('bench');
    if (stays && run === runs - 1) kept.push(endpoint);
    else await endpoint.close();
  }
  if (!stays) for (const socket of [wire, onward]) socket.close();
  else kept.push({ close: () => [wire, onward].map((socket) => socket.close()) });
  return { there, back };
}

const kept = [];

/** Ends the sessions that were to stay. */
export async function release() {
  for (const one of kept.splice(0)) await one.close();
}

function freshHellos({ server, mac }, count) {
  const { tag, helloKey } = derivePairKeys(mac, server, null).outgoing;
  return Array.from({ length: count }, () =>
    Buffer.from(
      sealHello(
        {
          token: new Uint8Array(TOKEN_BYTES),
          kemPublicKey: kemKeyPair(randomBytes(KEM_KEYPAIR_SEED_BYTES)).publicKey,
        },
        tag,
        helloKey,
        randomBytes(15),
      ),
    ),
  );
}

export function keyPairOf(hex) {
  return keyPairFromSecret(SecretKey.fromBytes(Buffer.from(hex, 'hex')));
}
