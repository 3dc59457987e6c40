/** Hyperswarm's secret stream, a Noise handshake and libsodium's secretstream, over reliable UDP (udx). */
import { once } from 'node:events';
import { HOST } from '../socket.mjs';
import { CONTENT_BYTES, missingPackages } from './shared.mjs';

const STREAMS = '@hyperswarm/secret-stream';
const UDX = 'udx-native';
/** Each end names its stream, and knows how the other does. */
const SERVER_ID = 1;
const CLIENT_ID = 2;

async function open() {
  const [{ default: SecretStream }, { default: Udx }] = await Promise.all([import(STREAMS), import(UDX)]);
  const udx = new Udx();
  const socket = udx.createSocket();
  socket.bind(0, HOST);
  return { SecretStream, udx, socket };
}

function closer(socket, stream, rawStream) {
  return async () => {
    const closed = once(rawStream, 'close');
    stream.destroy();
    await closed;
    await socket.close();
  };
}

export const secretStream = {
  label: 'Hyperswarm secret stream over udx',
  missing: () => missingPackages([STREAMS, '6.9.2'], [UDX, '1.21.3']),

  async serve() {
    const { SecretStream, udx, socket } = await open();
    const rawStream = udx.createStream(SERVER_ID, {
      firewall(_socket, port, host) {
        rawStream.connect(socket, CLIENT_ID, port, host);
        return false;
      },
    });
    const stream = new SecretStream(false, rawStream);
    stream.on('error', () => {});
    // One piece of data is one message.
    stream.on('data', (request) => stream.write(request));
    return { port: socket.address().port, close: closer(socket, stream, rawStream) };
  },

  async connect(port, onAnswer) {
    const { SecretStream, udx, socket } = await open();
    const rawStream = udx.createStream(CLIENT_ID);
    rawStream.connect(socket, SERVER_ID, port, HOST);
    const stream = new SecretStream(true, rawStream);
    stream.on('error', () => {});
    stream.on('data', (answer) => onAnswer(answer.readUInt16BE(0)));
    await stream.opened;
    return {
      request(slot) {
        const message = Buffer.alloc(CONTENT_BYTES);
        message.writeUInt16BE(slot, 0);
        stream.write(message);
      },
      retransmits: true,
      close: closer(socket, stream, rawStream),
    };
  },
};
