/** Somebody else's TCP: `tcp-flow.mjs source HOST PORT` sends for ever to whoever connects, `sink HOST PORT` takes it. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const [role, host, port] = process.argv.slice(2);
if (role === 'source') {
  const zeros = Buffer.alloc(1 << 18);
  const server = createServer((socket) => {
    const send = () => {
      while (socket.write(zeros));
    };
    socket.on('drain', send).on('error', () => {});
    send();
  });
  server.listen(Number(port), host);
  await once(server, 'listening');
} else {
  const socket = connect(Number(port), host);
  await once(socket, 'connect');
  socket.resume();
}
console.log('ready');
