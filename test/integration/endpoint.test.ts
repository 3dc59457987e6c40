import { describe, expect, test } from 'vitest';
import {
  builtinCommands,
  createEndpoint,
  defineCommand,
  generateKeyPair,
  PresharedKey,
  UdpToolError,
} from '../../src/index.ts';
import { blob, echo } from '../support/commands.ts';
import { keys, portOf, startClient, startServer, until } from '../support/endpoints.ts';
import { LOOPBACK } from '../support/relay.ts';

describe('requests over real sockets', () => {
  test('time, lucky and help', async () => {
    await using server = await startServer(builtinCommands);
    await using client = await startClient(portOf(server));
    const peer = client.peer('server');
    const time = (await peer.request('time')).value as { time: string; uptime: number };
    expect(time.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$/);
    expect(Math.abs(Date.parse(time.time) - Date.now())).toBeLessThan(5_000);
    expect(Number.isInteger(time.uptime)).toBe(true);
    const rolls = await Promise.all(Array.from({ length: 200 }, () => peer.request('lucky', [1, 6])));
    expect(new Set(rolls.map(({ value }) => value))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
    const help = (await peer.request('help')).value as { name: string }[];
    expect(help.map(({ name }) => name)).toEqual(['time', 'lucky', 'help', 'ping']);
  });

  test('over IPv6', async () => {
    await using server = await startServer([echo], { ip: '::1' });
    await using client = await createEndpoint({
      keyPair: keys.client,
      peers: [{ name: 'server', publicKey: keys.server.publicKey, at: `[::1]:${portOf(server)}` }],
    });
    await expect(client.peer('server').request('echo', ['six'])).resolves.toMatchObject({ value: 'six' });
  });

  test('by name, on whichever of its addresses answers', async () => {
    for (const ip of ['127.0.0.1', '::1']) {
      await using server = await startServer([echo], { ip });
      await using client = await createEndpoint({
        keyPair: keys.client,
        peers: [{ name: 'server', publicKey: keys.server.publicKey, at: `localhost:${portOf(server)}` }],
      });
      // Where "localhost" has one family only, the other cannot be asked by that name.
      const { lookup } = await import('node:dns/promises');
      const known = (await lookup('localhost', { all: true })).some(({ address }) => address === ip);
      if (!known) continue;
      await expect(client.peer('server').request('echo', [ip])).resolves.toMatchObject({ value: ip });
    }
  });

  test('an endpoint on all addresses of both families answers both', async () => {
    await using server = await createEndpoint({
      keyPair: keys.server,
      peers: [{ name: 'client', publicKey: keys.client.publicKey }],
      commands: [echo],
    });
    for (const host of ['127.0.0.1', '[::1]']) {
      await using client = await createEndpoint({
        keyPair: keys.client,
        peers: [{ name: 'server', publicKey: keys.server.publicKey, at: `${host}:${portOf(server)}` }],
      });
      await expect(client.peer('server').request('echo', [host])).resolves.toMatchObject({ value: host });
    }
  });

  test('64 KiB of answer, many at once', async () => {
    await using server = await startServer([blob]);
    await using client = await startClient(portOf(server));
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => client.peer('server').request('blob', [65_000], { timeoutMs: 30_000 })),
    );
    for (const { value } of answers) expect(value).toHaveLength(65_000);
  });

  test('both sides of one pair ask each other on one port each', async () => {
    await using server = await startServer([echo]);
    await using client = await startClient(portOf(server));
    client.serve([echo]);
    server.peers[0]?.remove();
    const back = server.addPeer({
      name: 'client',
      publicKey: keys.client.publicKey,
      at: `${LOOPBACK}:${portOf(client)}`,
    });
    const both = await Promise.all([
      client.peer('server').request('echo', ['to']),
      back.request('echo', ['fro']),
    ]);
    expect(both.map(({ value }) => value)).toEqual(['to', 'fro']);
  });
});

describe('pre-shared keys', () => {
  const psk = PresharedKey.fromBytes(new Uint8Array(32).fill(7));

  test('the same on both sides: answered; on one side alone: silence', async () => {
    await using server = await createEndpoint({
      keyPair: keys.server,
      peers: [{ name: 'client', publicKey: keys.client.publicKey, psk }],
      commands: [echo],
      ip: LOOPBACK,
    });
    const at = `${LOOPBACK}:${portOf(server)}`;
    const withPsk = { name: 'server', publicKey: keys.server.publicKey, at, psk };
    await using client = await createEndpoint({ keyPair: keys.client, peers: [withPsk] });
    await expect(client.peer('server').request('echo', ['x'])).resolves.toMatchObject({ value: 'x' });
    const { psk: _, ...without } = withPsk;
    await using bare = await createEndpoint({ keyPair: keys.client, peers: [without] });
    await expect(bare.peer('server').request('echo', [], { timeoutMs: 500 })).rejects.toMatchObject({
      code: 'no-answer',
    });
  });
});

describe('commands', () => {
  test('what a command throws reaches the caller as an error with its message, without stack', async () => {
    const bad = defineCommand({
      name: 'bad',
      summary: 'Throws',
      idempotent: true,
      run: () => {
        throw new TypeError('the sensor is gone');
      },
    });
    await using server = await startServer([bad, echo]);
    await using client = await startClient(portOf(server));
    const error = await client
      .peer('server')
      .request('bad')
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'command-failed', message: 'the sensor is gone' });
    await expect(client.peer('server').request('echo', ['on'])).resolves.toMatchObject({ value: 'on' });
  });

  test.each([
    ['a date', new Date()],
    ['a function', () => 1],
    ['a bigint', 10n],
    ['a set', new Set([1])],
  ])('%s cannot be sent, and the caller is told', async (_name, value) => {
    const odd = defineCommand({
      name: 'odd',
      summary: 'Odd',
      idempotent: true,
      run: () => value as unknown as string,
    });
    await using server = await startServer([odd]);
    await using client = await startClient(portOf(server));
    await expect(client.peer('server').request('odd')).rejects.toMatchObject({ code: 'command-failed' });
  });

  test('a cycle cannot be sent either', async () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const odd = defineCommand({ name: 'odd', summary: 'Odd', idempotent: true, run: () => cycle as never });
    await using server = await startServer([odd, echo]);
    await using client = await startClient(portOf(server));
    await expect(client.peer('server').request('odd')).rejects.toMatchObject({ code: 'command-failed' });
    await expect(client.peer('server').request('echo', ['on'])).resolves.toMatchObject({ value: 'on' });
  });

  test('an asynchronous command, who asks, and the signal that fires when the endpoint closes', async () => {
    let aborted = false;
    const slow = defineCommand({
      name: 'slow',
      summary: 'Never ends by itself',
      idempotent: true,
      run: ({ signal, peer }) =>
        new Promise<string>((done) => {
          signal.addEventListener('abort', () => {
            aborted = true;
            done(peer.name);
          });
        }),
    });
    const server = await startServer([slow]);
    await using client = await startClient(portOf(server));
    const waiting = client.peer('server').request('slow', [], { timeoutMs: 1_500 });
    waiting.catch(() => {});
    await until('the request arrived', () => server.stats.sessions === 1);
    await server.close();
    expect(aborted).toBe(true);
    await expect(waiting).rejects.toMatchObject({ code: 'no-answer' });
  });
});

describe('failures', () => {
  test('a port that is taken', async () => {
    await using server = await startServer([echo]);
    await expect(startServer([echo], { port: portOf(server) })).rejects.toMatchObject({
      code: 'port-in-use',
    });
  });

  test('an abort, before and during a request', async () => {
    await using client = await startClient(9);
    await expect(
      client.peer('server').request('echo', [], { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'aborted' });
    const controller = new AbortController();
    const request = client.peer('server').request('echo', [], { signal: controller.signal });
    setImmediate(() => controller.abort());
    await expect(request).rejects.toMatchObject({ code: 'aborted' });
  });

  test('closing ends what waits, and what is asked afterwards', async () => {
    const client = await startClient(9);
    const waiting = client.peer('server').request('echo');
    const settled = expect(waiting).rejects.toMatchObject({ code: 'closed' });
    await new Promise((done) => setImmediate(done));
    await client.close();
    await settled;
    await expect(client.peer('server').request('echo')).rejects.toMatchObject({ code: 'closed' });
    await client.close();
  });

  test.each([
    ['a name that cannot be a command', 'Bad Name', [], 'bad-usage'],
    ['a request beyond one datagram', 'echo', ['x'.repeat(1_100)], 'too-large'],
    ['arguments that CBOR cannot carry', 'echo', [new Date() as unknown as string], 'not-cbor'],
  ])('%s is refused at once', async (_name, command, args, code) => {
    await using client = await startClient(9);
    await expect(client.peer('server').request(command, args)).rejects.toMatchObject({ code });
  });

  test('a peer that is removed while its requests wait for their turn, and added again, gets an outcome for each', async () => {
    let begin = (): void => {};
    const begun = new Promise<void>((done) => (begin = done));
    const slow = defineCommand({
      name: 'slow',
      summary: 'Takes all of a turn',
      args: [],
      idempotent: true,
      run: () => {
        begin();
        for (const until = performance.now() + 5; performance.now() < until; );
        return null;
      },
    });
    await using server = await startServer([slow]);
    await using client = await startClient(portOf(server));
    const outcomes = Array.from({ length: 100 }, () =>
      client
        .peer('server')
        .request('slow', [], { timeoutMs: 30_000 })
        .then(
          () => 'ok',
          ({ code }) => code,
        ),
    );
    await begun;
    server.peer('client').remove();
    server.addPeer({ name: 'client', publicKey: keys.client.publicKey });
    const seen = new Set(await Promise.all(outcomes));
    expect([...seen].sort()).toEqual(['busy', 'ok']);
  });

  test('a peer without an address, an unknown peer, our own key, the same key twice', async () => {
    await using server = await startServer([echo]);
    await expect(server.peer('client').request('echo')).rejects.toMatchObject({ code: 'no-address' });
    expect(() => server.peer('nobody')).toThrow(UdpToolError);
    expect(() => server.addPeer({ name: 'me', publicKey: keys.server.publicKey })).toThrow(
      /this machine itself/,
    );
    expect(() => server.addPeer({ name: 'twin', publicKey: keys.client.publicKey })).toThrow(
      /same public key/,
    );
    expect(() => server.addPeer({ name: 'client', publicKey: generateKeyPair().publicKey })).toThrow(
      /Two peers/,
    );
  });

  test('the probe tells a closed port from a silent one', async () => {
    const server = await startServer([echo]);
    const port = portOf(server);
    await using client = await startClient(port);
    await expect(client.peer('server').probe(50)).resolves.toMatchObject([{ result: 'silent' }]);
    await server.close();
    await expect(client.peer('server').probe(2_000)).resolves.toMatchObject([{ result: 'closed' }]);
  });
});
