/**
 * What was written with each peer, both ways, kept on disk. Outbox and inbox hold a message until it is delivered or
 * read; a conversation keeps it afterwards.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AtRestKey } from '../crypto/at-rest.ts';
import { type KeyPair, PublicKey } from '../crypto/keys.ts';
import { syncFolder } from '../durable-file.ts';
import { fileError, UdpToolError } from '../errors.ts';
import { lockFolder } from '../files/process-mark.ts';
import { random } from '../transport/random.ts';
import {
  type ChatMessage,
  type ConversationBounds,
  ConversationFile,
  type ConversationSummary,
} from './conversation-file.ts';
import type { Message } from './message.ts';
import type { MessageStore, Outgoing } from './message-store.ts';

/** Of each peer. */
const DEFAULT_BOUNDS: ConversationBounds = { maxMessages: 10_000, maxBytes: 16 * 1024 * 1024 };
/** Messages of one page: of the longest, some 16 MiB. */
const MAX_PAGE = 200;

const FOLDER = 'history';
const FILE_END = '.log';

export interface ConversationsOptions {
  /** The messages of the same machine. */
  readonly store: MessageStore;
  /** The key folder; conversations stand in `history/` in it. */
  readonly dir: string;
  readonly keyPair: KeyPair;
  /** Closes them. */
  readonly signal: AbortSignal;
  /** Told, as a sentence, what cannot be read, or not be taken from the inbox; that stays there. */
  readonly onTrouble?: (text: string) => void;
  /**
   * What is kept of each peer: the newest, and at times an eighth more; and all that waits, or that nobody has read. Where
   * so much is not read, the rest stays in the inbox, which is bounded itself.
   */
  readonly maxMessages?: number;
  /** Bytes on disk. */
  readonly maxBytes?: number;
}

export type ConversationChange =
  | { readonly kind: 'added'; readonly message: ChatMessage }
  | { readonly kind: 'delivered' | 'discarded'; readonly seqs: readonly number[] }
  /** What came is read, up to that one. */
  | { readonly kind: 'read'; readonly upTo: number }
  | { readonly kind: 'forgotten' };

type Listener = (peer: PublicKey, change: ConversationChange) => void;

/**
 * The conversations of a machine, for one process at a time; other processes may deliver from the same outbox, and take
 * messages into the same inbox, meanwhile.
 *
 * What is in the inbox is taken over and is read there: `udp-tool inbox` and `chat` no longer show it. What others put
 * into the outbox is taken up too, unless it was delivered before it was seen.
 */
export class Conversations implements AsyncDisposable {
  readonly #store: MessageStore;
  readonly #folder: string;
  readonly #key: AtRestKey;
  readonly #bounds: ConversationBounds;
  readonly #onTrouble: (text: string) => void;
  readonly #lock: string;
  readonly #closing = new AbortController();
  readonly #files = new Map<string, ConversationFile>();
  readonly #listeners = new Set<Listener>();
  /** One thing after the other. */
  #doing: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(options: ConversationsOptions, folder: string, lock: string) {
    const { store, keyPair, onTrouble = () => {} } = options;
    this.#store = store;
    this.#folder = folder;
    this.#key = new AtRestKey(keyPair.secretKey, random);
    this.#bounds = {
      maxMessages: options.maxMessages ?? DEFAULT_BOUNDS.maxMessages,
      maxBytes: options.maxBytes ?? DEFAULT_BOUNDS.maxBytes,
    };
    this.#onTrouble = onTrouble;
    this.#lock = lock;
  }

  /**
   * Takes over what is in the inbox, and goes on with that until the signal aborts.
   * @throws UdpToolError `locked` where another process has them open, `no-permission`, `failed`
   */
  static async open(options: ConversationsOptions): Promise<Conversations> {
    const { dir, signal } = options;
    const folder = join(dir, FOLDER);
    const lock = await failing('keep conversations', folder, async () => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return lockFolder(folder);
    });
    if (lock === null) {
      throw new UdpToolError('locked', `The conversations in ${folder} are open in another process.`, {
        hint: 'Close that one first: only one process at a time may write to them.',
      });
    }
    const conversations = new Conversations(options, folder, lock);
    try {
      await conversations.#begin(signal);
    } catch (error) {
      await conversations.close();
      throw error;
    }
    return conversations;
  }

  /** Ends what was begun; others may open them then. */
  close(): Promise<void> {
    this.#closing.abort();
    this.#closed ??= this.#doing.then(() => rm(this.#lock, { force: true }).catch(() => {}));
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The peers with whom there is a conversation, in no order. @throws UdpToolError `closed`, `no-permission`, `failed` */
  peers(): Promise<PublicKey[]> {
    return this.#do('read the conversations', async () =>
      (await readdir(this.#folder)).flatMap((name) => {
        const [, peer] = FILE.exec(name) ?? [];
        return peer === undefined ? [] : (peerOf(peer) ?? []);
      }),
    );
  }

  /**
   * Puts a message into the outbox and into the conversation: once this resolves both are on the disk.
   * @throws UdpToolError `bad-usage`, `too-large`, `not-cbor`, `spool-full`, `closed`, `no-permission`, `failed`
   */
  send(peer: PublicKey, text: string): Promise<ChatMessage> {
    return this.#do('keep the message', async () => {
      const file = await this.#file(peer);
      const message = await this.#store.queue(peer, text);
      try {
        const [added] = await file.add('out', [message]);
        this.#tell(peer, { kind: 'added', message: added as ChatMessage });
        return added as ChatMessage;
      } catch (error) {
        // Its writer hears that it failed, and will write it again.
        await this.#store.settled(message).catch(() => {});
        throw error;
      }
    });
  }

  /**
   * Messages of a conversation, the newest first.
   * @param before only those before that `seq`
   * @param limit 1 to 200
   * @throws UdpToolError `bad-usage`, `closed`, `no-permission`, `failed`
   */
  async page(
    peer: PublicKey,
    { before = Number.POSITIVE_INFINITY, limit }: { readonly before?: number; readonly limit: number },
  ): Promise<ChatMessage[]> {
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE || Number.isNaN(before)) {
      throw new UdpToolError('bad-usage', `A page has 1 to ${MAX_PAGE} messages, before a number.`);
    }
    return this.#do('read the conversation', async () => (await this.#file(peer)).page(before, limit));
  }

  /** @throws UdpToolError `closed`, `no-permission`, `failed` */
  summary(peer: PublicKey): Promise<ConversationSummary> {
    return this.#do('read the conversation', async () => (await this.#file(peer)).summary());
  }

  /** A person has seen what came, up to that one. @throws UdpToolError `bad-usage`, `closed`, `no-permission`, `failed` */
  async markRead(peer: PublicKey, upToSeq: number): Promise<void> {
    if (!Number.isSafeInteger(upToSeq)) throw new UdpToolError('bad-usage', 'A message is meant by its seq.');
    await this.#do('mark messages as read', async () => {
      const upTo = await (await this.#file(peer)).markRead(upToSeq);
      if (upTo === null) return;
      this.#tell(peer, { kind: 'read', upTo });
      this.#takeSoon(); // what had no room
    });
  }

  /**
   * Throws away what waits for a peer; in the conversation it stays, as discarded.
   * @returns how many that were
   * @throws UdpToolError `closed`, `no-permission`, `failed`
   */
  discardWaiting(peer: PublicKey): Promise<number> {
    return this.#do('discard messages', async () => {
      const file = await this.#file(peer);
      const count = await this.#store.discard(peer);
      await this.#follow(file, await this.#store.outgoing());
      return count;
    });
  }

  /**
   * Deletes a conversation from the disk, with what still waits for the peer.
   * @throws UdpToolError `closed`, `no-permission`, `failed`
   */
  forget(peer: PublicKey): Promise<void> {
    return this.#do('forget a conversation', async () => {
      const file = await this.#file(peer);
      await this.#store.discard(peer);
      // Those that were kept here before, else they would come back.
      for (const message of await this.#store.unread(peer))
        if (file.has('in', message.id)) await this.#store.markRead(message);
      this.#files.delete(peer.toString());
      for (const name of await readdir(this.#folder))
        if (name.startsWith(`${peer}.`)) await rm(join(this.#folder, name), { force: true });
      await syncFolder(this.#folder);
      this.#tell(peer, { kind: 'forgotten' });
      this.#takeSoon();
    });
  }

  /**
   * Looks into inbox and outbox now, rather than when the file system says that they changed.
   * @throws UdpToolError `closed`, `no-permission`, `failed`
   */
  refresh(): Promise<void> {
    return this.#do('take messages over', () => this.#take());
  }

  /**
   * The listener hears of each change once it is on the disk, and must not throw.
   * @returns ends that
   */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async #begin(signal: AbortSignal): Promise<void> {
    const closing = this.#closing.signal;
    const onChange = (): void => this.#takeSoon();
    if (signal.aborted) throw new UdpToolError('aborted', 'The conversations were closed.');
    signal.addEventListener('abort', () => void this.close(), { once: true, signal: closing });
    await this.#store.watch('inbox', onChange, closing);
    await this.#store.watch('outbox', onChange, closing);
    await this.refresh();
  }

  #takeSoon(): void {
    this.refresh().catch((error: UdpToolError) => {
      if (!this.#closing.signal.aborted) this.#onTrouble(error.message);
    });
  }

  /** Each peer by itself: where the file of one cannot be written, the others go on. */
  async #take(): Promise<void> {
    const outgoing = await this.#store.outgoing();
    const unread = await this.#store.unread();
    const waiting = outgoing.filter(({ state }) => state === 'waiting');
    const peers = new Map<string, PublicKey>();
    for (const { peer } of [...this.#files.values(), ...waiting, ...unread]) peers.set(peer.toString(), peer);
    const failures: unknown[] = [];
    for (const peer of peers.values()) {
      try {
        const file = await this.#file(peer);
        await this.#follow(file, outgoing);
        await this.#takeIn(
          file,
          unread.filter((message) => message.peer.equals(peer)),
        );
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** First into the conversation and down to the disk, then out of the inbox. */
  async #takeIn(file: ConversationFile, messages: readonly Message[]): Promise<void> {
    const fresh = file.isFullOfUnread ? [] : messages.filter(({ id }) => !file.has('in', id));
    if (fresh.length > 0)
      for (const message of await file.add('in', fresh)) this.#tell(file.peer, { kind: 'added', message });
    for (const message of messages) if (file.has('in', message.id)) await this.#store.markRead(message);
  }

  /** What others put into the outbox, and what became of what was there. */
  async #follow(file: ConversationFile, all: readonly Outgoing[]): Promise<void> {
    const { peer } = file;
    const outgoing = all.filter((one) => one.peer.equals(peer));
    if (outgoing.some(({ id, state }) => state === 'waiting' && !file.has('out', id))) {
      const fresh = (await this.#store.waiting(peer)).filter(({ id }) => !file.has('out', id));
      if (fresh.length > 0)
        for (const message of await file.add('out', fresh)) this.#tell(peer, { kind: 'added', message });
    }
    await this.#settle(file, outgoing);
  }

  async #settle(file: ConversationFile, outgoing: readonly Outgoing[]): Promise<void> {
    if (file.waiting.length === 0) return;
    const listed = new Map(outgoing.map(({ id, state }) => [id, state]));
    const discarded = file.waiting.filter(({ id }) => listed.get(id) === 'discarded');
    let delivered = file.waiting.filter(({ id }) => !listed.has(id));
    if (delivered.length > 0) {
      // A folder that is read while a name in it changes may show neither name.
      const again = new Set((await this.#store.outgoing()).map(({ id }) => id));
      delivered = delivered.filter(({ id }) => !again.has(id));
    }
    for (const [kind, these] of [
      ['delivered', delivered],
      ['discarded', discarded],
    ] as const) {
      const seqs = these.map(({ seq }) => seq);
      if (seqs.length === 0) continue;
      await file.settle(kind, seqs);
      this.#tell(file.peer, { kind, seqs });
    }
  }

  /** Loaded when it is needed first, and after a write that failed. */
  async #file(peer: PublicKey): Promise<ConversationFile> {
    const key = peer.toString();
    const known = this.#files.get(key);
    if (known?.isStale === false) return known;
    const path = join(this.#folder, `${key}${FILE_END}`);
    const file = await ConversationFile.load(path, peer, this.#key, this.#bounds, this.#onTrouble);
    this.#files.set(key, file);
    await this.#follow(file, await this.#store.outgoing());
    return file;
  }

  #tell(peer: PublicKey, change: ConversationChange): void {
    for (const listener of this.#listeners) listener(peer, change);
  }

  #do<T>(what: string, action: () => Promise<T>): Promise<T> {
    const done = this.#doing.then(() => {
      if (this.#closing.signal.aborted) throw new UdpToolError('closed', 'The conversations are closed.');
      return failing(what, this.#folder, action);
    });
    this.#doing = done.catch(() => {});
    return done;
  }
}

const FILE = /^(udp1[0-9a-z]+)\.log$/;

/** Undefined for a name that is none of ours. */
function peerOf(text: string): PublicKey | undefined {
  try {
    return PublicKey.parse(text);
  } catch {
    return undefined;
  }
}

async function failing<T>(what: string, folder: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw fileError(what, cause, `Is there room, and may this user write in ${folder}?`);
  }
}
