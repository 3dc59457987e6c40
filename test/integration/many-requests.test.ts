import { setMaxListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { createEndpoint, defineCommand, generateKeyPair, time, UdpToolError } from '../../src/index.ts';
import { keys, portOf, startClient, startServer } from '../support/endpoints.ts';
import { LOOPBACK } from '../support/relay.ts';

const AT_ONCE = 10_000;
/** As many as one peer may have; the others are refused at once. */
const IN_EXECUTION = 1_024;
/** Longer than the test may take: a slow machine is no failure. */
const PATIENCE_MS = 60_000;
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
    const enough = new AbortController();
    setMaxListeners(AT_ONCE, enough.signal);
    const greedy = Array.from({ length: AT_ONCE }, () =>
      client
        .peer('server')
        .request('hang', [], { timeoutMs: PATIENCE_MS, signal: enough.signal })
        .catch((error: unknown) => {
          const code = error instanceof UdpToolError ? error.code : String(error);
          codes.set(code, (codes.get(code) ?? 0) + 1);
        }),
    );
    // While they are refused, and while those that are not go on.
    const refused = (): number => codes.get('busy') ?? 0;
    for (let answered = 0; refused() < AT_ONCE - IN_EXECUTION || answered < 100; answered++)
      await quick.peer('server').request('time', [], { timeoutMs: PATIENCE_MS });
    enough.abort();
    await Promise.all(greedy);
    expect(Object.fromEntries(codes)).toEqual({ aborted: IN_EXECUTION, busy: AT_ONCE - IN_EXECUTION });
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES);
  }, 30_000);
});
