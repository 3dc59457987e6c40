import { describe, expect, test } from 'vitest';
import { createEndpoint, defineCommand, generateKeyPair, time, UdpToolError } from '../../src/index.ts';
import { keys, portOf, startClient, startServer } from '../support/endpoints.ts';
import { LOOPBACK } from '../support/relay.ts';

const AT_ONCE = 10_000;
/** Far above what 10,000 small requests need, far below what any of them could pile up. */
const MAX_GROWTH_BYTES = 150 * 1024 * 1024;

const hang = defineCommand({
  name: 'hang',
  summary: 'Never ends',
  idempotent: false,
  run: () => new Promise<never>(() => {}),
});

describe('a peer that asks ten thousand things at once, none of which ends', () => {
  test('gets a clear error for each, and another peer its answers', async () => {
    const other = generateKeyPair();
    await using server = await startServer([hang, time]);
    server.addPeer({ name: 'other', publicKey: other.publicKey });
    await using client = await startClient(portOf(server));
    await using quick = await createEndpoint({
      keyPair: other,
      peers: [{ name: 'server', publicKey: keys.server.publicKey, at: `${LOOPBACK}:${portOf(server)}` }],
      ip: LOOPBACK,
    });
    const before = process.memoryUsage().rss;
    const codes = new Map<string, number>();
    const greedy = Array.from({ length: AT_ONCE }, () =>
      client
        .peer('server')
        .request('hang', [], { timeoutMs: 4_000 })
        .catch((error: unknown) => {
          const code = error instanceof UdpToolError ? error.code : String(error);
          codes.set(code, (codes.get(code) ?? 0) + 1);
        }),
    );
    let finished = false;
    const all = Promise.all(greedy).then(() => {
      finished = true;
    });
    let answered = 0;
    while (!finished) {
      await quick.peer('server').request('time', [], { timeoutMs: 4_000 });
      answered++;
    }
    await all;
    expect(answered).toBeGreaterThan(100);
    // As many as one peer may have in execution go on; the others were refused at once.
    expect(Object.fromEntries(codes)).toEqual({ 'no-answer': 1024, busy: AT_ONCE - 1024 });
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES);
  }, 30_000);
});
