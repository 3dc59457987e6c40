/** A second implementation, written from PROTOCOL.md, against the real program on loopback. */
import { readdir, readFile } from 'node:fs/promises';
import { join as path } from 'node:path';
import { describe, expect, it } from 'vitest';
import { join, random } from './bytes.ts';
import { decode } from './cbor.ts';
import { T } from './messages.ts';
import { Machine } from './program.ts';
import { readRecording } from './recording.ts';
import { Responder } from './responder.ts';
import { addPeer, served } from './served.ts';
import { ask, idOfChunk } from './streams.ts';

describe.concurrent('as initiator, asking `udp-tool serve`', () => {
  it.each([
    ['without a pre-shared key', {}],
    ['with one', { psk: random(32) }],
  ])('gets answers, %s', async (_, options) => {
    await using lab = await served(options);
    const { peer } = lab;
    await peer.handshake();
    expect(await peer.request('time')).toMatchObject({
      value: {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d$/),
        uptime: expect.any(Number),
      },
    });
    expect(await peer.request('lucky', [6, 6])).toEqual({ value: 6, parts: 1 });
    expect(await peer.request('lucky', ['7', '7'])).toEqual({ value: 7, parts: 1 });
    const help = await peer.request('help');
    expect(help).toMatchObject({
      value: expect.arrayContaining([expect.objectContaining({ name: 'time' })]),
    });
    expect(await peer.request('large', [65_000])).toEqual({ value: 'x'.repeat(65_000), parts: 57 });
    expect(await peer.request('ping', ['\u{1f3d3}'])).toEqual({ value: '\u{1f3d3}', parts: 1 });

    expect(await peer.request('nothing')).toMatchObject({ error: 'unknown-command' });
    expect(await peer.request('lucky', [2, 1])).toMatchObject({ error: 'bad-arguments' });
    expect(await peer.request('large', [70_000])).toMatchObject({ error: 'too-large' });
  });

  it('fetches a file that is offered, over streams', async () => {
    const file = new Uint8Array(131_072).map((_, i) => i % 251);
    await using lab = await served({ file });
    const { peer } = lab;
    await peer.handshake();
    await peer.ping(1);
    const offers = await ask(peer, 0, ['offers']);
    const id = idOfChunk(file);
    expect(decode(offers as Uint8Array, 8)).toEqual([
      ['file', file.length, 1, id, expect.any(Number), false],
    ]);
    expect(await ask(peer, 1, ['chunk', id, 0])).toEqual(file);
    expect(await ask(peer, 2, ['chunk', random(32), 0])).toBe('unknown');
  });

  it('hears nothing with another pre-shared key', async () => {
    await using lab = await served({ psk: random(32), otherPsk: random(32) });
    const { peer, server } = lab;
    void peer.handshake();
    await server.dropped('unknown-tag');
    expect(peer.events).toEqual([]);
  });

  it('is told of a restart by an outcome that nobody knows, unless the command is idempotent', async () => {
    await using lab = await served();
    const { peer } = lab;
    await peer.handshake();
    const earlier = { boot: peer.boot.map((byte) => byte ^ 1) };
    expect(await peer.request('count', [], earlier)).toMatchObject({ error: 'outcome-unknown' });
    expect(await peer.request('lucky', [3, 3], earlier)).toMatchObject({ value: 3 });
    expect(await peer.request('count')).toMatchObject({ value: 1 });
  });

  it('is answered at another address after it moved', async () => {
    await using lab = await served();
    const { peer } = lab;
    await peer.handshake();
    expect(await peer.request('lucky', [1, 1])).toMatchObject({ value: 1 });
    const challenged = peer.next(([type]) => type === T.pathChallenge);
    await peer.move();
    expect(await peer.request('lucky', [2, 2])).toMatchObject({ value: 2 });
    await challenged;
    // Validated: more than three times what was sent there comes.
    expect(await peer.request('large', [60_000])).toMatchObject({ parts: 53 });
  });

  it('runs nothing twice, and is dropped where it replays', async () => {
    await using lab = await served();
    const { peer, server } = lab;
    await peer.handshake();
    expect(await peer.request('count')).toMatchObject({ value: 1 });
    const [open] = peer.sent.slice(-1);
    peer.send(open ?? new Uint8Array());
    await server.dropped('replayed');
    expect(await peer.request('count')).toMatchObject({ value: 2 });
    peer.send(peer.sent.at(-1) ?? new Uint8Array());
    await server.dropped('replayed');
  });

  it('ends the session by CLOSE: then its id is unknown, and its OPEN consumed', async () => {
    await using lab = await served();
    const { peer, server } = lab;
    await peer.handshake();
    await peer.ping(7);
    const open = peer.sent.find((datagram) => datagram[0] === 4) ?? new Uint8Array();
    const { session } = peer;
    peer.say([T.close]);
    peer.send(session.data([[T.ping, 8]]));
    await server.dropped('unknown-session');
    peer.send(open);
    await server.dropped('consumed');
    await peer.handshake();
    await peer.ping(9);
    expect(peer.events.some(({ result }) => result === '1')).toBe(true);
  });

  it('sees one reason for whatever is not of the protocol', async () => {
    await using lab = await served();
    const { peer, server } = lab;
    await peer.handshake();
    await peer.ping(1);
    const data = peer.session.data([[T.ping, 2]]);
    const flipped = (at: number): Uint8Array => data.map((byte, i) => (i === at ? byte ^ 1 : byte));
    const cases: readonly (readonly [string, Uint8Array])[] = [
      ['too-short', new Uint8Array(1)],
      ['unknown-type', join([9], new Uint8Array(100))],
      ['bad-length', join([1], new Uint8Array(100))],
      ['bad-header', flipped(10)],
      ['unknown-session', flipped(5)],
      ['unknown-hello', join([3], new Uint8Array(1231))],
      ['bad-box', flipped(60)],
      ['bad-cookie', join([4], random(8), new Uint8Array(15), random(200))],
    ];
    for (const [, datagram] of cases) peer.send(datagram);
    peer.send(peer.session.data([[T.ping, -1]]));
    await server.dropped(...cases.map(([reason]) => reason), 'bad-envelope');
    await peer.ping(3);
  });
});

describe.concurrent('as responder, asked by `udp-tool send`', () => {
  it.each([
    ['without a pre-shared key', undefined],
    ['with one', random(32)],
  ])('answers, %s', async (_, psk) => {
    await using mac = await Machine.open();
    await using pi = await Machine.open();
    const responder = new Responder(
      await pi.keyPair(),
      mac.publicKey,
      {
        time: () => ({ time: '2026-11-22T12:00:00.000+00:00', uptime: 12345 }),
        large: () => 'y'.repeat(40_000),
      },
      psk,
    );
    try {
      const port = await responder.listen();
      await addPeer(mac, 'pi', pi.publicText, psk, '--at', `127.0.0.1:${port}`);
      expect(JSON.parse(await mac.run('send', '--json', 'time'))).toMatchObject({
        value: { time: '2026-11-22T12:00:00.000+00:00', uptime: 12345 },
      });
      expect(JSON.parse(await mac.run('send', '--json', 'large'))).toMatchObject({
        value: 'y'.repeat(40_000),
      });
      await expect(mac.run('send', '--json', 'nothing')).rejects.toMatchObject({
        stdout: expect.stringContaining('unknown-command'),
      });
      expect(responder.closedByPeer).toBe(true);
      // A client that waits may ask for a closed port with a single byte (§4.1).
      expect(responder.results.filter((result) => result !== 'ok' && result !== 'too-short')).toEqual([]);

      const read = responder.sessionKeys.flatMap((keys) => readRecording(responder.recorded, keys));
      expect(read).not.toContain(undefined);
      const requests = read.flatMap((messages) => messages?.filter(([type]) => type === T.request) ?? []);
      expect(requests.map(([, , , , command]) => command)).toEqual(['time', 'large', 'nothing']);
    } finally {
      responder.close();
    }
  });
});

it('imports nothing of src/, and neither libsodium nor cbor-x', async () => {
  const files = (await readdir(import.meta.dirname)).filter((name) => name.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(8);
  for (const name of files) {
    const text = await readFile(path(import.meta.dirname, name), 'utf8');
    for (const [, from = ''] of text.matchAll(/^(?:import|\}).* from '(.+)';$/gm))
      expect(from).toMatch(/^(node:[a-z/_]+|@noble\/.+|vitest|fast-check|\.\/[a-z-]+\.ts)$/);
  }
});
