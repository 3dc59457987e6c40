/** What an endpoint shows its owner of its datagrams, on real sockets. */
import { describe, expect, test } from 'vitest';
import {
  createEndpoint,
  defineCommand,
  generateKeyPair,
  PresharedKey,
  type SeenDatagram,
  toHex,
  type UdpEndpointOptions,
} from '../../src/index.ts';
import { echo } from '../support/commands.ts';
import { keys, portOf, startClient, startServer, until } from '../support/endpoints.ts';
import { LOOPBACK, Relay, Stranger } from '../support/relay.ts';

/** No time passes, so nothing is sent twice, however busy this machine is. */
const clock = { now: () => 0 };

/** Notes what is seen, and hands it to the options of an endpoint. */
function notes(): { seen: SeenDatagram[]; options: Pick<UdpEndpointOptions, 'onDatagram'> } {
  const seen: SeenDatagram[] = [];
  return { seen, options: { onDatagram: (one) => void seen.push(one) } };
}

function linesOf(seen: readonly SeenDatagram[]): string[] {
  return seen.map(({ direction, kind, peer, dropped, messages }) =>
    [direction, kind, peer ?? '-', dropped ?? messages.map(({ name }) => name).join('+')].join(' ').trim(),
  );
}

describe('what both sides see', () => {
  test('is the same: a handshake, a request, its answer, a goodbye', async () => {
    const [atServer, atClient] = [notes(), notes()];
    await using server = await startServer([echo], { ...atServer.options, clock });
    const client = await startClient(portOf(server), { ...atClient.options, clock });
    await client.peer('server').request('echo', ['hi']);
    await client.close();
    await until('the goodbye came', () => server.stats.sessions === 0);
    await until('it was told', () => atServer.seen.at(-1)?.messages[0]?.name === 'CLOSE');
    expect(linesOf(atClient.seen)).toEqual([
      'sent HELLO server',
      'received CHALLENGE server',
      'sent OPEN server INSTANCE+REQUEST',
      'received DATA server RESPONSE',
      'sent DATA server CLOSE',
    ]);
    expect(linesOf(atServer.seen)).toEqual([
      'received HELLO client',
      'sent CHALLENGE client',
      'received OPEN client INSTANCE+REQUEST',
      'sent DATA client RESPONSE',
      'received DATA client CLOSE',
    ]);
    const facts = ({ length, start, kind, messages, messageCount }: SeenDatagram) => ({
      length,
      start: toHex(start),
      kind,
      messages,
      messageCount,
    });
    expect(atServer.seen.map(facts)).toEqual(atClient.seen.map(facts));
    expect(atServer.seen[2]?.messages[1]).toEqual({
      name: 'REQUEST',
      fields: { lane: 0, id: 1, command: 'echo', args: '["hi"]' },
    });
    expect(atServer.seen[3]?.messages[0]?.fields['value']).toBe('"hi"');
    expect(atClient.seen.every(({ address }) => address.port === portOf(server))).toBe(true);
    expect(atClient.seen.every(({ via }) => via === undefined)).toBe(true);
  });

  test('is every datagram of the socket', async () => {
    const { seen, options } = notes();
    await using server = await startServer([echo], options);
    await using client = await startClient(portOf(server));
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => client.peer('server').request('echo', [`${i}`.repeat(50)])),
    );
    await until('all was told', () => {
      const { received, sent } = server.stats;
      return seen.length === received.datagrams + sent.datagrams;
    });
    const bytes = seen.reduce((sum, { length }) => sum + length, 0);
    expect(bytes).toBe(server.stats.received.bytes + server.stats.sent.bytes);
    const requests = seen.flatMap(({ messages }) => messages).filter(({ name }) => name === 'REQUEST');
    expect(requests).toHaveLength(200);
  });

  test('of many messages in one datagram, is the first of them, and how many there are', async () => {
    const { seen, options } = notes();
    await using server = await startServer([echo], options);
    await using client = await startClient(portOf(server));
    await client.peer('server').request('echo');
    await Promise.all(Array.from({ length: 40 }, () => client.peer('server').request('echo')));
    const fullest = Math.max(...seen.map(({ messageCount }) => messageCount));
    expect(fullest).toBeGreaterThan(32);
    expect(seen.find(({ messageCount }) => messageCount === fullest)?.messages).toHaveLength(32);
  });
});

describe('what is dropped', () => {
  test('is seen with its reason, and with no contents and nobody’s name', async () => {
    const { seen, options } = notes();
    await using server = await startServer([echo], options);
    await using relay = await Relay.open(portOf(server));
    await using client = await startClient(relay.port, { clock });
    await client.peer('server').request('echo', ['once']);
    const replayed = relay.recorded.filter(({ toServer }) => toServer).at(-1)?.datagram ?? new Uint8Array();
    const tampered = Uint8Array.from(replayed);
    tampered[23] = (tampered[23] as number) + 1;
    await using stranger = await Stranger.open();
    const garbage = [Buffer.from('GET / HTTP/1.1\r\n\r\n'), new Uint8Array(), new Uint8Array(80).fill(9)];
    seen.length = 0;
    for (const datagram of [...garbage, replayed, tampered]) await stranger.send(datagram, portOf(server));
    await until('all were seen', () => seen.length === 5);
    expect(linesOf(seen)).toEqual([
      'received  - too-short',
      'received  - too-short',
      'received  - unknown-type',
      'received OPEN - replayed',
      'received OPEN - bad-box',
    ]);
    expect(seen.map(({ length }) => length)).toEqual([18, 0, 80, replayed.length, replayed.length]);
    expect(toHex(seen[0]?.start ?? new Uint8Array())).toBe(garbage[0]?.toString('hex'));
    for (const { messages, messageCount, kind } of seen.slice(0, 3))
      expect({ messages, messageCount, kind }).toEqual({ messages: [], messageCount: 0, kind: null });
    for (const { messages, messageCount } of seen.slice(3))
      expect({ messages, messageCount }).toEqual({ messages: [], messageCount: 0 });
  });

  test('so is what is sealed with a key that is not trusted, or with another pre-shared one', async () => {
    const { seen, options } = notes();
    const peer = { name: 'client', publicKey: keys.client.publicKey };
    const [own, others] = [1, 2].map((byte) => PresharedKey.fromBytes(new Uint8Array(32).fill(byte)));
    await using server = await startServer([echo], {
      ...options,
      peers: [{ ...peer, psk: own as PresharedKey }],
    });
    const at = `${LOOPBACK}:${portOf(server)}`;
    const toServer = { name: 'server', publicKey: keys.server.publicKey, at };
    const askers = [
      { keyPair: generateKeyPair(), peers: [toServer] },
      { keyPair: keys.client, peers: [{ ...toServer, psk: others as PresharedKey }] },
    ];
    const heard: string[] = [];
    for (const asker of askers) {
      await using client = await createEndpoint({ ...asker, ip: LOOPBACK });
      const asked = new AbortController();
      const request = client.peer('server').request('echo', [], { signal: asked.signal });
      await until('it was seen', () => seen.length > 0);
      asked.abort();
      await expect(request).rejects.toMatchObject({ code: 'aborted' });
      heard.push(...linesOf(seen.splice(0)).slice(0, 1));
    }
    expect(heard).toEqual(['received HELLO - unknown-tag', 'received HELLO - unknown-tag']);
  });
});

describe('who listens', () => {
  test('may begin at any time, and end', async () => {
    await using server = await startServer([echo]);
    await using client = await startClient(portOf(server), { clock });
    const seen: SeenDatagram[] = [];
    const listener = (one: SeenDatagram): void => void seen.push(one);
    await client.peer('server').request('echo');
    const endings = [client.onDatagram(listener), client.onDatagram(listener)];
    await client.peer('server').request('echo');
    expect(linesOf(seen)).toEqual([
      'sent DATA server REQUEST',
      'sent DATA server REQUEST',
      'received DATA server RESPONSE',
      'received DATA server RESPONSE',
    ]);
    endings[0]?.();
    await client.peer('server').request('echo');
    expect(seen).toHaveLength(6);
    endings[1]?.();
    await client.peer('server').request('echo');
    expect(seen).toHaveLength(6);
  });

  test('and throws, breaks nothing, also for another who listens', async () => {
    const { seen, options } = notes();
    await using server = await startServer([echo], {
      onDatagram: () => {
        throw new Error('no');
      },
    });
    server.onDatagram((one) => options.onDatagram?.(one));
    await using client = await startClient(portOf(server), { clock });
    for (let i = 0; i < 20; i++)
      await expect(client.peer('server').request('echo', [`${i}`])).resolves.toMatchObject({ value: `${i}` });
    expect(seen).toHaveLength(2 + 2 * 20);
  });

  test('and calls back, even to close, does no harm', async () => {
    await using server = await startServer([echo]);
    const asked: Promise<unknown>[] = [];
    const client = await startClient(portOf(server), {
      onDatagram: ({ messages }) => {
        const [first] = messages;
        if (first?.name !== 'RESPONSE') return;
        if (asked.length < 5) asked.push(client.peer('server').request('echo', ['more']));
        else void client.close();
      },
    });
    await client.peer('server').request('echo');
    await until('it was closed', () => asked.length === 5 && server.stats.sessions === 0);
    await expect(Promise.all(asked)).resolves.toHaveLength(5);
    await expect(client.peer('server').request('echo')).rejects.toMatchObject({ code: 'closed' });
  });

  test('is shown no key, whatever passes', async () => {
    const psk = PresharedKey.fromBytes(Uint8Array.from({ length: 32 }, (_, i) => 7 * i + 3));
    const { seen, options } = notes();
    const big = defineCommand({
      name: 'big',
      summary: 'An answer of several parts',
      idempotent: true,
      run: () => 'x'.repeat(5_000),
    });
    await using server = await startServer([big], {
      ...options,
      peers: [{ name: 'client', publicKey: keys.client.publicKey, psk }],
    });
    const at = `${LOOPBACK}:${portOf(server)}`;
    await using client = await startClient(portOf(server), {
      ...options,
      peers: [{ name: 'server', publicKey: keys.server.publicKey, at, psk }],
    });
    await client.peer('server').request('big');
    expect(linesOf(seen)).toContain('sent DATA client PART');
    const shown = JSON.stringify(seen.map((one) => ({ ...one, start: toHex(one.start) })));
    for (const secret of [keys.server.secretKey, keys.client.secretKey, psk])
      for (const encoding of ['hex', 'base64', 'latin1'] as const)
        expect(shown).not.toContain(Buffer.from(secret.expose()).toString(encoding));
    expect(shown).not.toContain('xxxx'); // parts are counted
  });
});
