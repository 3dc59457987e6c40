import { describe, expect, test } from 'vitest';
import { builtinCommands, type Ping, type PingSummary, pingPeer, time } from '../../src/index.ts';
import { portOf, startClient, startServer } from '../support/endpoints.ts';
import { Relay } from '../support/relay.ts';

async function all(
  items: AsyncIterable<Ping | PingSummary>,
): Promise<{ pings: Ping[]; summary: PingSummary }> {
  const pings: Ping[] = [];
  for await (const item of items) {
    if ('sent' in item) return { pings, summary: item };
    pings.push(item);
  }
  throw new Error('there was no summary');
}

describe('pingPeer', () => {
  test('counts a try that was repeated as a lost datagram, and takes no round trip from it', async () => {
    await using server = await startServer(builtinCommands);
    await using relay = await Relay.open(portOf(server));
    await using client = await startClient(relay.port);
    const peer = client.peer('server');
    await peer.request('ping');
    let lose = 1;
    relay.meddle = ({ toServer, datagram }) => (toServer && lose-- > 0 ? [] : [datagram]);
    const { pings, summary } = await all(pingPeer(peer, { count: 3, intervalMs: 10 }));
    expect(pings.map(({ tries }) => tries)).toEqual([2, 1, 1, 1]);
    expect(summary).toMatchObject({ sent: 3, answered: 3, lost: 1 });
    const clean = pings.slice(1, 3).map(({ roundTripMs }) => roundTripMs ?? Number.NaN);
    expect(summary.roundTripMs?.max).toBe(Math.max(...clean));
    expect(summary.roundTripMs?.median).toBeCloseTo(((clean[0] as number) + (clean[1] as number)) / 2, 2);
  });

  test('sends at last a request whose datagram and answer are as large as one of a session gets', async () => {
    await using server = await startServer(builtinCommands);
    await using relay = await Relay.open(portOf(server));
    await using client = await startClient(relay.port);
    const peer = client.peer('server');
    await all(pingPeer(peer, { count: 1 }));
    const lengths = relay.recorded.slice(-2).map(({ datagram }) => datagram.length);
    // The largest request has 1,060 bytes; with its envelope it is padded to 1,088, and has 40 around it.
    expect(lengths).toEqual([1128, 1128]);
    const handshake = relay.recorded.slice(0, 2).map(({ datagram }) => datagram.length);
    expect(handshake).toEqual([1232, 1232]);
    await expect(peer.request('ping', ['x'.repeat(1_060)])).rejects.toMatchObject({ code: 'too-large' });
  });

  test('takes the error of a server without the command as the answer that it is', async () => {
    await using server = await startServer([time]);
    await using client = await startClient(portOf(server));
    const { pings, summary } = await all(pingPeer(client.peer('server'), { count: 2, intervalMs: 10 }));
    expect(summary).toMatchObject({ sent: 2, answered: 2, lost: 0 });
    expect(pings.every(({ roundTripMs, error }) => roundTripMs !== null && error === undefined)).toBe(true);
  });

  test('keeps the interval, and ends with its signal', async () => {
    await using server = await startServer(builtinCommands);
    await using client = await startClient(portOf(server));
    const stop = new AbortController();
    const startedAt = performance.now();
    const items = pingPeer(client.peer('server'), { count: 100, intervalMs: 40, signal: stop.signal });
    let summary: PingSummary | undefined;
    for await (const item of items) {
      if ('sent' in item) summary = item;
      else if (item.number === 3) stop.abort();
    }
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(79);
    expect(summary).toMatchObject({ sent: 3, answered: 3 });
  });
});
