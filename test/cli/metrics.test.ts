import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { canSharePort } from '../../src/transport/port-sharing.ts';
import { Lab, LOOPBACK, type Program } from '../support/cli.ts';

const workersPossible = await canSharePort();

async function pageOf(server: Program): Promise<string> {
  const [, url] = await server.shows(/^Numbers for Prometheus: (\S+)$/m, 'stderr');
  return url as string;
}

async function read(url: string): Promise<string> {
  return (await fetch(url)).text();
}

/** A datagram of a stranger; resolves to its source. */
async function knock(port: number, bytes: Uint8Array): Promise<string> {
  const socket = createSocket('udp4');
  socket.bind(0, LOOPBACK);
  await once(socket, 'listening');
  const source = `${LOOPBACK}:${socket.address().port}`;
  await new Promise((done) => socket.send(bytes, port, LOOPBACK, done));
  socket.close();
  return source;
}

describe('serve --metrics', () => {
  test('counts requests, drops and traffic', async () => {
    await using lab = await Lab.open();
    const { mac, server, port } = await lab.pair('--metrics', `${LOOPBACK}:0`);
    const url = await pageOf(server);
    await mac.run('send time');
    await mac.run('send lucky 9 1');
    await mac.run('send invented');
    await knock(port, new Uint8Array(3));
    const page = await read(url);
    expect(page).toMatch(/^# TYPE udp_tool_requests_total counter$/m);
    expect(page).toMatch(/^udp_tool_requests_total\{peer="mac",command="time",outcome="ok"\} 1$/m);
    expect(page).toMatch(
      /^udp_tool_requests_total\{peer="mac",command="lucky",outcome="bad-arguments"\} 1$/m,
    );
    // A name that a peer made up makes no series of its own.
    expect(page).toMatch(
      /^udp_tool_requests_total\{peer="mac",command="\(unknown\)",outcome="unknown-command"\} 1$/m,
    );
    expect(page).not.toContain('invented');
    expect(page).toMatch(/^udp_tool_peers 1$/m);
    expect(page).toMatch(/^udp_tool_datagrams_total\{direction="received"\} [1-9]\d*$/m);
    expect(page).toMatch(/^udp_tool_bytes_total\{direction="sent"\} [1-9]\d{3,}$/m);
    for (let dropped = ''; dropped !== '1'; )
      dropped =
        /^udp_tool_dropped_datagrams_total\{reason="too-short"\} (\d+)$/m.exec(await read(url))?.[1] ?? '';
    // Every line is a comment or a sample (exposition format 0.0.4).
    for (const line of page.trim().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="([^"\\\n]|\\.)*",?)+\})? [\d.e+-]+)$/);
  });

  test('answers nothing else, and is told where it cannot be', async () => {
    await using lab = await Lab.open();
    const { pi, server } = await lab.pair('--metrics', `${LOOPBACK}:0`);
    const url = await pageOf(server);
    expect(await fetch(url.replace('/metrics', '/')).then(({ status }) => status)).toBe(404);
    expect(await fetch(url, { method: 'POST' }).then(({ status }) => status)).toBe(404);
    const taken = new URL(url).host;
    const second = await pi.run(`serve --port 0 --metrics ${taken}`);
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('where metrics were to be')]);
    expect((await pi.run('serve --port 0 --metrics 9464')).code).toBe(2);
  });

  test.skipIf(!workersPossible)('adds up what workers count', async () => {
    await using lab = await Lab.open();
    const { mac, server } = await lab.pair('--metrics', `${LOOPBACK}:0`, '--workers', '2');
    const url = await pageOf(server);
    for (let i = 0; i < 6; i++) expect((await mac.run('send time')).code).toBe(0);
    const count = /^udp_tool_requests_total\{peer="mac",command="time",outcome="ok"\} 6$/m;
    const bytes = /^udp_tool_bytes_total\{direction="received"\} [1-9]\d{3,}$/m;
    for (let page = ''; !count.test(page) || !bytes.test(page); ) page = await read(url);
  });
});

describe('serve --explain', () => {
  test('says whose datagrams were dropped, and why', async () => {
    await using lab = await Lab.open();
    const { server, port } = await lab.pair('--explain');
    const short = await knock(port, new Uint8Array(3));
    expect(await server.event('dropped-from')).toEqual({
      event: 'dropped-from',
      reason: 'too-short',
      from: short,
      count: 1,
    });
    const hello = new Uint8Array(1232).fill(7);
    hello[0] = 1;
    const stranger = await knock(port, hello);
    expect(await server.event('dropped-from')).toMatchObject({ reason: 'unknown-tag', from: stranger });
    await server.shows(
      /dropped 1 from [\d.:]+: unknown-tag\. Somebody says hello whom no trusted key fits/,
      'stderr',
    );
  });

  test('names the one whose key is not trusted, when somebody wonders', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair('--explain');
    await pi.run('peer remove mac');
    await server.event('peers');
    expect((await mac.run('send --timeout 1 time')).code).toBe(4);
    expect(await server.event('dropped-from')).toMatchObject({ reason: 'unknown-tag' });
  });

  test.skipIf(!workersPossible)('does so with workers too', async () => {
    await using lab = await Lab.open();
    const { server, port } = await lab.pair('--explain', '--workers', '2');
    const short = await knock(port, new Uint8Array(3));
    expect(await server.event('dropped-from')).toMatchObject({ reason: 'too-short', from: short });
  });
});
