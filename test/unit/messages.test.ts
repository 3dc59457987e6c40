import { readdir, readFile, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { generateKeyPair, MAX_TEXT_BYTES, type Message, MessageStore } from '../../src/index.ts';
import { messageCommands, PART_BYTES, partsOf } from '../../src/messages/commands.ts';
import { fetchMail } from '../../src/messages/delivery.ts';
import { MAX_WAITING, MAX_WAITING_BYTES } from '../../src/messages/message-store.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const own = generateKeyPair();
const pi = generateKeyPair().publicKey;
const mac = generateKeyPair().publicKey;

let lastId = 0;
function messageOf(peer: typeof pi, text: string): Message {
  return { id: (++lastId).toString(16).padStart(32, '0'), peer, text, writtenAt: 1_000 };
}

const texts = (messages: readonly Message[]): string[] => messages.map(({ text }) => text);

describe('the parts of a text', () => {
  test('are the text again, each within a request', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3_000 }), (text) => {
        const parts = partsOf(text);
        expect(parts.join('')).toBe(text);
        expect(parts.every((part) => Buffer.byteLength(part) <= PART_BYTES)).toBe(true);
      }),
    );
  });
});

describe('the command msg', () => {
  /** What a store is given, and what each peer is answered. */
  function msgOf(receive: (message: Message) => Promise<'new' | 'known'>) {
    const [msg] = messageCommands({ store: { receive } as unknown as MessageStore });
    return async (publicKey: typeof pi, args: { text: string; part?: number; parts?: number; id?: string }) =>
      msg?.run({
        args: { id: 'a'.repeat(32), at: 0, part: 1, parts: 1, ...args },
        peer: { name: 'peer', publicKey },
        signal: new AbortController().signal,
        commands: [],
      });
  }

  test('mixes no parts of two peers, nor of two messages', async () => {
    const received: Message[] = [];
    const msg = msgOf(async (message) => {
      received.push(message);
      return 'new';
    });
    expect(await msg(pi, { text: 'of ', part: 1, parts: 2 })).toBe('part');
    expect(await msg(mac, { text: 'mac', part: 2, parts: 2 })).toBe('part');
    expect(await msg(pi, { text: 'pi', part: 2, parts: 2 })).toBe('new');
    expect(await msg(mac, { text: 'of ', part: 1, parts: 2 })).toBe('new');
    expect(received.map(({ peer, text }) => [peer, text])).toEqual([
      [pi, 'of pi'],
      [mac, 'of mac'],
    ]);
    expect(await msg(pi, { text: 'old', part: 1, parts: 2 })).toBe('part');
    expect(await msg(pi, { text: 'new', part: 2, parts: 2, id: 'b'.repeat(32) })).toBe('part');
    expect(await msg(pi, { text: 'er', part: 2, parts: 3 })).toBe('part');
    expect(received).toHaveLength(2);
  });

  test('takes 8 messages of a peer at a time', async () => {
    let written = (): void => {};
    const disk = new Promise<void>((done) => (written = done));
    const msg = msgOf(async () => disk.then(() => 'new'));
    const outcomes = Array.from({ length: 9 }, () =>
      msg(pi, { text: 'x' }).catch(({ code }: { code: string }) => code),
    );
    const other = msg(mac, { text: 'x' });
    written();
    expect(await Promise.all([...outcomes, other])).toEqual([...Array(8).fill('new'), 'busy', 'new']);
    expect(await msg(pi, { text: 'x' })).toBe('new');
  });
});

describe('the outbox', () => {
  test('keeps messages of each peer in order, also for the next process', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    for (const text of ['one', 'two', 'three']) await store.queue(pi, text);
    await store.queue(mac, 'for mac');
    const next = new MessageStore(folder.path, own);
    const waiting = await next.waiting(pi);
    expect(texts(waiting)).toEqual(['one', 'two', 'three']);
    await next.settled(waiting[0] as Message);
    expect(texts(await next.waiting(pi))).toEqual(['two', 'three']);
    expect(texts(await next.waiting(mac))).toEqual(['for mac']);
  });

  test('holds no text that can be read, and nothing that others may read', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    await store.queue(pi, 'a secret to keep');
    const [file] = await readdir(join(folder.path, 'outbox'));
    const bytes = await readFile(join(folder.path, 'outbox', file as string));
    expect(bytes.toString('latin1')).not.toContain('secret');
    expect(await new MessageStore(folder.path, generateKeyPair()).waiting(pi)).toEqual([]);
    expect(await new MessageStore(folder.path, generateKeyPair()).unreadable()).toBe(1);
  });

  test('does not take one file for another, nor a damaged one for any', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    await store.queue(pi, 'for pi');
    await store.queue(pi, 'also for pi');
    await store.queue(pi, 'under another id');
    const outbox = join(folder.path, 'outbox');
    const [first, second, third] = (await readdir(outbox)).sort() as [string, string, string];
    await rename(join(outbox, first), join(outbox, first.replace(pi.toString(), mac.toString())));
    await rename(join(outbox, third), join(outbox, third.replace(/[0-9a-f]{32}/, '0'.repeat(32))));
    const bytes = await readFile(join(outbox, second));
    bytes[30] = (bytes[30] as number) ^ 1;
    await writeFile(join(outbox, second), bytes);
    await writeFile(join(outbox, 'README'), 'not ours');
    expect([await store.waiting(mac), await store.waiting(pi)]).toEqual([[], []]);
    expect(await store.unreadable()).toBe(3);
  });

  test('refuses what is no message', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    await expect(store.queue(pi, '')).rejects.toMatchObject({ code: 'bad-usage' });
    await expect(store.queue(pi, 'é'.repeat(MAX_TEXT_BYTES))).rejects.toMatchObject({ code: 'too-large' });
    await expect(store.queue(pi, 'a\ufeffb')).rejects.toMatchObject({ code: 'bad-usage' });
    await expect(store.queue(pi, '\ud800')).rejects.toMatchObject({ code: 'not-cbor' });
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('is bounded in bytes for each peer', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    const large = 'x'.repeat(MAX_TEXT_BYTES);
    const room = Math.floor(MAX_WAITING_BYTES / (MAX_TEXT_BYTES + 200));
    for (let i = 0; i < room; i++) await store.queue(pi, large);
    await expect(store.queue(pi, large)).rejects.toMatchObject({ code: 'spool-full' });
    await store.queue(mac, large);
  });
});

describe('what was thrown away', () => {
  test('is not taken for delivered', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    const [kept, gone] = [await store.queue(pi, 'kept'), await store.queue(mac, 'gone')];
    const thrown = await store.queue(pi, 'thrown');
    await store.settled(gone);
    await store.settled(kept);
    expect(await store.discard(pi)).toBe(1);
    expect([await store.fate(kept), await store.fate(gone), await store.fate(thrown)]).toEqual([
      'gone',
      'gone',
      'discarded',
    ]);
    expect(await store.waiting(pi)).toEqual([]);
  });
});

describe('the inbox', () => {
  test('takes each message once, also after it was read and by another process', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    const message = messageOf(pi, 'once');
    expect(await store.receive(message)).toBe('new');
    expect(await store.receive(message)).toBe('known');
    expect(await store.receive({ ...message, peer: mac })).toBe('new');
    await store.markRead(message);
    expect(texts(await store.unread(pi))).toEqual([]);
    expect(await new MessageStore(folder.path, own).receive(message)).toBe('known');
    expect(await store.unread(pi)).toEqual([]);
  });

  test('keeps nothing of the text of what was read', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    const message = messageOf(pi, 'once');
    await store.receive(message);
    await store.markRead(message);
    const [file] = await readdir(join(folder.path, 'inbox'));
    expect((await readFile(join(folder.path, 'inbox', file as string))).length).toBe(0);
  });

  test('takes one message once from many at a time', async () => {
    await using folder = await TemporaryFolder.make();
    const message = messageOf(pi, 'once');
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, () =>
        new MessageStore(folder.path, own).receive(message).catch((error: { code: string }) => error.code),
      ),
    );
    expect(outcomes.filter((one) => one === 'new').length).toBeLessThanOrEqual(1);
    await new MessageStore(folder.path, own).receive(message).catch(() => {});
    expect(texts(await new MessageStore(folder.path, own).unread())).toEqual(['once']);
  });

  test('takes one message once, however often it comes at a time', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    const message = messageOf(pi, 'once');
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => store.receive(message)));
    expect(outcomes.sort()).toEqual([...Array.from({ length: 7 }, () => 'known'), 'new']);
  });

  test('keeps the order of what comes at a time', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    const wanted = Array.from({ length: 20 }, (_, i) => `message ${i}`);
    await Promise.all(wanted.map((text) => store.receive(messageOf(pi, text))));
    expect(texts(await store.unread())).toEqual(wanted);
    await Promise.all(wanted.map((text) => store.queue(pi, text)));
    expect(texts(await store.waiting(pi))).toEqual(wanted);
  });

  test('may be read by two at once', async () => {
    await using folder = await TemporaryFolder.make();
    const message = messageOf(pi, 'once');
    await new MessageStore(folder.path, own).receive(message);
    const readers = Array.from({ length: 4 }, () => new MessageStore(folder.path, own));
    await Promise.all(readers.map((reader) => reader.markRead(message)));
    expect(await readdir(join(folder.path, 'inbox'))).toHaveLength(1);
  });

  test('finishes what a process began that died as it marked a message as read', async () => {
    await using folder = await TemporaryFolder.make();
    await new MessageStore(folder.path, own).receive(messageOf(pi, 'once'));
    const inbox = join(folder.path, 'inbox');
    const [file] = (await readdir(inbox)) as [string];
    const read = join(inbox, file.replace('.waiting', '.read'));
    await rename(join(inbox, file), read);
    await new MessageStore(folder.path, own).receive(messageOf(pi, 'another'));
    expect((await readFile(read)).length).toBe(0);
  });

  test.each([
    ['a process that died', 2 ** 22 + 1], // above the highest process id of Linux
    ['a process that had this one’s number, long ago', process.pid],
  ])('removes what was left by %s while it wrote', async (_who, pid) => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    const message = messageOf(pi, 'once');
    await store.receive(messageOf(pi, 'before'));
    const left = join(folder.path, 'inbox', `${pi}-${message.id}.${pid}.00000000.new`);
    await writeFile(left, 'half');
    await utimes(left, 0, 0);
    expect(await store.receive(message)).toBe('new');
    expect((await readdir(join(folder.path, 'inbox'))).some((file) => file.endsWith('.new'))).toBe(false);
  });

  test('stays within its bytes, though much comes at a time', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    const large = 'x'.repeat(MAX_TEXT_BYTES);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 80 }, () => store.receive(messageOf(pi, large))),
    );
    const kept = outcomes.filter(({ status }) => status === 'fulfilled').length;
    expect(kept * MAX_TEXT_BYTES).toBeLessThanOrEqual(MAX_WAITING_BYTES);
    expect(kept).toBeGreaterThan(60);
  });

  test('is bounded in messages that nobody reads, for each peer', async () => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    await store.receive(messageOf(pi, 'first'));
    const inbox = join(folder.path, 'inbox');
    for (let i = 2; i <= MAX_WAITING; i++) {
      const { id } = messageOf(pi, '');
      await writeFile(join(inbox, `${String(i).padStart(10, '0')}-${pi}-${id}.waiting`), '');
    }
    await expect(store.receive(messageOf(pi, 'one more'))).rejects.toMatchObject({ code: 'spool-full' });
    expect(await store.receive(messageOf(mac, 'of another'))).toBe('new');
  });
});

describe('mail', () => {
  test.each([
    ['empty', ''],
    ['with a byte order mark', 'hel\ufefflo'],
    ['too long', 'x'.repeat(MAX_TEXT_BYTES + 1)],
  ])('that is no message is not taken: %s', async (_what, text) => {
    await using folder = await TemporaryFolder.make();
    const store = new MessageStore(folder.path, own);
    const value = { id: 'a'.repeat(32), at: 0, text };
    const request = async () => ({ value, roundTripMs: 1, tries: 1 });
    const peer = { name: 'pi', publicKey: pi, request };
    await expect(fetchMail(peer, store, 0, {})).rejects.toMatchObject({ code: 'failed' });
    expect(await store.unread()).toEqual([]);
  });
});
