/**
 * A conversation on disk: what was written both ways, and what became of it, in one file that grows at its end. A line is
 * a record, sealed and in base64url: so a damaged one costs itself alone, and an end that was being written when the power
 * went is known by its missing seal.
 */
import { constants } from 'node:fs';
import { open, readFile, rename, rm, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { toHex } from '../bytes.ts';
import type { AtRestKey } from '../crypto/at-rest.ts';
import type { PublicKey } from '../crypto/keys.ts';
import { syncFolder, writeDurably } from '../durable-file.ts';
import { hasSystemCode } from '../errors.ts';
import { random } from '../transport/random.ts';
import { decodeCbor, encodeCbor } from '../wire/cbor.ts';
import { MESSAGE_ID, type Message } from './message.ts';

interface Written {
  /** Its place in the conversation: from 1, never used again, with gaps where something was dropped. */
  readonly seq: number;
  readonly id: string;
  readonly text: string;
  /** What the clock of its writer said, in milliseconds since 1970. */
  readonly writtenAt: number;
}

export interface IncomingChatMessage extends Written {
  readonly direction: 'in';
  /** A person has seen it here. */
  readonly read: boolean;
}

export interface OutgoingChatMessage extends Written {
  readonly direction: 'out';
  readonly state: 'waiting' | 'delivered' | 'discarded';
}

export type ChatMessage = IncomingChatMessage | OutgoingChatMessage;

export interface ConversationSummary {
  /** Messages that are kept. */
  readonly count: number;
  readonly unread: number;
  /** For the peer to come, or to be there. */
  readonly waiting: number;
  readonly last?: ChatMessage;
}

/**
 * What a conversation keeps: the newest messages, until they are so many, or so many bytes of its file; and all that waits
 * or that nobody has read.
 */
export interface ConversationBounds {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

type Direction = ChatMessage['direction'];
type OutState = OutgoingChatMessage['state'];

/** A record as it is sealed, but for the peer's key, which keeps one file from taking the place of another. */
type Stored =
  | {
      readonly kind: Direction;
      readonly seq: number;
      readonly id: string;
      readonly at: number;
      readonly text: string;
    }
  | { readonly kind: 'delivered' | 'discarded'; readonly seqs: readonly number[] }
  | { readonly kind: 'read'; readonly upTo: number };

/** A message by its place in the file. */
interface Entry {
  readonly seq: number;
  readonly id: string;
  readonly direction: Direction;
  /** Of what was written here. */
  state: OutState;
  offset: number;
  /** With the line's end. */
  readonly length: number;
}

/** Lines that are opened in one turn of the event loop: some milliseconds. */
const LINES_A_TURN = 256;
/** The file is written anew when it has outgrown its bounds by this part of them, so not for every message. */
const SLACK = 1 / 8;
const LINE_END = 0x0a;

/** Of one process, which calls one method after the other has ended. */
export class ConversationFile {
  readonly peer: PublicKey;
  readonly #path: string;
  readonly #key: AtRestKey;
  readonly #bounds: ConversationBounds;
  /** In order. */
  #entries: Entry[] = [];
  readonly #byId = new Map<string, Entry>();
  readonly #waiting = new Set<Entry>();
  #readUpTo = 0;
  #unread = 0;
  #lastSeq = 0;
  /** Up to the end of the last record that is whole. */
  #size = 0;
  #rewriteAt: ConversationBounds;
  #isStale = false;

  private constructor(path: string, peer: PublicKey, key: AtRestKey, bounds: ConversationBounds) {
    this.#path = path;
    this.peer = peer;
    this.#key = key;
    this.#bounds = bounds;
    this.#rewriteAt = this.#slackAbove({ maxMessages: 0, maxBytes: 0 });
  }

  /**
   * @param onTrouble told, as a sentence, what of the file is lost
   * @throws what the file system says
   */
  static async load(
    path: string,
    peer: PublicKey,
    key: AtRestKey,
    bounds: ConversationBounds,
    onTrouble: (text: string) => void,
  ): Promise<ConversationFile> {
    const file = new ConversationFile(path, peer, key, bounds);
    await file.#load(onTrouble);
    return file;
  }

  /** A write failed, and what is on the disk has to be looked at anew: by loading the file again. */
  get isStale(): boolean {
    return this.#isStale;
  }

  has(direction: Direction, id: string): boolean {
    return this.#byId.has(direction + id);
  }

  /** What was written here and is not known to have arrived. */
  get waiting(): readonly { readonly seq: number; readonly id: string }[] {
    return [...this.#waiting];
  }

  /** What nobody has read fills the bounds: more of it would only grow the file. */
  get isFullOfUnread(): boolean {
    const bytes = this.#unreadUpTo(this.#lastSeq).reduce((total, { length }) => total + length, 0);
    return this.#unread >= this.#bounds.maxMessages || bytes >= this.#bounds.maxBytes;
  }

  /**
   * Adds messages at the end; once this resolves they are on the disk.
   * @throws UdpToolError `not-cbor`; what the file system says, and then nothing was added
   */
  async add(direction: Direction, messages: readonly Message[]): Promise<ChatMessage[]> {
    const first = this.#lastSeq + 1;
    await this.#append(
      messages.map(({ id, text, writtenAt }, i) => ({
        kind: direction,
        seq: first + i,
        id,
        at: writtenAt,
        text,
      })),
    );
    return messages.map(({ id, text, writtenAt }, i) =>
      direction === 'in'
        ? { seq: first + i, id, direction, text, writtenAt, read: false }
        : { seq: first + i, id, direction, text, writtenAt, state: 'waiting' },
    );
  }

  /** @throws what the file system says */
  async settle(kind: 'delivered' | 'discarded', seqs: readonly number[]): Promise<void> {
    await this.#append([{ kind, seqs }]);
  }

  /**
   * @returns up to where all is read now; null where that was so before
   * @throws what the file system says
   */
  async markRead(upToSeq: number): Promise<number | null> {
    const upTo = Math.min(upToSeq, this.#lastSeq);
    if (this.#unreadUpTo(upTo).length === 0) return null;
    await this.#append([{ kind: 'read', upTo }]);
    return upTo;
  }

  /** The newest first, of those before `before`. @throws what the file system says */
  async page(before: number, limit: number): Promise<ChatMessage[]> {
    const end = this.#entries.findLastIndex(({ seq }) => seq < before) + 1;
    return this.#read(this.#entries.slice(Math.max(0, end - limit), end).reverse());
  }

  /** @throws what the file system says */
  async summary(): Promise<ConversationSummary> {
    const [last] = await this.page(Number.POSITIVE_INFINITY, 1);
    return {
      count: this.#entries.length,
      unread: this.#unread,
      waiting: this.#waiting.size,
      ...(last && { last }),
    };
  }

  async #load(onTrouble: (text: string) => void): Promise<void> {
    await rm(this.#temporary, { force: true }); // of a process that died while it wrote
    const bytes = await readFile(this.#path).catch(unlessGone);
    if (bytes === undefined) return;
    let lines = 0;
    let unopened = 0;
    let damaged = 0;
    for (let start = 0, end = 0; (end = bytes.indexOf(LINE_END, start) + 1) > 0; start = end) {
      const stored = this.#opened(bytes.subarray(start, end - 1));
      if (stored === null || !this.#apply(stored, start, end - start)) {
        unopened++;
      } else {
        // What stands behind the last whole one was being written, and nobody was told that it is kept.
        damaged = unopened;
        this.#size = end;
      }
      if (++lines % LINES_A_TURN === 0) await nextTurn();
    }
    if (lines > 0 && this.#size === 0) await this.#setAside(onTrouble);
    else if (damaged > 0) {
      onTrouble(`${damaged} records of the conversation in ${this.#path} are damaged.`);
    }
  }

  /** Nothing in it can be opened: it is another key's, and is not lost with what is written now. */
  async #setAside(onTrouble: (text: string) => void): Promise<void> {
    const aside = `${this.#path}.${toHex(random(4))}.unreadable`;
    await rename(this.#path, aside);
    await syncFolder(dirname(this.#path));
    onTrouble(
      `A conversation cannot be opened: it is damaged, or sealed under another key than this machine has now. It is kept as ${aside}.`,
    );
  }

  #opened(line: Uint8Array): Stored | null {
    const sealed = Buffer.from(
      Buffer.from(line.buffer, line.byteOffset, line.length).toString('latin1'),
      'base64url',
    );
    const bytes = this.#key.open(sealed);
    return bytes && parse(bytes, this.peer);
  }

  /** False where it cannot follow what is there. */
  #apply(stored: Stored, offset: number, length: number): boolean {
    switch (stored.kind) {
      case 'in':
      case 'out': {
        const { kind: direction, seq, id } = stored;
        if (seq <= this.#lastSeq || this.has(direction, id)) return false;
        const entry: Entry = { seq, id, direction, state: 'waiting', offset, length };
        this.#entries.push(entry);
        this.#byId.set(direction + id, entry);
        this.#lastSeq = seq;
        if (direction === 'out') this.#waiting.add(entry);
        else this.#unread++;
        return true;
      }
      case 'read': {
        // Those behind the last may be damaged, and their numbers will be others'.
        const upTo = Math.min(stored.upTo, this.#lastSeq);
        this.#unread -= this.#unreadUpTo(upTo).length;
        this.#readUpTo = Math.max(this.#readUpTo, upTo);
        return true;
      }
      default: {
        const seqs = new Set(stored.seqs);
        for (const entry of this.#waiting) {
          if (!seqs.has(entry.seq)) continue;
          entry.state = stored.kind;
          this.#waiting.delete(entry);
        }
        return true;
      }
    }
  }

  #unreadUpTo(upTo: number): Entry[] {
    const first = this.#entries.findLastIndex(({ seq }) => seq <= this.#readUpTo) + 1;
    return this.#entries.slice(first).filter((entry) => this.#isUnread(entry) && entry.seq <= upTo);
  }

  #isUnread({ seq, direction }: Entry): boolean {
    return direction === 'in' && seq > this.#readUpTo;
  }

  async #append(records: readonly Stored[]): Promise<void> {
    const lines = records.map((record) => this.#line(record));
    try {
      await this.#write(Buffer.concat(lines));
    } catch (error) {
      this.#isStale = true;
      await truncate(this.#path, this.#size).catch(() => {});
      throw error;
    }
    for (const [i, record] of records.entries()) {
      const { length } = lines[i] as Buffer;
      this.#apply(record, this.#size, length);
      this.#size += length;
    }
    if (this.#entries.length <= this.#rewriteAt.maxMessages && this.#size <= this.#rewriteAt.maxBytes) return;
    try {
      await this.#dropOldest();
    } catch {
      this.#isStale = true; // what was added is kept; the next time will do
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const file = await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      // What a process left that died while it wrote.
      if ((await file.stat()).size > this.#size) await file.truncate(this.#size);
      for (let done = 0; done < bytes.length; ) {
        done += (await file.write(bytes, done, bytes.length - done, this.#size + done)).bytesWritten;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (this.#size === 0) await syncFolder(dirname(this.#path));
  }

  /** Writes the file anew, with what is within the bounds, and what still waits or is not read. */
  async #dropOldest(): Promise<void> {
    const { maxMessages, maxBytes } = this.#bounds;
    const kept: Entry[] = [];
    let count = 0;
    let total = 0;
    for (const entry of this.#entries.toReversed()) {
      const fits = ++count <= maxMessages && (total += entry.length) <= maxBytes;
      if (fits || count === 1 || this.#waiting.has(entry) || this.#isUnread(entry)) kept.unshift(entry);
    }
    const old = await readFile(this.#path);
    const lines: Buffer[] = kept.map(({ offset, length }) => old.subarray(offset, offset + length));
    for (const kind of ['delivered', 'discarded'] as const) {
      const seqs = kept.filter((one) => one.direction === 'out' && one.state === kind).map(({ seq }) => seq);
      if (seqs.length > 0) lines.push(this.#line({ kind, seqs }));
    }
    if (this.#readUpTo > 0) lines.push(this.#line({ kind: 'read', upTo: this.#readUpTo }));
    const bytes = Buffer.concat(lines);
    await rm(this.#temporary, { force: true });
    await writeDurably({ path: this.#path, temporary: this.#temporary }, async () => bytes);
    this.#entries = kept;
    this.#byId.clear();
    let offset = 0;
    for (const entry of kept) {
      entry.offset = offset;
      offset += entry.length;
      this.#byId.set(entry.direction + entry.id, entry);
    }
    this.#size = bytes.length;
    this.#unread = this.#unreadUpTo(this.#lastSeq).length;
    this.#rewriteAt = this.#slackAbove({ maxMessages: kept.length, maxBytes: bytes.length });
  }

  /** More than the bounds, and than what there is. */
  #slackAbove({ maxMessages, maxBytes }: ConversationBounds): ConversationBounds {
    return {
      maxMessages: Math.max(this.#bounds.maxMessages, maxMessages) + this.#bounds.maxMessages * SLACK,
      maxBytes: Math.max(this.#bounds.maxBytes, maxBytes) + this.#bounds.maxBytes * SLACK,
    };
  }

  /** What cannot be opened any more is left out. */
  async #read(entries: readonly Entry[]): Promise<ChatMessage[]> {
    if (entries.length === 0) return [];
    const messages: ChatMessage[] = [];
    const file = await open(this.#path, 'r');
    try {
      for (const { seq, direction, state, offset, length } of entries) {
        const line = Buffer.alloc(length - 1);
        await file.read(line, 0, line.length, offset);
        const stored = this.#opened(line);
        if (stored === null || !('text' in stored) || stored.seq !== seq) continue;
        const { id, text, at: writtenAt } = stored;
        messages.push(
          direction === 'in'
            ? { seq, id, direction, text, writtenAt, read: seq <= this.#readUpTo }
            : { seq, id, direction, text, writtenAt, state },
        );
      }
    } finally {
      await file.close();
    }
    return messages;
  }

  #line(stored: Stored): Buffer {
    const sealed = this.#key.seal(encode(stored, this.peer));
    return Buffer.from(`${Buffer.from(sealed).toString('base64url')}\n`, 'latin1');
  }

  get #temporary(): string {
    return `${this.#path}.new`;
  }
}

/** `[kind, peer, …]` */
function encode(stored: Stored, peer: PublicKey): Uint8Array {
  if (stored.kind === 'read') return encodeCbor([stored.kind, peer.bytes, stored.upTo]);
  if ('seqs' in stored) return encodeCbor([stored.kind, peer.bytes, stored.seqs]);
  return encodeCbor([stored.kind, peer.bytes, stored.seq, stored.id, stored.at, stored.text]);
}

/** Null for what is no record of a conversation with that peer. */
function parse(bytes: Uint8Array, peer: PublicKey): Stored | null {
  const decoded = decodeCbor(bytes);
  if (!decoded.ok || !Array.isArray(decoded.value)) return null;
  const [kind, storedPeer, what, id, at, text] = decoded.value as readonly unknown[];
  if (!(storedPeer instanceof Uint8Array) || Buffer.compare(storedPeer, peer.bytes) !== 0) return null;
  if (kind === 'delivered' || kind === 'discarded') {
    return Array.isArray(what) && what.every(isSeq) ? { kind, seqs: what } : null;
  }
  if (!isSeq(what)) return null;
  if (kind === 'read') return { kind, upTo: what };
  if (kind !== 'in' && kind !== 'out') return null;
  if (typeof id !== 'string' || !MESSAGE_ID.test(id)) return null;
  if (typeof at !== 'number' || typeof text !== 'string') return null;
  return { kind, seq: what, id, at, text };
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function unlessGone(error: unknown): undefined {
  if (hasSystemCode(error, 'ENOENT')) return undefined;
  throw error;
}
