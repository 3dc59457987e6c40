/** A conversation's file: written here, cut and changed and put together anew by whoever can write on the disk, and read again. */
import { equalBytes } from '../../../src/bytes.ts';
import { AtRestKey } from '../../../src/crypto/at-rest.ts';
import { PublicKey, SecretKey } from '../../../src/crypto/keys.ts';
import { type ChatMessage, ConversationFile } from '../../../src/messages/conversation-file.ts';
import { decodeCbor, encodeCbor } from '../../../src/wire/cbor.ts';
import { Prng } from '../../support/prng.ts';
import { MemoryDisk } from '../memory-disk.ts';
import { block, check, Input, type Target } from '../target.ts';

const PEER = PublicKey.fromBytes(new Uint8Array(32).fill(9));
const SECRET = SecretKey.fromBytes(new Uint8Array(32).fill(1));
const LARGE = { maxMessages: 1_000, maxBytes: 1024 * 1024 };
const SMALL = { maxMessages: 4, maxBytes: 2_000 };
const MAX_ACTIONS = 12;
/** More than there are messages. */
const ALL = 200;
const TEXTS = ['a', 'ö', 'x'.repeat(300), ''];

/** By the first byte of each action modulo their number. */
const Action = {
  ADD_IN: 0,
  ADD_OUT: 1,
  DELIVERED: 2,
  DISCARDED: 3,
  READ: 4,
  LOAD: 5,
  // What becomes of the file: from the first of these on it is not written any more, before it is loaded.
  CUT: 6,
  FLIP: 7,
  DROP_LINE: 8,
  REPEAT_LINE: 9,
  /** A line of anything. */
  INSERT: 10,
  /** A line with anything in it that is sealed under the right key. */
  SEAL: 11,
  /** The disk is full, soon. */
  FILL: 12,
} as const;
const ACTIONS = Object.keys(Action).length;

export const conversation: Target = {
  name: 'conversation',
  seeds: () => {
    const four = [Action.ADD_IN, 0, 1, Action.ADD_OUT, 0, 0, Action.ADD_OUT, 1, 2, Action.ADD_IN, 0, 0];
    const settled = [Action.DELIVERED, 1, Action.DISCARDED, 0, Action.READ, 1];
    const records = [
      ['in', PEER.bytes, 9, 'a'.repeat(32), 1, 'text'],
      ['out', PEER.bytes, 2, 'b'.repeat(32), 1, 'text'],
      ['read', PEER.bytes, 2 ** 40],
      ['delivered', PEER.bytes, [1, 2]],
      ['in', PEER.bytes.map((byte) => byte ^ 1), 9, 'a'.repeat(32), 1, 'text'],
    ].map((record) => encodeCbor(record));
    return [
      Uint8Array.of(0, ...four, ...settled, Action.LOAD, Action.ADD_IN, 1, 2),
      Uint8Array.of(1, ...four, ...settled, ...four, ...four, Action.LOAD, ...settled),
      ...[0, 3, 9].map((after) =>
        Uint8Array.of(1, ...four, ...four, Action.FILL, after, ...four, Action.LOAD),
      ),
      Uint8Array.of(0, ...four, Action.CUT, 0, 20, Action.LOAD, ...four),
      Uint8Array.of(0, ...four, Action.FLIP, 0, 20, 1, Action.LOAD, ...settled),
      Uint8Array.of(0, ...four, Action.DROP_LINE, 1, Action.REPEAT_LINE, 0, 2, Action.LOAD),
      Uint8Array.of(0, ...four, Action.INSERT, 1, ...block(Uint8Array.of(0x41, 0x41)), Action.LOAD, ...four),
      ...records.map((record) =>
        Uint8Array.of(0, ...four, Action.SEAL, 4, ...block(record), Action.LOAD, ...settled),
      ),
    ];
  },
  words: () => [
    Uint8Array.of(Action.LOAD),
    ...['in', 'out', 'read', 'delivered', 'discarded'].map((kind) => encodeCbor(kind)),
    encodeCbor(PEER.bytes),
    encodeCbor('c'.repeat(32)),
  ],
  maxBytes: 600,
  work: { base: 200_000, perByte: 4_000 },
  memory: { base: 256 * 1024, perByte: 10_000 },
  async run(input) {
    using disk = new MemoryDisk();
    await new Scene(disk).play(new Input(input));
  },
};

class Scene {
  readonly #disk: MemoryDisk;
  readonly #path: string;
  readonly #prng = new Prng(1);
  readonly #key = new AtRestKey(SECRET, this.#prng.bytes);
  #file!: ConversationFile;
  /** Something on the disk is not as the file left it. */
  #isChanged = false;
  /** What is there, if the disk is as the file left it. */
  #known: ChatMessage[] = [];
  #lastId = 0;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
    this.#path = `${disk.path}/one.log`;
  }

  async play(input: Input): Promise<void> {
    const bounds = input.below(2) === 0 ? LARGE : SMALL;
    await this.#load(bounds);
    for (let i = 0; i < MAX_ACTIONS && !input.isEmpty; i++) {
      const action = input.below(ACTIONS);
      if (action === Action.FILL) {
        this.#disk.failsAfter = input.below(16);
        continue;
      }
      if (action >= Action.CUT) {
        this.#change(action, input);
        continue;
      }
      if (this.#isChanged || action === Action.LOAD) await this.#load(bounds);
      await this.#write(action, input, bounds);
    }
    await this.#load(bounds);
    await this.#write(Action.ADD_IN, input, bounds);
    await this.#load(bounds);
    const [whole, inPages] = [await this.#all(), await this.#all(2)];
    check(whole.map(text).join() === inPages.map(text).join(), 'pages have other messages');
  }

  async #write(action: number, input: Input, bounds: typeof LARGE): Promise<void> {
    const isFilling = this.#disk.failsAfter !== null;
    let expected = this.#known;
    try {
      expected = await this.#written(action, input);
    } catch (error) {
      check(
        isFilling && (error as { code?: string }).code === 'ENOSPC',
        `a record is not written: ${String(error)}`,
      );
    }
    this.#disk.failsAfter = null;
    check(isFilling || !this.#file.isStale, 'a file that was written has to be loaded anew');
    if (this.#file.isStale) {
      // The oldest may be gone, or not yet.
      this.#isChanged = true;
      await this.#load(bounds);
      this.#expectKept(expected, this.#known, bounds);
      return;
    }
    // Else it is looked at when the file is loaded again.
    this.#known = bounds === SMALL ? await this.#all() : expected;
    this.#expectKept(expected, this.#known, bounds);
  }

  /** What there is afterwards, if nothing is dropped. */
  async #written(action: number, input: Input): Promise<ChatMessage[]> {
    const known = this.#known;
    switch (action) {
      case Action.ADD_IN:
      case Action.ADD_OUT: {
        const direction = action === Action.ADD_IN ? 'in' : 'out';
        const texts = new Array<string>(1 + input.below(2)).fill(TEXTS[input.below(TEXTS.length)] as string);
        const added = await this.#file.add(
          direction,
          texts.map((text) => ({ id: this.#newId(), peer: PEER, text, writtenAt: 5 })),
        );
        const all = [...known, ...added];
        check(
          all.every(({ seq }, i) => i === 0 || seq > (all[i - 1]?.seq ?? 0)),
          'what was added has a place that was another’s',
        );
        return all;
      }
      case Action.DELIVERED:
      case Action.DISCARDED: {
        const { waiting } = this.#file;
        const seq = waiting[input.byte() % Math.max(1, waiting.length)]?.seq;
        if (seq === undefined) return known;
        const kind = action === Action.DELIVERED ? 'delivered' : 'discarded';
        await this.#file.settle(kind, [seq]);
        return known.map(
          (one): ChatMessage => (one.seq === seq && one.direction === 'out' ? { ...one, state: kind } : one),
        );
      }
      case Action.READ: {
        const upTo = 1 + input.byte();
        await this.#file.markRead(upTo);
        return known.map((one) => (one.direction === 'in' && one.seq <= upTo ? { ...one, read: true } : one));
      }
      default:
        return known;
    }
  }

  /** Everything is there, but for the oldest beyond the bounds; and of what waits nothing is dropped. */
  #expectKept(
    all: readonly ChatMessage[],
    kept: readonly ChatMessage[],
    { maxMessages }: typeof LARGE,
  ): void {
    const [wanted, there] = [all, kept].map(
      (messages) => new Map(messages.map((one) => [one.seq, text(one)])),
    );
    for (const [seq, message] of there ?? [])
      check(wanted?.get(seq) === message, `${message} was not kept as it was`);
    const dropped = all.filter(({ seq }) => !there?.has(seq));
    if (dropped.length === 0) return;
    const newest = Math.max(...dropped.map(({ seq }) => seq));
    check(
      dropped.every((one) => one.direction === 'in' || one.state !== 'waiting'),
      'what waits was dropped',
    );
    check(all.filter(({ seq }) => seq > newest).length > 0, 'the newest was dropped');
    check(
      all.length > maxMessages || all.some((one) => one.text.length > 100),
      'something was dropped without need',
    );
  }

  #change(action: number, input: Input): void {
    this.#isChanged = true;
    const bytes = this.#bytes;
    const lines = bytes.toString('latin1').split(/(?<=\n)/);
    switch (action) {
      case Action.CUT: {
        const end = bytes.length - ((input.byte() * 256 + input.byte()) % (bytes.length + 1));
        this.#put(bytes.subarray(0, end));
        return;
      }
      case Action.FLIP: {
        const at = (input.byte() * 256 + input.byte()) % (bytes.length + 1);
        if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (input.byte() || 1);
        this.#put(bytes);
        return;
      }
      case Action.DROP_LINE:
        lines.splice(input.byte() % (lines.length + 1), 1);
        break;
      case Action.REPEAT_LINE: {
        const line = lines[input.byte() % (lines.length + 1)] ?? '';
        lines.splice(input.byte() % (lines.length + 1), 0, line);
        break;
      }
      case Action.INSERT:
        lines.splice(
          input.byte() % (lines.length + 1),
          0,
          `${Buffer.from(input.block()).toString('latin1')}\n`,
        );
        break;
      case Action.SEAL: {
        const at = input.byte() % (lines.length + 1);
        const sealed = this.#key.seal(input.block());
        lines.splice(at, 0, `${Buffer.from(sealed).toString('base64url')}\n`);
        break;
      }
    }
    this.#put(Buffer.from(lines.join(''), 'latin1'));
  }

  /** Of the file, as it is on the disk. */
  get #bytes(): Buffer {
    return Buffer.from(this.#disk.files.get(this.#path)?.bytes ?? []);
  }

  #put(bytes: Buffer): void {
    this.#disk.add(this.#path).put(bytes, 0);
  }

  /** Loads the file, and sees that all that is whole in it is there. */
  async #load(bounds: typeof LARGE): Promise<void> {
    this.#disk.failsAfter = null;
    const lines = this.#lines();
    const before = this.#bytes;
    const count = this.#disk.files.size;
    const troubles: string[] = [];
    this.#file = await ConversationFile.load(this.#path, PEER, this.#key, bounds, (trouble) =>
      troubles.push(trouble),
    );
    const isUnreadable = lines.count > 0 && lines.isNothingWhole;
    check(troubles.length === (isUnreadable || lines.damaged > 0 ? 1 : 0), `it is told: ${troubles.join()}`);
    check(this.#disk.files.size === count, 'a file came, or went');
    if (isUnreadable) {
      const kept = this.#disk.names.filter((name) => /^one\.log\.[0-9a-f]{8}\.unreadable$/.test(name));
      check(
        kept.some((name) => this.#disk.get(`${this.#disk.path}/${name}`).bytes.equals(before)),
        'what cannot be opened is not kept',
      );
    }
    const all = await this.#all();
    const isAsItWas = all.map(text).join() === this.#known.map(text).join();
    check(isAsItWas || this.#isChanged, 'what was kept is not there');
    this.#isChanged = false;
    this.#known = all;
    check(
      all.map(text).join('\n') === lines.messages.map(text).join('\n'),
      `there is ${JSON.stringify(all)}, and not ${JSON.stringify(lines.messages)}`,
    );
    const { count: shown, unread, waiting, last } = await this.#file.summary();
    check(shown === all.length, 'messages are counted wrongly');
    check(
      unread === all.filter((one) => one.direction === 'in' && !one.read).length,
      'what is unread is counted wrongly',
    );
    const waits = all
      .filter((one) => one.direction === 'out' && one.state === 'waiting')
      .map(({ seq }) => seq);
    check(waiting === waits.length, 'what waits is counted wrongly');
    check(this.#file.waiting.map(({ seq }) => seq).join() === waits.join(), 'something else waits');
    check(
      (last === undefined ? '' : text(last)) === (all.length === 0 ? '' : text(all.at(-1) as ChatMessage)),
      'the last is another',
    );
  }

  /** Oldest first. */
  async #all(pageSize = ALL): Promise<ChatMessage[]> {
    const all: ChatMessage[] = [];
    for (let before = Number.POSITIVE_INFINITY; ; before = all.at(-1)?.seq ?? 0) {
      const page = await this.#file.page(before, pageSize);
      check(
        page.every(({ seq }) => seq < before),
        'a page has what was asked to be before it',
      );
      all.push(...page);
      if (page.length < pageSize) return all.reverse();
    }
  }

  /** What the file says, by its lines one after the other. */
  #lines(): { messages: ChatMessage[]; count: number; damaged: number; isNothingWhole: boolean } {
    const lines = this.#bytes.toString('latin1').split('\n').slice(0, -1);
    const messages = new Map<string, ChatMessage>();
    const settled = new Map<number, 'delivered' | 'discarded'>();
    let last = 0;
    let read = 0;
    let unopened = 0;
    let damaged = 0;
    let isNothingWhole = true;
    for (const line of lines) {
      const record = this.#record(line);
      const [kind, what, id, at, said] = record ?? [];
      const name = `${String(kind)}${String(id)}`;
      if (
        record === null ||
        ((kind === 'in' || kind === 'out') && ((what as number) <= last || messages.has(name)))
      ) {
        unopened++;
        continue;
      }
      damaged = unopened;
      isNothingWhole = false;
      if (kind === 'read') read = Math.max(read, Math.min(what as number, last));
      if (kind === 'delivered' || kind === 'discarded')
        for (const seq of what as number[]) if (seq <= last && !settled.has(seq)) settled.set(seq, kind);
      if (kind !== 'in' && kind !== 'out') continue;
      last = what as number;
      const written = { seq: last, id: id as string, text: said as string, writtenAt: at as number };
      messages.set(
        name,
        kind === 'in'
          ? { ...written, direction: 'in', read: false }
          : { ...written, direction: 'out', state: 'waiting' },
      );
    }
    const shown = [...messages.values()].map(
      (one): ChatMessage =>
        one.direction === 'in'
          ? { ...one, read: one.seq <= read }
          : { ...one, state: settled.get(one.seq) ?? 'waiting' },
    );
    return { messages: shown, count: lines.length, damaged, isNothingWhole };
  }

  /** Without the peer; null for what is none. */
  #record(line: string): unknown[] | null {
    const bytes = this.#key.open(Buffer.from(line, 'base64url'));
    const decoded = bytes === null ? null : decodeCbor(bytes);
    if (!decoded?.ok || !Array.isArray(decoded.value)) return null;
    const [kind, peer, what, id, at, said] = decoded.value as unknown[];
    const isSeq = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1;
    if (!(peer instanceof Uint8Array) || !equalBytes(peer, PEER.bytes)) return null;
    switch (kind) {
      case 'read':
        return isSeq(what) ? [kind, what] : null;
      case 'delivered':
      case 'discarded':
        return Array.isArray(what) && what.every(isSeq) ? [kind, what] : null;
      case 'in':
      case 'out':
        return isSeq(what) &&
          typeof id === 'string' &&
          /^[0-9a-f]{32}$/.test(id) &&
          typeof at === 'number' &&
          typeof said === 'string'
          ? [kind, what, id, at, said]
          : null;
      default:
        return null;
    }
  }

  #newId(): string {
    return (++this.#lastId).toString(16).padStart(32, '0');
  }
}

function text(message: ChatMessage): string {
  const { seq, id, text, writtenAt } = message;
  return JSON.stringify([
    seq,
    id,
    text,
    writtenAt,
    message.direction === 'in' ? message.read : message.state,
  ]);
}
