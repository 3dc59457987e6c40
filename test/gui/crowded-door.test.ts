/** Connections of any user of the machine, who need nothing for that. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Door } from '../../src/gui/door.ts';
import { HttpServer } from '../../src/gui/http-server.ts';
import { LiveHub } from '../../src/gui/live.ts';
import { LOOPBACK } from '../support/relay.ts';

const PATIENCE_MS = 200;

/** A server with one asset, that takes uploads and says how long they were. */
async function open(patienceMs = PATIENCE_MS) {
  const door = new Door({ now: Date.now, idleMs: 60_000 });
  const take = async (_: unknown, bytes: AsyncIterable<Uint8Array>) => {
    let length = 0;
    for await (const chunk of bytes) length += chunk.length;
    return { length };
  };
  const body = Buffer.from('page');
  const http = await HttpServer.open(
    {
      door,
      hub: new LiveHub(),
      actions: [{ name: 'act', run: async () => ({ acted: true }) }],
      uploads: [{ name: 'upload', take }],
      assets: new Map([['/', { type: 'text/html', body, gzip: body, etag: '"1"' }]]),
      isReadOnly: false,
      patienceMs,
    },
    0,
  );
  onTestFinished(() => http[Symbol.asyncDispose]());
  const { port } = http;
  const host = `${LOOPBACK}:${port}`;
  const secrets = door.enter(door.newToken());
  const session = [
    `Host: ${host}`,
    `Origin: http://${host}`,
    `Cookie: udp-tool-${port}=${secrets?.cookie}`,
    `X-Page-Key: ${secrets?.pageKey}`,
    '',
  ].join('\r\n');
  return { port, host, session };
}

/** A connection that has sent this, and what came back. */
async function sender(port: number, text: string) {
  const socket = connect(port, LOOPBACK);
  onTestFinished(() => void socket.destroy());
  const got = { socket, text: '' };
  socket.on('error', () => {}); // it is closed on us
  socket.setEncoding('latin1').on('data', (chunk) => (got.text += chunk));
  await once(socket, 'connect');
  socket.write(text);
  return got;
}

const end = (socket: Socket) => (socket.closed ? undefined : once(socket, 'close'));

test.each([
  ['says nothing', ''],
  ['does not end its head', 'GET / HTTP/1.1\r\nHost: HOST\r\n'],
  [
    'does not end what it enters with',
    'POST /api/enter HTTP/1.1\r\nHost: HOST\r\nOrigin: http://HOST\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
  ],
  [
    'does not end what is refused',
    'POST /api/upload HTTP/1.1\r\nHost: HOST\r\nOrigin: http://HOST\r\nContent-Length: 100\r\n\r\n{',
  ],
  ['does not end a body of the page', 'GET / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 100\r\n\r\n{'],
])('a stranger who %s is let go', async (_name, text) => {
  const { port, host } = await open();
  const { socket } = await sender(port, text.replaceAll('HOST', host));
  await end(socket);
});

test('a page has the time that it needs', async () => {
  const { port, session } = await open();
  const events = await sender(port, `GET /api/events HTTP/1.1\r\n${session}\r\n`);
  const upload = await sender(
    port,
    `POST /api/upload? HTTP/1.1\r\n${session}Content-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\na`,
  );
  // For as long as it takes until two strangers, one after the other, have been let go
  for (let i = 0; i < 2; i++) await end((await sender(port, '')).socket);
  upload.socket.write('bc');
  await expect.poll(() => upload.text).toContain('{"length":3}');
  expect(events.text).toContain('text/event-stream');
  expect(events.socket.closed).toBe(false);
});

test('strangers keep neither each other out, nor the page', async () => {
  const { port, session } = await open(60_000);
  const events = await sender(port, `GET /api/events HTTP/1.1\r\n${session}\r\n`);
  await expect.poll(() => events.text).toContain('text/event-stream');
  const strangers: Socket[] = [];
  for (let i = 0; i < 200; i++) strangers.push((await sender(port, '')).socket);
  const page = await sender(port, `GET / HTTP/1.1\r\n${session}\r\n`);
  await expect.poll(() => page.text).toMatch(/^HTTP\/1.1 200 /);
  await Promise.all(strangers.slice(0, 201 - 64).map(end));
  expect(events.socket.closed).toBe(false);
});
