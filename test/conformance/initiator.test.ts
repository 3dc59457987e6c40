/** The second implementation, written from PROTOCOL.md, asks the real program on loopback. */
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hex, join, random, same } from './bytes.ts';
import { decode } from './cbor.ts';
import { hello, helloFields, NO_TOKEN, retryToken, TYPE } from './handshake.ts';
import type { Initiator } from './initiator.ts';
import { T } from './messages.ts';
import { isPart, read } from './recording.ts';
import { served } from './served.ts';
import { ask, idOfChunk } from './streams.ts';
import { Wire } from './wire.ts';

const FILE = new Uint8Array(131_072).map((_, i) => i % 251);

let lab: Awaited<ReturnType<typeof served>>;
beforeAll(async () => {
  lab = await served(FILE);
});
beforeEach(() => lab.server.forget());
afterAll(() => lab[Symbol.asyncDispose]());

/** How often that command ran. */
async function counted(peer: Initiator): Promise<number> {
  const outcome = await peer.request('count');
  return 'value' in outcome ? Number(outcome.value) : Number.NaN;
}

describe('as initiator, asking `udp-tool serve`', () => {
  it.each([
    ['without a pre-shared key', {}],
    ['with one', { psk: 'right' }],
  ] as const)('gets answers, %s', async (_, options) => {
    const peer = lab.peer(options);
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
    const peer = lab.peer();
    await peer.handshake();
    await peer.ping(1);
    const offers = await ask(peer, 0, ['offers']);
    const id = idOfChunk(FILE);
    expect(decode(offers as Uint8Array, 8)).toEqual([
      ['file', FILE.length, 1, id, expect.any(Number), false],
    ]);
    expect(await ask(peer, 1, ['chunk', id, 0])).toEqual(FILE);
    expect(await ask(peer, 2, ['chunk', random(32), 0])).toBe('unknown');
  });

  it('hears nothing with another pre-shared key', async () => {
    const [peer, { server }] = [lab.peer({ psk: 'wrong' }), lab];
    void peer.handshake();
    await server.dropped('unknown-tag');
    expect(peer.events).toEqual([]);
  });

  it('is told of a restart by an outcome that nobody knows, unless the command is idempotent', async () => {
    const peer = lab.peer();
    await peer.handshake();
    const before = await counted(peer);
    const earlier = { boot: peer.boot.map((byte) => byte ^ 1) };
    expect(await peer.request('count', [], earlier)).toMatchObject({ error: 'outcome-unknown' });
    expect(await peer.request('lucky', [3, 3], earlier)).toMatchObject({ value: 3 });
    expect(await counted(peer)).toBe(before + 1);
  });

  it.each([
    ['before its OPEN', 0],
    ['after it', 1],
  ])('is answered at another address after it moved, %s', async (_, requests) => {
    const peer = lab.peer();
    await peer.handshake();
    if (requests > 0) expect(await peer.request('lucky', [1, 1])).toMatchObject({ value: 1 });
    const challenged = peer.next(([type]) => type === T.pathChallenge);
    await peer.move();
    expect(await peer.request('lucky', [2, 2])).toMatchObject({ value: 2 });
    await challenged;
    // Validated: more than three times what was sent there comes.
    expect(await peer.request('large', [60_000])).toMatchObject({ parts: 53 });
  });

  it('runs nothing twice, and is dropped where it replays', async () => {
    const [peer, { server }] = [lab.peer(), lab];
    await peer.handshake();
    const before = await counted(peer);
    const [open] = peer.sent.slice(-1);
    peer.send(open ?? new Uint8Array());
    await server.dropped('replayed');
    expect(await counted(peer)).toBe(before + 1);
    peer.send(peer.sent.at(-1) ?? new Uint8Array());
    await server.dropped('replayed');
  });

  it('ends the session by CLOSE: then its id is unknown, and its OPEN consumed', async () => {
    const [peer, { server }] = [lab.peer(), lab];
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
    const [peer, { server }] = [lab.peer(), lab];
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

  it('makes a new session while the old one goes on, and asks for the parts that lack', async () => {
    let parts = 0;
    const loses = (_: Wire, datagram: Uint8Array): boolean =>
      isPart(datagram) && ++parts % 4 === 0 && parts < 50;
    using wire = await Wire.open(lab.server.port, 1, loses);
    const peer = lab.peer({ through: wire.port });

    await peer.handshake();
    await peer.ping(1);
    const old = peer.session;
    const rekeyed = peer.rekey();
    expect(await peer.request('lucky', [2, 2])).toMatchObject({ value: 2 });
    await rekeyed;
    expect(hex(peer.session.keys.sid)).not.toBe(hex(old.keys.sid));
    const late = peer.next(([type, n]) => type === T.pong && n === 77);
    peer.send(old.data([[T.ping, 77]]));
    await late;
    expect(same(peer.events.at(-1)?.datagram.subarray(1, 9) ?? NO_TOKEN, old.keys.csid)).toBe(true);

    expect(await peer.request('large', [60_000])).toEqual({ value: 'x'.repeat(60_000), parts: 53 });
    const { keys } = peer.session;
    expect(read(peer.sent, keys, T.request)).toHaveLength(1);
    const [have] = read(peer.sent, keys, T.more).map(([, , , bits]) => bits as Uint8Array);
    // 12 were lost, one of each 4 of the first 48.
    expect(have && hex(have)).toBe('eeeeeeeeeeeef800');
  });

  it('follows a RETRY with a HELLO that holds the token, and is ignored where it sends too many of those', async () => {
    const [peer, { server }] = [lab.peer(), lab];
    const { publicKey } = ml_kem768.keygen();
    const flood = (n: number, token: Uint8Array): void => {
      for (let i = 0; i < n; i++)
        peer.send(hello(peer.pair, crypto.getRandomValues(new Uint8Array(15)), token, publicKey));
    };
    await peer.move();
    flood(40, NO_TOKEN);
    await peer.handshake();
    await peer.ping(1);
    const answered = peer.events.find(({ result }) => result === 'retry');
    const token = answered && retryToken(peer.pair, answered.datagram);
    expect(token).toHaveLength(5);
    const [open] = peer.sent.filter(([type]) => type === TYPE.open);
    const last = peer.sent[peer.sent.indexOf(open as Uint8Array) - 1] as Uint8Array;
    expect(helloFields(peer.pair, last)?.[0]).toEqual(token);
    flood(60, token as Uint8Array);
    await server.dropped('rate-limited');
    await peer.ping(2);
  });
});
