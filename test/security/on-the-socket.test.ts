/** The protections, proved where they count: on real sockets, with somebody between. */
import { describe, expect, test } from 'vitest';
import { HELLO_REPEAT_INTERVAL_MS } from '../../src/session/constants.ts';
import { echo, launch } from '../support/commands.ts';
import { dropsOf, portOf, SkewedClock, startClient, startServer, until } from '../support/endpoints.ts';
import { Prng } from '../support/prng.ts';
import { Relay, Stranger } from '../support/relay.ts';

const SECOND = 1_000;
const HELLO = 1;

describe('replays', () => {
  test('a second, a minute, an epoch later, after a restart, from another port: silence', async () => {
    const clock = new SkewedClock();
    let executed = 0;
    const onRequest = (): void => void executed++;
    let server = await startServer([echo], { clock, onRequest });
    await using relay = await Relay.open(portOf(server));
    await using client = await startClient(relay.port);
    await using stranger = await Stranger.open();
    for (let i = 0; i < 20; i++) await client.peer('server').request('echo', [`${i}`]);
    const session = relay.recorded.filter(({ toServer, datagram }) => toServer && datagram[0] !== HELLO);
    expect(session.length).toBeGreaterThanOrEqual(20);

    const replay = async (): Promise<void> => {
      const before = dropsOf(server);
      const answersToClient = relay.recorded.filter(({ toServer }) => !toServer).length;
      for (const { datagram } of session) {
        await stranger.send(datagram, portOf(server));
        relay.send(true, datagram);
      }
      await until('all were dropped', () => dropsOf(server) === before + 2 * session.length);
      expect(stranger.answers).toHaveLength(0);
      expect(relay.recorded.filter(({ toServer }) => !toServer)).toHaveLength(answersToClient);
      expect(executed).toBe(20);
    };
    await replay();
    for (const later of [SECOND, 60 * SECOND, 61 * SECOND, 130 * SECOND, 3_600 * SECOND]) {
      clock.advance(later);
      await replay();
    }
    const port = portOf(server);
    await server.close();
    server = await startServer([echo], { onRequest, port });
    await replay();
    await server.close();
  });

  test('a HELLO again gets at most its own length, and neither begins nor ends anything', async () => {
    const clock = new SkewedClock();
    await using server = await startServer([echo], { clock });
    await using relay = await Relay.open(portOf(server));
    await using client = await startClient(relay.port);
    await using stranger = await Stranger.open();
    await client.peer('server').request('echo');
    const hello = relay.recorded.find(({ datagram }) => datagram[0] === HELLO)?.datagram ?? new Uint8Array();
    for (let i = 1; i <= 50; i++) {
      await stranger.send(hello, portOf(server));
      await until('an answer came', () => stranger.answers.length === i);
      clock.advance(HELLO_REPEAT_INTERVAL_MS);
      expect(stranger.answers[i - 1]).toHaveLength(hello.length);
    }
    expect(new Set(stranger.answers.map((answer) => Buffer.from(answer).toString('hex'))).size).toBe(1);
    const before = dropsOf(server);
    for (let i = 0; i < 2; i++) await stranger.send(hello, portOf(server));
    await until('at once again there is silence', () => dropsOf(server) > before);
    expect(server.stats.sessions).toBe(1);
    await expect(client.peer('server').request('echo', ['alive'])).resolves.toMatchObject({ value: 'alive' });
  });
});

describe('garbage', () => {
  test('plain text, random bytes of every length, the longest datagram there is: silence', async () => {
    await using server = await startServer([echo]);
    await using client = await startClient(portOf(server));
    await using stranger = await Stranger.open();
    await client.peer('server').request('echo');
    const prng = new Prng(1);
    const garbage = [Buffer.from('time'), Buffer.from('help\n'), new Uint8Array(65_507).fill(5)];
    for (let length = 0; length <= 1_500; length++) garbage.push(Buffer.from(prng.bytes(length)));
    for (const [i, datagram] of garbage.entries()) {
      await stranger.send(datagram, portOf(server));
      // By fifties, so that no buffer of the system runs over: then a missing drop would prove nothing.
      if (i % 50 === 49) await until('dropped', () => dropsOf(server) === i + 1);
    }
    await until('all were dropped', () => dropsOf(server) === garbage.length);
    expect(stranger.answers).toHaveLength(0);
    expect(server.stats.sessions).toBe(1);
    await expect(client.peer('server').request('echo', ['alive'])).resolves.toMatchObject({ value: 'alive' });
  });
});

/** Time-outs double with each loss in a row: mostly seconds, and now and then a minute. */
const LUCK_MS = 180_000;

describe('a relay that loses, doubles, reorders, replays and flips', () => {
  test.concurrent.each([1, 2, 3])(
    'all requests succeed, and none runs twice (seed %i)',
    async (seed) => {
      const prng = new Prng(seed);
      const executed = new Map<string, number>();
      const once = {
        ...launch,
        run: ({ args }: Parameters<typeof launch.run>[0]) => {
          const what = String(args['what']);
          executed.set(what, (executed.get(what) ?? 0) + 1);
          return what;
        },
      };
      await using server = await startServer([once]);
      await using relay = await Relay.open(portOf(server));
      let held: Uint8Array | null = null;
      relay.meddle = ({ toServer, datagram }) => {
        if (prng.chance(0.15)) return [];
        const out = [datagram];
        if (prng.chance(0.15)) out.push(datagram);
        if (prng.chance(0.2)) {
          const flipped = Uint8Array.from(datagram);
          const at = prng.below(flipped.length);
          flipped[at] = (flipped[at] ?? 0) ^ (1 << prng.below(8));
          out.unshift(flipped);
        }
        if (prng.chance(0.2)) {
          const old = relay.recorded[prng.below(relay.recorded.length)];
          if (old !== undefined) relay.send(old.toServer, old.datagram);
        }
        if (toServer && prng.chance(0.2)) {
          // Held back behind the next: reordered.
          const released = held;
          held = out.pop() ?? null;
          if (released !== null) out.push(released);
        }
        return out;
      };
      await using client = await startClient(relay.port);
      const names = Array.from({ length: 150 }, (_, i) => `job ${i}`);
      const peer = client.peer('server');
      for (let i = 0; i < names.length; i += 15) {
        const answers = await Promise.all(
          names.slice(i, i + 15).map((name) => peer.request('launch', [name], { timeoutMs: 50_000 })),
        );
        expect(answers.map(({ value }) => value)).toEqual(names.slice(i, i + 15));
      }
      expect([...executed.values()].every((count) => count === 1)).toBe(true);
      expect(executed.size).toBe(names.length);
      expect(server.stats.drops['bad-box']).toBeGreaterThan(0);
      expect(server.stats.drops.replayed).toBeGreaterThan(0);
    },
    LUCK_MS,
  );
});

describe('an unknown peer', () => {
  test('is not answered, whatever it knows of the server', async () => {
    await using server = await startServer([echo]);
    const { generateKeyPair, createEndpoint } = await import('../../src/index.ts');
    await using stranger = await createEndpoint({
      keyPair: generateKeyPair(),
      peers: [{ name: 'server', publicKey: server.publicKey, at: `127.0.0.1:${portOf(server)}` }],
    });
    await expect(stranger.peer('server').request('echo', [], { timeoutMs: 800 })).rejects.toMatchObject({
      code: 'no-answer',
      progress: 'no-handshake',
    });
    expect(server.stats.drops['unknown-tag']).toBeGreaterThan(0);
    expect(server.stats.sessions).toBe(0);
  });
});
