/**
 * A file over TLS 1.3: `tls-file.mjs serve HOST PORT FILE CERTIFICATE KEY` sends it to whoever connects, and says when
 * it listens; `tls-file.mjs receive HOST PORT TARGET` prints how long that took from the first byte to the last.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { connect, createServer } from 'node:tls';

const READ_BYTES = 1 << 20;
const VERSION = { minVersion: 'TLSv1.3' };

const roles = {
  async serve(host, port, file, certificate, key) {
    const options = { ...VERSION, cert: readFileSync(certificate), key: readFileSync(key) };
    const server = createServer(options, (socket) => {
      // A receiver that is ended early is no failure.
      pipeline(createReadStream(file, { highWaterMark: READ_BYTES }), socket).catch(() => {});
    });
    server.on('tlsClientError', () => {});
    server.listen(Number(port), host);
    await once(server, 'listening');
    console.log('listening');
  },
  async receive(host, port, target) {
    // The certificate is its own authority, and no part of what is measured.
    const socket = connect({ ...VERSION, host, port: Number(port), rejectUnauthorized: false });
    let firstAt = 0;
    socket.once('readable', () => {
      firstAt = performance.now();
    });
    await once(socket, 'secureConnect');
    await pipeline(socket, createWriteStream(target));
    console.log(performance.now() - firstAt);
  },
};

const [role, ...args] = process.argv.slice(2);
await roles[role](...args);
