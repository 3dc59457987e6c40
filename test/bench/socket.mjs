/** Where everything is measured, and the socket that everything in JavaScript is measured on. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export const HOST = '127.0.0.1';

/**
 * A socket with the options of src/transport/udp-socket.ts. Without that `lookup`, every send of Node's waits for
 * the next tick: the raw baseline gets the same advantage, or the ratios would flatter.
 */
export async function openSocket() {
  const socket = createSocket({
    type: 'udp4',
    recvBufferSize: 1024 * 1024,
    lookup: (address, _options, callback) => callback(null, address, 4),
  });
  const listening = once(socket, 'listening');
  socket.bind(0, HOST);
  await listening;
  return {
    socket,
    port: socket.address().port,
    close: () => new Promise((done) => socket.close(done)),
  };
}
