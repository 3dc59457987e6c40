/** A conversation against a model, while it is written to, closed, cut at any byte and opened again. */
import { readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  type ChatMessage,
  Conversations,
  generateKeyPair,
  type Message,
  MessageStore,
} from '../../src/index.ts';
import { Prng, seeds } from '../support/prng.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const STEPS = 40;

type Written = Pick<ChatMessage, 'direction' | 'seq' | 'id' | 'text'>;
/** A line of the file. */
type Line =
  | Written
  | { readonly settled: 'delivered' | 'discarded'; readonly seqs: readonly number[] }
  | { readonly readUpTo: number };

class Model {
  lines: Line[] = [];
  /** What became of what is, or was, in the outbox; in its order. */
  readonly outbox = new Map<string, { readonly text: string; fate: 'waiting' | 'delivered' | 'discarded' }>();
  inbox: { readonly id: string; readonly text: string }[] = [];

  get messages(): ChatMessage[] {
    const states = new Map<number, 'delivered' | 'discarded'>();
    for (const line of this.lines)
      if ('settled' in line) for (const seq of line.seqs) states.set(seq, line.settled);
    const readUpTo = this.readUpTo;
    return this.#written.map(({ direction, ...rest }) =>
      direction === 'in'
        ? { ...rest, direction, writtenAt: 0, read: rest.seq <= readUpTo }
        : { ...rest, direction, writtenAt: 0, state: states.get(rest.seq) ?? 'waiting' },
    );
  }

  get lastSeq(): number {
    return this.#written.at(-1)?.seq ?? 0;
  }

  get readUpTo(): number {
    return Math.max(0, ...this.lines.map((line) => ('readUpTo' in line ? line.readUpTo : 0)));
  }

  /** What the conversation learns when it looks into outbox and inbox. */
  look(): void {
    const known = new Set(this.#written.map(({ id }) => id));
    for (const [id, { text, fate }] of this.outbox)
      if (fate === 'waiting' && !known.has(id)) this.#write('out', id, text);
    const waiting = this.messages.filter((one) => one.direction === 'out' && one.state === 'waiting');
    for (const settled of ['delivered', 'discarded'] as const) {
      const seqs = waiting.filter(({ id }) => this.outbox.get(id)?.fate === settled).map(({ seq }) => seq);
      if (seqs.length > 0) this.lines.push({ settled, seqs });
    }
    for (const { id, text } of this.inbox) this.#write('in', id, text);
    this.inbox = [];
  }

  markRead(upTo: number): void {
    const readUpTo = Math.min(upTo, this.lastSeq);
    const isUnread = ({ direction, seq }: Written): boolean =>
      direction === 'in' && seq > this.readUpTo && seq <= readUpTo;
    if (this.#written.some(isUnread)) this.lines.push({ readUpTo });
  }

  get #written(): Written[] {
    return this.lines.filter((line) => 'text' in line);
  }

  #write(direction: 'in' | 'out', id: string, text: string): void {
    this.lines.push({ direction, seq: this.lastSeq + 1, id, text });
  }
}

const own = generateKeyPair();
const peer = generateKeyPair().publicKey;

test.each(seeds(12))('a conversation is what its model is, seed %i', async (seed) => {
  const prng = new Prng(seed);
  await using folder = await TemporaryFolder.make();
  const file = join(folder.path, 'history', `${peer}.log`);
  const store = new MessageStore(folder.path, own);
  const model = new Model();
  const open = (): Promise<Conversations> =>
    Conversations.open({ store, dir: folder.path, keyPair: own, signal: new AbortController().signal });
  let conversations = await open();
  let cuts = 0;

  /** What may also happen while nobody has the conversation open. */
  const elsewhere: (() => Promise<void>)[] = [
    async () => {
      const text = `in ${prng.below(1_000)} ${'é'.repeat(prng.below(300))}`;
      const message: Message = { id: Buffer.from(prng.bytes(16)).toString('hex'), peer, text, writtenAt: 1 };
      await store.receive(message);
      model.inbox.push(message);
    },
    async () => {
      const message = await store.firstWaiting(peer);
      if (message === undefined) return;
      await store.settled(message);
      (model.outbox.get(message.id) as { fate: string }).fate = 'delivered';
    },
    async () => {
      const { id, text } = await store.queue(peer, `of another process ${prng.below(1_000)}`);
      model.outbox.set(id, { text, fate: 'waiting' });
    },
    async () => {
      if (!prng.chance(0.3)) return;
      await store.discard(peer);
      for (const one of model.outbox.values()) if (one.fate === 'waiting') one.fate = 'discarded';
    },
  ];
  const anyElsewhere = (): Promise<void> =>
    (elsewhere[prng.below(elsewhere.length)] as () => Promise<void>)();

  const steps: (() => Promise<void>)[] = [
    async () => {
      const text = `out ${prng.below(1_000)}`;
      const { id } = await conversations.send(peer, text);
      model.outbox.set(id, { text, fate: 'waiting' });
    },
    async () => {
      const upTo = prng.below(model.lastSeq + 3);
      await conversations.markRead(peer, upTo);
      model.markRead(upTo);
    },
    async () => {
      // Each is looked at before the next, so that the order of lines is the model's.
      await anyElsewhere();
      await conversations.refresh();
    },
    async () => {
      await conversations.discardWaiting(peer);
      for (const one of model.outbox.values()) if (one.fate === 'waiting') one.fate = 'discarded';
    },
    async () => {
      await conversations.close();
      for (let i = prng.below(4); i > 0; i--) await anyElsewhere();
      if (prng.chance(0.7) && model.lines.length > 0) {
        const bytes = await readFile(file);
        const ends = [...bytes.entries()].filter(([, byte]) => byte === 0x0a).map(([at]) => at + 1);
        expect(ends).toHaveLength(model.lines.length);
        const size = prng.chance(0.5) ? prng.below(bytes.length + 1) : bytes.length - prng.below(200);
        await truncate(file, Math.max(0, size));
        model.lines = model.lines.filter((_, i) => (ends[i] as number) <= size);
        cuts++;
      }
      conversations = await open();
    },
  ];

  try {
    for (let i = 0; i < STEPS; i++) {
      await (steps[prng.below(steps.length)] as () => Promise<void>)();
      model.look();
      const expected = model.messages;
      const { count, unread, waiting } = await conversations.summary(peer);
      const page = await conversations.page(peer, { limit: 200 });
      expect(page.reverse().map((message) => ({ ...message, writtenAt: 0 }))).toEqual(expected);
      expect({ count, unread, waiting }).toEqual({
        count: expected.length,
        unread: expected.filter((one) => one.direction === 'in' && !one.read).length,
        waiting: expected.filter((one) => one.direction === 'out' && one.state === 'waiting').length,
      });
      expect(await store.unread()).toEqual([]);
    }
    expect(cuts).toBeGreaterThan(0);
  } finally {
    await conversations.close();
  }
});
