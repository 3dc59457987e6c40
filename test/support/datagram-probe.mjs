/**
 * Datagrams by hand: `node datagram-probe.mjs PORT…` prints a line of JSON for what comes to each port, and sends what it
 * reads: `{"port": 1000, "to": ["10.1.2.3", 2000], "text": "hello"}`, which it answers with `{"sent": "hello"}`.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const sockets = new Map();
for (const port of process.argv.slice(2).map(Number)) {
  const socket = createSocket('udp4');
  socket.on('message', (data, { address, port: from }) =>
    say({ port, from: [address, from], text: data.toString() }),
  );
  socket.bind(port);
  await once(socket, 'listening');
  sockets.set(port, socket);
}
say({ ready: true });
for await (const line of createInterface(process.stdin)) {
  const { port, to, text } = JSON.parse(line);
  // An error of an earlier datagram, such as "nobody there", says nothing of this one.
  sockets.get(port).send(text, to[1], to[0], () => say({ sent: text }));
}
for (const socket of sockets.values()) socket.close();
