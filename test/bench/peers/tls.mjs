/** TLS 1.3 over one TCP connection, in Node: no message boundaries but a length before each, in two bytes. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:tls';
import { HOST } from '../socket.mjs';
import { CONTENT_BYTES, makeCertificate, missingCommand } from './shared.mjs';

const LENGTH_BYTES = 2;
const OPTIONS = { minVersion: 'TLSv1.3', noDelay: true };

/** Calls `onMessage` with each message (its length before it), and `onEnd` after the last whole one of a chunk. */
function readMessages(socket, onMessage, onEnd) {
  let rest = null;
  socket.on('data', (chunk) => {
    const bytes = rest === null ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    while (bytes.length - start >= LENGTH_BYTES) {
      const end = start + LENGTH_BYTES + bytes.readUInt16BE(start);
      if (end > bytes.length) break;
      onMessage(bytes.subarray(start, end));
      start = end;
    }
    rest = start === bytes.length ? null : bytes.subarray(start);
    onEnd();
  });
}

/** Collects messages, to write them at once. */
class Batch {
  #socket;
  #messages = [];

  constructor(socket) {
    this.#socket = socket;
  }

  add(message) {
    this.#messages.push(message);
  }

  write() {
    if (this.#messages.length === 0) return;
    this.#socket.write(this.#messages.length === 1 ? this.#messages[0] : Buffer.concat(this.#messages));
    this.#messages = [];
  }
}

export const tls = {
  label: 'TLS 1.3 over TCP (Node)',
  missing: () => missingCommand('openssl', ['version'], 'openssl'),

  async serve() {
    const { certificate, key, remove } = await makeCertificate();
    const options = { ...OPTIONS, cert: await readFile(certificate), key: await readFile(key) };
    await remove();
    const sockets = new Set();
    const server = createServer(options, (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => {});
      const answers = new Batch(socket);
      readMessages(
        socket,
        (request) => answers.add(request),
        () => answers.write(),
      );
    });
    const listening = once(server, 'listening');
    server.listen(0, HOST);
    await listening;
    return {
      port: server.address().port,
      close() {
        for (const socket of sockets) socket.destroy();
        return new Promise((done) => server.close(done));
      },
    };
  },

  async connect(port, onAnswer) {
    // The certificate is its own authority, and no part of what is measured.
    const socket = connect({ ...OPTIONS, host: HOST, port, rejectUnauthorized: false });
    socket.setNoDelay();
    await once(socket, 'secureConnect');
    const requests = new Batch(socket);
    let reading = false;
    readMessages(
      socket,
      (answer) => {
        reading = true;
        onAnswer(answer.readUInt16BE(LENGTH_BYTES));
      },
      () => {
        reading = false;
        requests.write();
      },
    );
    return {
      request(slot) {
        const message = Buffer.alloc(LENGTH_BYTES + CONTENT_BYTES);
        message.writeUInt16BE(CONTENT_BYTES, 0);
        message.writeUInt16BE(slot, LENGTH_BYTES);
        requests.add(message);
        // What the answers of one chunk cause is written with its last; anything else at once.
        if (!reading) requests.write();
      },
      retransmits: true,
      close: () => socket.destroy(),
    };
  },
};
