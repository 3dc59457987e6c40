/** A stranger who sends as fast as it can: datagrams that no key of the receiver's opens. */
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { DATAGRAM_BYTES } from './kinds.mjs';
import { HOST, openSocket } from './socket.mjs';

const VARIANTS = 64;
const BURST = 32;
const MAX_DATAGRAMS = 2_000_000;

export const shapes = {
  random: { name: 'random bytes', make: () => withType(0, DATAGRAM_BYTES) },
  data: {
    name: 'DATA of an unknown session',
    make() {
      const datagram = withType(5, DATAGRAM_BYTES);
      datagram.fill(0, 9, 18); // reserved bytes, and a counter below 2^48
      return datagram;
    },
  },
  hello: { name: 'HELLO with an unknown tag', make: () => withType(1, 1232) },
};

export async function flood(port, shape, seconds) {
  const datagrams = Array.from({ length: VARIANTS }, shapes[shape].make);
  const { socket, close } = await openSocket();
  const endsAt = performance.now() + seconds * 1000;
  let sent = 0;
  while (performance.now() < endsAt && sent < MAX_DATAGRAMS) {
    for (let i = 0; i < BURST; i++) socket.send(datagrams[sent++ % VARIANTS], port, HOST);
    await turn();
  }
  await close();
  return sent;
}

function withType(type, length) {
  const datagram = randomBytes(length);
  datagram[0] = type;
  return datagram;
}
