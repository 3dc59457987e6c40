import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { appendFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { Lab, LOOPBACK } from '../support/cli.ts';

describe.concurrent('serve', () => {
  test('says where it listens, as whom and for how many, to people and as JSON', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await pi.trust(mac);
    const server = pi.start('serve --json --port 0', '--host', LOOPBACK);
    const publicKey = `${await pi.publicKey()}`;
    expect(await server.event('listening')).toEqual({
      event: 'listening',
      addresses: [expect.stringMatching(/^127\.0\.0\.1:\d+$/)],
      publicKey,
      peers: 1,
    });
    await server.shows(
      new RegExp(`^Listening on 127\\.0\\.0\\.1:\\d+, as ${publicKey}, for 1 peer\\.$`, 'm'),
      'stderr',
    );
  });

  test('without --json keeps stdout empty, and without peers says how to get one', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const server = pi.start('serve --port 0', '--host', LOOPBACK);
    await server.shows(/Trusts nobody yet: .*udp-tool peer add NAME KEY/, 'stderr');
    expect(await server.stop()).toMatchObject({ code: 0, stdout: '' });
  });

  test('with --json has a line of JSON for every request', async () => {
    await using lab = await Lab.open();
    const { mac, server } = await lab.pair();
    await mac.run('send time');
    expect(await server.event('request')).toEqual({ event: 'request', peer: 'mac', command: 'time' });
    await mac.run('send frobnicate');
    expect(await server.event('request')).toEqual({
      event: 'request',
      peer: 'mac',
      command: 'frobnicate',
      error: 'unknown-command',
    });
    const { stdout, stderr } = await server.stop();
    for (const line of stdout.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('event');
    expect(stderr).not.toContain('frobnicate');
  });

  test('with -v has a line for every request, and for what it dropped and why', async () => {
    await using lab = await Lab.open();
    const { mac, server, port } = await lab.pair('-v');
    await mac.run('send lucky 6 1');
    await server.shows(/^mac: lucky: bad-arguments$/m, 'stderr');
    await mac.run('send time');
    await server.shows(/^mac: time: answered$/m, 'stderr');
    const stranger = createSocket('udp4');
    const data = new Uint8Array(64);
    data[0] = 5;
    stranger.send(data, port, LOOPBACK);
    await server.shows(/^dropped, unknown-session: 1 in all\. \w/m, 'stderr');
    let dropped = await server.event('dropped');
    // A "send" that waits for long looks whether the port is open, which is dropped too.
    while (dropped['reason'] === 'too-short') dropped = await server.event('dropped');
    expect(dropped).toEqual({ event: 'dropped', reason: 'unknown-session', count: 1 });
    stranger.close();
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('ends at %s with 0, and frees the port', async (signal) => {
    await using lab = await Lab.open();
    const { server, port } = await lab.pair();
    const { code, signal: killedBy, stderr } = await server.stop(signal);
    expect({ code, killedBy }).toEqual({ code: 0, killedBy: null });
    expect(stderr).toMatch(/^Stopped\.$/m);
    const socket = createSocket('udp4').bind(port, LOOPBACK);
    await once(socket, 'listening');
    socket.close();
  });
});

describe.concurrent('serve follows the peer book without a restart:', () => {
  test('whoever is added is answered, whoever is removed is not', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const { server, port } = await pi.serve();
    await mac.trust(pi, port);
    await pi.run('peer add mac', `${await mac.publicKey()}`);
    expect(await server.event('peers')).toEqual({ event: 'peers', changes: ['+mac'], count: 1 });
    await server.shows(/^The peer book changed: \+mac; 1 peer now\.$/m, 'stderr');
    expect((await mac.run('send time')).code).toBe(0);
    await pi.run('peer remove mac');
    expect(await server.event('peers')).toEqual({ event: 'peers', changes: ['-mac'], count: 0 });
    await server.shows(/^The peer book changed: -mac; 0 peers now\.$/m, 'stderr');
    expect((await mac.run('send time --timeout 0.5')).code).toBe(4);
  });

  test('removing a peer ends the session that it has', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair();
    const shell = mac.start('shell --timeout 0.7');
    shell.write('lucky 3 3\n');
    await shell.shows(/^3$/m);
    await pi.run('peer remove mac');
    await server.event('peers');
    shell.write('lucky 4 4\n');
    shell.endInput();
    expect(await shell.end()).toMatchObject({ code: 4, stdout: '3\n' });
  });

  test('a new key of a known name takes the place of the old one', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server, port } = await lab.pair();
    const newMac = await lab.machine('new-mac');
    await newMac.trust(pi, port);
    expect((await mac.run('send time')).code).toBe(0); // so it watches the book by now
    const book = await pi.readBook();
    await pi.writeBook(book.replace(`${await mac.publicKey()}`, `${await newMac.publicKey()}`));
    expect(await server.event('peers')).toMatchObject({ changes: ['-mac', '+mac'], count: 1 });
    expect((await newMac.run('send time')).code).toBe(0);
    expect((await mac.run('send time --timeout 0.5')).code).toBe(4);
  });

  test('a broken edit changes nothing, and is told with its line; mended, it is followed', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair();
    const nas = await lab.machine('nas');
    expect((await mac.run('send time')).code).toBe(0); // so it watches the book by now
    const lines = (await pi.readBook()).split('\n').length;
    await appendFile(pi.book, '[nas\n');
    await server.shows(
      new RegExp(
        `changed and is not followed, so the peers before it still hold: .*peers\\.toml: line ${lines}: `,
      ),
      'stderr',
    );
    expect((await mac.run('send time')).code).toBe(0);
    const book = await pi.readBook();
    await pi.writeBook(book.replace('[nas\n', `[nas]\nkey = "${await nas.publicKey()}"\n`));
    expect(await server.event('peers')).toMatchObject({ changes: ['+nas'], count: 2 });
  });
});

describe.concurrent('serve does not start', () => {
  test('on a port that is in use, which exits with 1', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const { port } = await lab.silentPort();
    const { code, stdout, stderr } = await pi.run(`serve --host ${LOOPBACK} --port ${port}`);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain(`Another program uses port ${port} already`);
    expect(stderr).toContain('--port');
  });

  test.each([
    ['203.0.113.7', 'No interface of this machine has the address'],
    ['a b', 'Give an IP address'],
    ['', 'Give an IP address'],
    ['localhost', 'Give an IP address'],
    ['127.0.0.1:5555', 'Give an IP address'],
  ])('with --host "%s", which exits with 2', async (host, complaint) => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const { code, stderr } = await pi.run('serve --port 0 --host', host);
    expect(code).toBe(2);
    expect(stderr).toContain(complaint);
  });

  test('with a broken peer book, or with itself as a peer, which exits with 5', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    await pi.writeBook('[mac\n');
    const serve = 'serve --port 0 --host 127.0.0.1';
    expect(await pi.run(serve)).toMatchObject({ code: 5, stderr: expect.stringContaining('line 1') });
    await pi.writeBook(`[me]\nkey = "${await pi.publicKey()}"\n`);
    expect(await pi.run(serve)).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('of this machine itself'),
    });
  });

  test('with --json, tells why as an object on stdout', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const { code, stdout, stderr } = await pi.run('serve --json --port 0 --host 127.0.0.1');
    expect(code).toBe(5);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'key-missing' } });
    expect(stderr).toBe('');
  });
});
