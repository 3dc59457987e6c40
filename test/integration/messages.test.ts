import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import {
  Courier,
  defineCommand,
  deliver,
  fetchMail,
  MAX_TEXT_BYTES,
  type Message,
  MessageStore,
  messageCommands,
} from '../../src/index.ts';
import { keys, portOf, startClient, startServer, until } from '../support/endpoints.ts';
import { Prng } from '../support/prng.ts';
import { Relay } from '../support/relay.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const texts = (messages: readonly Message[]): string[] => messages.map(({ text }) => text);
const numbers = Array.from({ length: 20 }, (_, i) => `message ${i}`);
const server = keys.server.publicKey;
const client = keys.client.publicKey;

async function stores(folder: TemporaryFolder): Promise<{ here: MessageStore; there: MessageStore }> {
  return {
    here: new MessageStore(`${folder.path}/here`, keys.client),
    there: new MessageStore(`${folder.path}/there`, keys.server),
  };
}

describe('messages', () => {
  test('arrive in order and once, though datagrams are lost and come twice', async () => {
    await using folder = await TemporaryFolder.make();
    const { here, there } = await stores(folder);
    await using pi = await startServer(messageCommands({ store: there }));
    await using relay = await Relay.open(portOf(pi));
    const prng = new Prng(3);
    relay.meddle = ({ datagram }) =>
      prng.chance(0.2) ? [] : prng.chance(0.2) ? [datagram, datagram] : [datagram];
    await using mac = await startClient(relay.port);
    for (const text of numbers) await here.queue(server, text);
    await deliver(mac.peer('server'), here, { timeoutMs: 20_000 });
    expect(texts(await there.unread())).toEqual(numbers);
    expect(await here.waiting(server)).toEqual([]);
  });

  test('arrive in order and once, though two processes bring them', async () => {
    await using folder = await TemporaryFolder.make();
    const { here, there } = await stores(folder);
    await using pi = await startServer(messageCommands({ store: there }));
    await using one = await startClient(portOf(pi));
    await using other = await startClient(portOf(pi));
    for (const text of numbers) await here.queue(server, text);
    const bringers = [one, other, one].map((endpoint) => deliver(endpoint.peer('server'), here, {}));
    // One may find a message being written for another; whoever is left brings the rest.
    await Promise.allSettled(bringers);
    await deliver(one.peer('server'), here, {});
    expect(texts(await there.unread())).toEqual(numbers);
  });

  test('may be long, and of any characters', async () => {
    await using folder = await TemporaryFolder.make();
    const { here, there } = await stores(folder);
    await using pi = await startServer(messageCommands({ store: there }));
    await using mac = await startClient(portOf(pi));
    const text = '日本\n😀'.repeat(MAX_TEXT_BYTES).slice(0, MAX_TEXT_BYTES / 4);
    await here.queue(server, text);
    await deliver(mac.peer('server'), here, {});
    expect(texts(await there.unread())).toEqual([text]);
  });

  test('wait until the other side has its parts again after a restart', async () => {
    await using folder = await TemporaryFolder.make();
    const { here, there } = await stores(folder);
    await using first = await startServer(messageCommands({ store: there }));
    await using relay = await Relay.open(portOf(first));
    await using mac = await startClient(relay.port);
    await here.queue(server, 'x'.repeat(20_000));
    let passed = 0;
    relay.meddle = ({ datagram }) => (++passed < 12 ? [datagram] : []);
    const bringing = deliver(mac.peer('server'), here, { timeoutMs: 30_000 });
    await until('some parts arrived', () => passed >= 12);
    await using second = await startServer(messageCommands({ store: there }));
    relay.server = portOf(second);
    relay.meddle = ({ datagram }) => [datagram];
    await bringing;
    expect((await there.unread()).map(({ text }) => text.length)).toEqual([20_000]);
  });

  test('are fetched by a side that cannot be reached, at once when they come', async () => {
    await using folder = await TemporaryFolder.make();
    const { here, there } = await stores(folder);
    await using pi = await startServer(messageCommands({ store: there }));
    await using mac = await startClient(portOf(pi));
    await there.queue(client, 'first');
    await there.queue(client, 'second');
    expect(await fetchMail(mac.peer('server'), here, 0, {})).toBe(2);
    expect(texts(await here.unread())).toEqual(['first', 'second']);
    expect(await there.waiting(client)).toEqual([]);

    const controller = new AbortController();
    const waiting = fetchMail(mac.peer('server'), here, 30, { signal: controller.signal }).catch(() => {});
    const queuedAt = performance.now();
    await there.queue(client, 'third');
    for (;;) {
      if ((await here.unread()).length === 3) break;
      expect(performance.now() - queuedAt).toBeLessThan(5_000);
      await new Promise((done) => setImmediate(done));
    }
    controller.abort();
    await waiting;
  });

  test('that were fetched and not acknowledged are fetched again, and known', async () => {
    await using folder = await TemporaryFolder.make();
    const { here, there } = await stores(folder);
    await using pi = await startServer(messageCommands({ store: there }));
    await using mac = await startClient(portOf(pi));
    await there.queue(client, 'once');
    const { value } = await mac.peer('server').request('mail'); // and died before it said so
    const { id, at, text } = value as { id: string; at: number; text: string };
    await here.receive({ id, peer: server, text, writtenAt: at });
    expect(await fetchMail(mac.peer('server'), here, 0, {})).toBe(0);
    expect(texts(await here.unread())).toEqual(['once']);
  });

  test('go to nobody else: a peer is handed its own', async () => {
    await using folder = await TemporaryFolder.make();
    const { there } = await stores(folder);
    await using pi = await startServer(messageCommands({ store: there }));
    await using mac = await startClient(portOf(pi));
    const { id } = await there.queue(server, 'for another');
    expect((await mac.peer('server').request('mail', [id])).value).toBe(null);
    expect(await there.waiting(server)).toHaveLength(1);
  });

  test('that a peer refuses stay, with the reason', async () => {
    await using folder = await TemporaryFolder.make();
    const { here } = await stores(folder);
    await using pi = await startServer([]);
    await using mac = await startClient(portOf(pi));
    await here.queue(server, 'unwanted');
    await expect(deliver(mac.peer('server'), here, {})).rejects.toMatchObject({ code: 'unknown-command' });
    expect(texts(await here.waiting(server))).toEqual(['unwanted']);
  });

  test('leave by a courier when there is a way to the peer', async () => {
    await using folder = await TemporaryFolder.make();
    const { here, there } = await stores(folder);
    const stop = new AbortController();
    await using pi = await startServer(messageCommands({ store: there }));
    await using mac = await startClient(portOf(pi));
    const courier = await Courier.start({ endpoint: mac, store: here }, stop.signal);
    await here.queue(server, 'at once');
    while ((await here.waiting(server)).length > 0) await new Promise(setImmediate);
    mac.peer('server').remove();
    await here.queue(server, 'later');
    mac.addPeer({ name: 'server', publicKey: server, at: `127.0.0.1:${portOf(pi)}` });
    courier.peersChanged();
    while ((await here.waiting(server)).length > 0) await new Promise(setImmediate);
    expect(texts(await there.unread())).toEqual(['at once', 'later']);
    stop.abort();
  });

  test('are not brought again and again to a peer that refuses them and asks for something else', async () => {
    await using folder = await TemporaryFolder.make();
    const { here } = await stores(folder);
    const stop = new AbortController();
    await using pi = await startServer([]);
    await using mac = await startClient(portOf(pi));
    await here.queue(server, 'unwanted');
    const courier = await Courier.start({ endpoint: mac, store: here }, stop.signal);
    await until('it was refused', () => mac.stats.received.datagrams > 2);
    const before = mac.stats.sent.datagrams;
    for (let i = 0; i < 1_000; i++) {
      courier.heard('server');
      await new Promise(setImmediate);
    }
    expect(mac.stats.sent.datagrams - before).toBeLessThan(10);
    stop.abort();
  });

  test('that a peer hands out again and again are not fetched for ever', async () => {
    await using folder = await TemporaryFolder.make();
    const { here } = await stores(folder);
    let count = 0;
    const id = (n: number): string => n.toString(16).padStart(32, '0');
    const mail = defineCommand({
      name: 'mail',
      summary: '',
      args: [
        { name: 'received', type: 'text', summary: '', optional: true },
        { name: 'wait', type: 'number', summary: '', default: 0 },
      ],
      idempotent: true,
      run: () => ({ id: id(++count % 2), at: 0, text: 'again' }),
    });
    await using pi = await startServer([mail]);
    await using mac = await startClient(portOf(pi));
    await expect(fetchMail(mac.peer('server'), here, 0, {})).rejects.toMatchObject({ code: 'failed' });
    expect((await here.unread()).length).toBe(2);
  });

  test('are waited for once a peer, however often it asks', async () => {
    await using folder = await TemporaryFolder.make();
    const { there } = await stores(folder);
    const mail = messageCommands({ store: there }).find(({ name }) => name === 'mail');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const peer = { name: 'mac', publicKey: client };
      const asked = Array.from({ length: 100 }, () =>
        mail?.run({ args: { wait: 30 }, peer, signal: new AbortController().signal, commands: [] } as never),
      );
      expect(vi.getTimerCount()).toBe(1);
      vi.advanceTimersByTime(30_000);
      expect(new Set(await Promise.all(asked))).toEqual(new Set([null]));
    } finally {
      vi.useRealTimers();
    }
  });

  test('of no time that there is are refused, and nothing of this disk is told', async () => {
    await using folder = await TemporaryFolder.make();
    const { there } = await stores(folder);
    await using pi = await startServer(messageCommands({ store: there }));
    await using mac = await startClient(portOf(pi));
    const message = ['0'.repeat(32), 1e300, 'hello'];
    await expect(mac.peer('server').request('msg', message)).rejects.toMatchObject({ code: 'bad-arguments' });
    await mkdir(join(folder.path, 'there'), { recursive: true });
    await writeFile(join(folder.path, 'there', 'inbox'), 'a file where the folder should be');
    const refused = await mac
      .peer('server')
      .request('msg', ['0'.repeat(32), 0, 'hello'])
      .catch((error: Error) => error);
    expect(refused).toMatchObject({ code: 'command-failed', message: 'The message cannot be kept here.' });
  });
});
