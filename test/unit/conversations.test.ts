import { appendFile, cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import {
  type ChatMessage,
  type ConversationChange,
  Conversations,
  type ConversationsOptions,
  generateKeyPair,
  type Message,
  MessageStore,
  type PublicKey,
} from '../../src/index.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const own = generateKeyPair();
const pi = generateKeyPair().publicKey;
const mac = generateKeyPair().publicKey;

let lastId = 0;
function messageOf(peer: PublicKey, text: string): Message {
  return { id: (++lastId).toString(16).padStart(32, '0'), peer, text, writtenAt: 1_000 };
}

/** A machine's messages, and its conversations. */
class Machine implements AsyncDisposable {
  readonly folder: TemporaryFolder;
  readonly store: MessageStore;
  readonly conversations: Conversations;
  readonly changes: (ConversationChange & { readonly peer: PublicKey })[] = [];

  private constructor(folder: TemporaryFolder, store: MessageStore, conversations: Conversations) {
    this.folder = folder;
    this.store = store;
    this.conversations = conversations;
    conversations.onChange((peer, change) => this.changes.push({ ...change, peer }));
  }

  static async start(folder: TemporaryFolder, options: Partial<ConversationsOptions> = {}): Promise<Machine> {
    const store = new MessageStore(folder.path, own);
    const conversations = await Conversations.open({
      store,
      dir: folder.path,
      keyPair: own,
      signal: new AbortController().signal,
      ...options,
    });
    return new Machine(folder, store, conversations);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.conversations.close();
  }

  async receive(peer: PublicKey, ...texts: string[]): Promise<void> {
    for (const text of texts) await this.store.receive(messageOf(peer, text));
    await this.conversations.refresh();
  }

  /** As a courier does. */
  async deliverFirst(peer: PublicKey): Promise<void> {
    const message = await this.store.firstWaiting(peer);
    if (message !== undefined) await this.store.settled(message);
    await this.conversations.refresh();
  }

  /** Oldest first, in pages of three. */
  async all(peer: PublicKey): Promise<ChatMessage[]> {
    const messages: ChatMessage[] = [];
    for (let before: number | undefined; ; before = messages.at(-1)?.seq) {
      const page = await this.conversations.page(peer, { ...(before && { before }), limit: 3 });
      if (page.length === 0) return messages.reverse();
      messages.push(...page);
    }
  }

  async lines(peer: PublicKey): Promise<string[]> {
    return (await this.all(peer)).map(shown);
  }
}

function shown(message: ChatMessage): string {
  return message.direction === 'in'
    ? `< ${message.text}${message.read ? '' : ' (new)'}`
    : `> ${message.text} (${message.state})`;
}

const fileOf = (folder: TemporaryFolder, peer: PublicKey): string =>
  join(folder.path, 'history', `${peer}.log`);

describe('a conversation', () => {
  test('keeps what was written both ways, and what became of it, also for the next process', async () => {
    await using folder = await TemporaryFolder.make();
    const expected = [
      '> one (delivered)',
      '< hello',
      '> two (discarded)',
      '< again (new)',
      '> three (waiting)',
    ];
    {
      await using here = await Machine.start(folder);
      await here.conversations.send(pi, 'one');
      await here.receive(pi, 'hello');
      await here.deliverFirst(pi);
      await here.conversations.send(pi, 'two');
      expect(await here.conversations.discardWaiting(pi)).toBe(1);
      await here.conversations.markRead(pi, 2);
      await here.receive(pi, 'again');
      await here.conversations.send(pi, 'three');
      expect(await here.lines(pi)).toEqual(expected);
      expect(await here.lines(mac)).toEqual([]);
      expect(await here.store.unread()).toEqual([]);
      expect(here.changes.map(({ kind }) => kind)).toEqual([
        'added',
        'added',
        'delivered',
        'added',
        'discarded',
        'read',
        'added',
        'added',
      ]);
      expect(here.changes.every(({ peer }) => peer.equals(pi))).toBe(true);
    }
    await using next = await Machine.start(folder);
    expect(await next.lines(pi)).toEqual(expected);
    expect(await next.conversations.summary(pi)).toMatchObject({
      count: 5,
      unread: 1,
      waiting: 1,
      last: { seq: 5, text: 'three' },
    });
    expect(await next.conversations.summary(mac)).toEqual({ count: 0, unread: 0, waiting: 0 });
    expect((await next.conversations.peers()).map(String)).toEqual([pi.toString()]);
  });

  test('learns what other processes did while it was closed', async () => {
    await using folder = await TemporaryFolder.make();
    {
      await using here = await Machine.start(folder);
      await here.conversations.send(pi, 'delivered meanwhile');
      await here.conversations.send(mac, 'discarded meanwhile');
    }
    const other = new MessageStore(folder.path, own);
    await other.settled((await other.firstWaiting(pi)) as Message);
    await other.discard(mac);
    await other.queue(pi, 'of the command line');
    await other.receive(messageOf(pi, 'came meanwhile'));
    // One more, which tidies up first.
    await new MessageStore(folder.path, own).queue(mac, 'of another command');
    await using next = await Machine.start(folder);
    expect(await next.lines(pi)).toEqual([
      '> delivered meanwhile (delivered)',
      '> of the command line (waiting)',
      '< came meanwhile (new)',
    ]);
    expect(await next.lines(mac)).toEqual([
      '> discarded meanwhile (discarded)',
      '> of another command (waiting)',
    ]);
  });

  test('takes over what another process puts into the inbox, by itself', async () => {
    await using folder = await TemporaryFolder.make();
    await using here = await Machine.start(folder);
    const added = new Promise<ConversationChange>((done) => {
      here.conversations.onChange((_, change) => done(change));
    });
    await new MessageStore(folder.path, own).receive(messageOf(pi, 'news'));
    expect(await added).toMatchObject({ kind: 'added', message: { text: 'news', read: false } });
  });

  test('has a message once, though the process died before the inbox knew that it was taken', async () => {
    await using folder = await TemporaryFolder.make();
    await new MessageStore(folder.path, own).receive(messageOf(pi, 'once'));
    const inbox = join(folder.path, 'inbox');
    await cp(inbox, join(folder.path, 'before'), { recursive: true });
    await (await Machine.start(folder)).conversations.close();
    await rm(inbox, { recursive: true });
    await cp(join(folder.path, 'before'), inbox, { recursive: true });
    await using next = await Machine.start(folder);
    expect(await next.lines(pi)).toEqual(['< once (new)']);
    expect(await next.store.unread()).toEqual([]);
  });

  test('is forgotten with what waits, and begins anew', async () => {
    await using folder = await TemporaryFolder.make();
    await using here = await Machine.start(folder);
    await here.conversations.send(pi, 'one');
    await here.receive(pi, 'two');
    await here.conversations.send(mac, 'stays');
    await here.conversations.forget(pi);
    await here.conversations.refresh();
    expect(await here.lines(pi)).toEqual([]);
    expect(await here.store.waiting(pi)).toEqual([]);
    const files = await readdir(join(folder.path, 'history'));
    expect(files.filter((name) => !name.startsWith('lock-'))).toEqual([`${mac}.log`]);
    await here.receive(pi, 'three');
    expect(await here.lines(pi)).toEqual(['< three (new)']);
    expect(await here.lines(mac)).toEqual(['> stays (waiting)']);
  });

  test('is read in pages', async () => {
    await using folder = await TemporaryFolder.make();
    await using here = await Machine.start(folder);
    await here.receive(pi, '1', '2', '3', '4', '5');
    const page = async (before: number | undefined, limit: number) =>
      (await here.conversations.page(pi, { ...(before && { before }), limit })).map(({ text }) => text);
    expect(await page(undefined, 2)).toEqual(['5', '4']);
    expect(await page(4, 2)).toEqual(['3', '2']);
    expect(await page(2, 2)).toEqual(['1']);
    expect(await page(1, 2)).toEqual([]);
    await expect(page(1, 0)).rejects.toMatchObject({ code: 'bad-usage' });
    await expect(page(1, 1_000_000)).rejects.toMatchObject({ code: 'bad-usage' });
  });

  test('drops the oldest, but nothing that waits', async () => {
    await using folder = await TemporaryFolder.make();
    const options = { maxMessages: 16 };
    const expected = [
      '> waits (waiting)',
      '> arrived (delivered)',
      ...Array.from({ length: 15 }, (_, i) => `< ${i + 26}`),
    ];
    {
      await using here = await Machine.start(folder, options);
      await here.conversations.send(pi, 'waits');
      for (let i = 1; i <= 25; i++) {
        await here.receive(pi, String(i));
        await here.conversations.markRead(pi, Number.MAX_SAFE_INTEGER);
      }
      const { id } = await here.conversations.send(pi, 'arrived');
      await here.store.settled({ peer: pi, id });
      for (let i = 26; i <= 40; i++) {
        await here.receive(pi, String(i));
        await here.conversations.markRead(pi, Number.MAX_SAFE_INTEGER);
      }
      const lines = await here.lines(pi);
      expect(lines[0]).toBe('> waits (waiting)');
      expect(lines.slice(-16)).toEqual(expected.slice(1));
      expect(lines.length).toBeLessThanOrEqual(16 + 1 + 2);
    }
    await using next = await Machine.start(folder, options);
    expect((await next.lines(pi)).slice(-16)).toEqual(expected.slice(1));
    expect(await next.conversations.summary(pi)).toMatchObject({ unread: 0, waiting: 1 });
  });

  const TEXTS = Array.from({ length: 16 }, (_, i) => String(i + 1));
  test.each([
    ['messages', { maxMessages: 8 }],
    ['bytes', { maxBytes: 8 * 150 }],
  ])(
    'drops nothing that nobody has read, and leaves what is too many %s in the inbox',
    async (_, options) => {
      using _still = vi.spyOn(MessageStore.prototype, 'watch').mockResolvedValue(); // nobody looks but who is asked
      await using folder = await TemporaryFolder.make();
      {
        await using here = await Machine.start(folder, options);
        await here.receive(pi, ...TEXTS.slice(0, 8));
        await here.receive(pi, ...TEXTS.slice(8));
        for (let i = 0; i < 12; i++) {
          await here.conversations.send(pi, 'mine');
          await here.deliverFirst(pi);
        }
      }
      await using here = await Machine.start(folder, options);
      const came = async () => (await here.all(pi)).filter(({ direction }) => direction === 'in');
      expect((await came()).map(({ text }) => text)).toEqual(TEXTS.slice(0, 8));
      expect((await here.store.unread()).map(({ text }) => text)).toEqual(TEXTS.slice(8));
      // Once they are read, others have room.
      await here.conversations.markRead(pi, Number.MAX_SAFE_INTEGER);
      expect((await came()).at(-1)).toMatchObject({ text: '16', read: false });
      expect(await here.store.unread()).toEqual([]);
    },
  );

  test('is bounded in bytes as well, of which marks are a part', async () => {
    await using folder = await TemporaryFolder.make();
    await using here = await Machine.start(folder, { maxBytes: 8_000 });
    for (let i = 0; i < 40; i++) {
      await here.receive(pi, 'x'.repeat(300));
      await here.conversations.markRead(pi, i + 1);
      expect((await stat(fileOf(folder, pi))).size).toBeLessThan(8_000 * 1.125 + 1_000);
    }
    const { count } = await here.conversations.summary(pi);
    expect(count).toBeGreaterThan(5);
    expect(count).toBeLessThan(20);
  });
});

describe('on the disk, a conversation', () => {
  test('holds no text that can be read, and is for its owner alone', async () => {
    await using folder = await TemporaryFolder.make();
    await using here = await Machine.start(folder);
    await here.conversations.send(pi, 'a secret to keep');
    const bytes = await readFile(fileOf(folder, pi), 'latin1');
    expect(bytes).not.toContain('secret');
    expect(Buffer.from(bytes, 'base64url').toString('latin1')).not.toContain('secret');
    if (process.platform !== 'win32') {
      expect((await stat(fileOf(folder, pi))).mode & 0o077).toBe(0);
      expect((await stat(join(folder.path, 'history'))).mode & 0o077).toBe(0);
    }
  });

  test('is set aside where this machine has another key now', async () => {
    await using folder = await TemporaryFolder.make();
    const before = await Machine.start(folder);
    await before.receive(pi, 'of before');
    await before.conversations.close();
    const old = await readFile(fileOf(folder, pi));
    const keyPair = generateKeyPair();
    const troubles: string[] = [];
    const options = { keyPair, onTrouble: (text: string) => troubles.push(text) };
    {
      await using after = await Machine.start(folder, options);
      expect(await after.lines(pi)).toEqual([]);
      await after.receive(pi, 'of now');
    }
    await using later = await Machine.start(folder, options);
    expect(await later.lines(pi)).toEqual(['< of now (new)']);
    expect(troubles).toHaveLength(1);
    const [aside] = (await readdir(join(folder.path, 'history'))).filter((name) =>
      name.endsWith('.unreadable'),
    );
    expect(await readFile(join(folder.path, 'history', aside as string))).toEqual(old);
    await later.conversations.forget(pi);
    expect((await readdir(join(folder.path, 'history'))).filter((name) => name.startsWith('udp1'))).toEqual(
      [],
    );
  });

  test('cannot take the place of another', async () => {
    await using folder = await TemporaryFolder.make();
    const before = await Machine.start(folder);
    await before.receive(pi, 'of pi');
    await before.conversations.close();
    await cp(fileOf(folder, pi), fileOf(folder, mac));
    await using here = await Machine.start(folder);
    expect(await here.lines(mac)).toEqual([]);
    expect(await here.lines(pi)).toEqual(['< of pi (new)']);
  });

  test('loses one record where one byte is damaged, wherever that is', async () => {
    await using folder = await TemporaryFolder.make();
    const before = await Machine.start(folder);
    await before.receive(pi, 'one', 'two', 'three', 'four');
    await before.conversations.close();
    const bytes = await readFile(fileOf(folder, pi));
    const ends = [...bytes.entries()].filter(([, byte]) => byte === 0x0a).map(([at]) => at);
    expect(ends).toHaveLength(4);
    // In a record, at the end of one, in the first and in the last.
    for (const [at, left] of [
      [(ends[0] as number) + 40, ['one', 'three', 'four']],
      [ends[1] as number, ['one', 'four']],
      [0, ['two', 'three', 'four']],
      [(ends[2] as number) + 1, ['one', 'two', 'three']],
    ] as const) {
      const damaged = Buffer.from(bytes);
      damaged[at] = damaged[at] === 0x41 ? 0x42 : 0x41;
      await writeFile(fileOf(folder, pi), damaged);
      await using here = await Machine.start(folder);
      expect((await here.all(pi)).map(({ text }) => text)).toEqual(left);
      await here.receive(pi, 'goes on');
      expect((await here.all(pi)).map(({ text }) => text)).toEqual([...left, 'goes on']);
    }
  });

  test('goes on over an end that was being written', async () => {
    await using folder = await TemporaryFolder.make();
    const before = await Machine.start(folder);
    await before.receive(pi, 'whole');
    await before.conversations.close();
    for (const end of ['torn', 'x'.repeat(5_000), '\0'.repeat(4_096)]) {
      await appendFile(fileOf(folder, pi), end);
      await using here = await Machine.start(folder);
      await here.receive(pi, 'next');
      expect((await readFile(fileOf(folder, pi), 'latin1')).endsWith('\n')).toBe(true);
    }
    await using here = await Machine.start(folder);
    expect(await here.lines(pi)).toEqual(['< whole (new)', ...Array(3).fill('< next (new)')]);
  });
});

describe('what cannot be written', () => {
  test('is not sent, and what came stays in the inbox', async () => {
    await using folder = await TemporaryFolder.make();
    const troubles: string[] = [];
    await using here = await Machine.start(folder, { onTrouble: (text) => troubles.push(text) });
    await here.conversations.summary(pi); // knows that there is no file
    await mkdir(fileOf(folder, pi));
    await expect(here.conversations.send(pi, 'no')).rejects.toMatchObject({ code: 'failed' });
    expect(await here.store.waiting(pi)).toEqual([]);
    await here.store.receive(messageOf(pi, 'kept'));
    await here.store.receive(messageOf(mac, 'of somebody else'));
    await expect(here.conversations.refresh()).rejects.toMatchObject({ code: 'failed' });
    expect((await here.store.unread()).map(({ text }) => text)).toEqual(['kept']);
    expect(await here.lines(mac)).toEqual(['< of somebody else (new)']);
    await rm(fileOf(folder, pi), { recursive: true });
    await here.conversations.refresh();
    expect(await here.lines(pi)).toEqual(['< kept (new)']);
    expect(await here.store.unread()).toEqual([]);
  });
});

describe('two at once', () => {
  test('the second is refused until the first is closed, by its signal too', async () => {
    await using folder = await TemporaryFolder.make();
    const stop = new AbortController();
    const first = await Machine.start(folder, { signal: stop.signal });
    await expect(Machine.start(folder)).rejects.toMatchObject({ code: 'locked', hint: expect.any(String) });
    await first.conversations.send(pi, 'still works');
    stop.abort();
    await first.conversations.close();
    await expect(first.conversations.send(pi, 'late')).rejects.toMatchObject({ code: 'closed' });
    await using second = await Machine.start(folder);
    expect(await second.lines(pi)).toEqual(['> still works (waiting)']);
  });

  test('the lock of a process that died keeps nobody away', async () => {
    await using folder = await TemporaryFolder.make();
    await mkdir(join(folder.path, 'history'));
    await writeFile(join(folder.path, 'history', 'lock-4194305-1-0123456789abcdef'), ''); // above the largest pid
    await using here = await Machine.start(folder);
    expect(await readdir(join(folder.path, 'history'))).toHaveLength(1);
    await here.conversations.send(pi, 'works');
  });
});

test('a file that is cut at its start is an empty conversation', async () => {
  await using folder = await TemporaryFolder.make();
  const before = await Machine.start(folder);
  await before.receive(pi, 'gone');
  await before.conversations.close();
  await truncate(fileOf(folder, pi), 0);
  await using here = await Machine.start(folder);
  expect(await here.lines(pi)).toEqual([]);
});
