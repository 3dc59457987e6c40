/**
 * The messages of a machine on its disk, a sealed file each: `outbox/` holds what waits for its peer, `inbox/` what
 * came, and of what was read the name alone, so that it is known when it comes again.
 */
import { type FSWatcher, watch as watchFolder } from 'node:fs';
import { readdir, readFile, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../bytes.ts';
import { AtRestKey } from '../crypto/at-rest.ts';
import { type KeyPair, PublicKey } from '../crypto/keys.ts';
import { makeFolder, syncFolder, writeDurably } from '../durable-file.ts';
import { fileError, hasSystemCode, UdpToolError } from '../errors.ts';
import { random } from '../transport/random.ts';
import { checkText, decodeMessage, encodeMessage, type Message } from './message.ts';

/** Messages of one peer: those that wait for it, and those of it that nobody has read. */
export const MAX_WAITING = 1_000;
export const MAX_WAITING_BYTES: number = 4 * 1024 * 1024;
/** Names of what was read that are kept for each peer: a sender has no more on the way. */
const MAX_REMEMBERED: number = MAX_WAITING;
/** How the name of a file ends that is being written. */
const UNFINISHED = '.new';
/** A file that is still being written after so long was left by a process that died. */
const ABANDONED_MS = 60_000;
/** Changes of a folder within this are told as one. */
const WATCH_SETTLE_MS = 20;

type Folder = 'outbox' | 'inbox';
/** `read` and `discarded` files are empty, or about to be. */
type State = 'waiting' | 'read' | 'discarded';

/** A file by its name: `0000000042-udp1…-0123….waiting`, so that names sort as messages came. */
interface Entry {
  readonly file: string;
  readonly seq: number;
  readonly peer: string;
  readonly id: string;
  readonly state: State;
}

type MessageRef = Pick<Message, 'peer' | 'id'>;

/** A message in the outbox, without its text. */
export interface Outgoing {
  readonly peer: PublicKey;
  readonly id: string;
  readonly state: 'waiting' | 'discarded';
}

export class MessageStore {
  readonly #dir: string;
  readonly #key: AtRestKey;
  /** Of files in the spool, which never change. */
  readonly #sizes = new Map<string, number>();
  /** One change after the other: numbers and bounds depend on what is there. */
  #changing: Promise<unknown> = Promise.resolve();
  #isTidy = false;

  /** @param dir the key folder */
  constructor(dir: string, { secretKey }: KeyPair) {
    this.#dir = dir;
    this.#key = new AtRestKey(secretKey, random);
  }

  /**
   * Puts a message into the outbox; once this resolves it survives whatever happens to this process.
   * @throws UdpToolError `bad-usage`, `too-large`, `not-cbor`, `spool-full`, `failed`, `no-permission`
   */
  async queue(peer: PublicKey, text: string): Promise<Message> {
    checkText(text);
    const message = { id: toHex(random(16)), peer, text, writtenAt: Date.now() };
    const sealed = this.#key.seal(encodeMessage(message));
    await this.#change('keep the message', async () => {
      const entries = await this.#entries('outbox');
      if (await this.#isFull('outbox', entries.filter(isOf(peer)), sealed.length)) {
        throw new UdpToolError('spool-full', 'Too many messages wait for that peer already.', {
          hint: 'See them with "udp-tool outbox"; they leave when the peer is there.',
        });
      }
      await this.#write('outbox', entries, message, sealed);
    });
    return message;
  }

  /** What waits for a peer, in order. */
  waiting(peer: PublicKey): Promise<Message[]> {
    return this.#failing('read the outbox', () => this.#read('outbox', isOf(peer), Number.POSITIVE_INFINITY));
  }

  /** The one that waits longest. */
  async firstWaiting(peer: PublicKey): Promise<Message | undefined> {
    return (await this.#failing('read the outbox', () => this.#read('outbox', isOf(peer), 1)))[0];
  }

  /** What became of a message in the outbox: `gone` says that its peer has it. */
  async fate({ peer, id }: MessageRef): Promise<'waiting' | 'discarded' | 'gone'> {
    const entries = await this.#failing('read the outbox', () => this.#entries('outbox'));
    const state = entries.filter(isOf(peer)).find((entry) => entry.id === id)?.state;
    return state === undefined || state === 'read' ? 'gone' : state;
  }

  /** What is in the outbox, in order: what waits, and of what was discarded the newest. No file is opened. */
  async outgoing(): Promise<Outgoing[]> {
    const entries = await this.#failing('read the outbox', () => this.#entries('outbox'));
    return entries.flatMap(({ peer, id, state }) =>
      state === 'read' ? [] : [{ peer: PublicKey.parse(peer), id, state }],
    );
  }

  /** The peer has it: it waits no longer. */
  settled({ peer, id }: MessageRef): Promise<void> {
    return this.#change('forget a message', async () => {
      for (const { file } of (await this.#entries('outbox'))
        .filter(isOf(peer))
        .filter((one) => one.id === id))
        await rm(this.#path('outbox', file), { force: true });
    });
  }

  /** Throws away what waits for a peer; returns how many that were. */
  discard(peer: PublicKey): Promise<number> {
    return this.#change('discard messages', async () => {
      const waiting = (await this.#entries('outbox')).filter(isOf(peer)).filter(isWaiting);
      for (const entry of waiting) await this.#empty('outbox', entry, 'discarded');
      return waiting.length;
    });
  }

  /**
   * Puts a message of a peer into the inbox, once: `known` says that it was there before.
   * @throws UdpToolError `spool-full`, `busy` while another process takes the same one, `failed`, `no-permission`
   */
  receive(message: Message): Promise<'new' | 'known'> {
    const { id, peer } = message;
    const sealed = this.#key.seal(encodeMessage(message));
    return this.#change('keep a message', async () => {
      const entries = await this.#entries('inbox');
      const ofPeer = entries.filter(isOf(peer));
      if (ofPeer.some((entry) => entry.id === id)) return 'known';
      if (await this.#isFull('inbox', ofPeer, sealed.length)) {
        throw new UdpToolError('spool-full', 'The inbox is full: its owner should read it.');
      }
      const isNew = await this.#write('inbox', entries, message, sealed);
      const read = ofPeer.filter(({ state }) => state === 'read');
      for (const { file } of read.slice(0, Math.max(0, read.length - MAX_REMEMBERED)))
        await rm(this.#path('inbox', file), { force: true });
      return isNew ? 'new' : 'known';
    });
  }

  /** What came and was not read yet, of all peers or of one, in order. */
  unread(peer?: PublicKey): Promise<Message[]> {
    const wanted = peer === undefined ? () => true : isOf(peer);
    return this.#failing('read the inbox', () => this.#read('inbox', wanted, Number.POSITIVE_INFINITY));
  }

  /** Its text is gone from the disk afterwards. */
  markRead({ peer, id }: MessageRef): Promise<void> {
    return this.#change('mark a message as read', async () => {
      const entry = (await this.#entries('inbox')).filter(isOf(peer)).find((one) => one.id === id);
      if (entry?.state === 'waiting') await this.#empty('inbox', entry, 'read');
    });
  }

  /** How many files cannot be opened: damaged, or sealed under another key than this machine has now. */
  unreadable(): Promise<number> {
    return this.#failing('read the messages', async () => {
      let count = 0;
      for (const folder of ['outbox', 'inbox'] as const) {
        const waiting = (await this.#entries(folder)).filter(isWaiting).length;
        count += waiting - (await this.#read(folder, () => true, Number.POSITIVE_INFINITY)).length;
      }
      return count;
    });
  }

  /**
   * Calls back after something in a folder changed, until the signal aborts.
   * @throws UdpToolError `failed`, `no-permission`
   */
  watch(folder: Folder, onChange: () => void, signal: AbortSignal): Promise<void> {
    return this.#failing('watch for messages', async () => {
      await makeFolder(this.#path(folder));
      if (signal.aborted) return;
      let timer: NodeJS.Timeout | undefined;
      const watcher: FSWatcher = watchFolder(this.#path(folder), { signal }, () => {
        timer ??= setTimeout(() => {
          timer = undefined;
          onChange();
        }, WATCH_SETTLE_MS);
      });
      watcher.on('error', () => {});
      signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    });
  }

  /**
   * Looks, and looks again after each change of a folder, until something is found or the signal aborts.
   * @throws UdpToolError `failed`, `no-permission`
   */
  async waitFor<T>(
    folder: Folder,
    look: () => Promise<T | undefined>,
    late: AbortSignal,
  ): Promise<T | undefined> {
    let changed: () => void = () => {};
    const wake = (): void => changed();
    if (!late.aborted) {
      late.addEventListener('abort', wake, { once: true });
      await this.watch(folder, wake, late);
    }
    for (;;) {
      const change = new Promise<void>((done) => {
        changed = done;
      });
      const found = await look();
      if (found !== undefined || late.aborted) return found;
      await change;
    }
  }

  /** Returns whether it was written; not, where another process has taken it meanwhile. */
  async #write(
    folder: Folder,
    entries: readonly Entry[],
    { id, peer }: Message,
    sealed: Uint8Array,
  ): Promise<boolean> {
    const seq = (entries.at(-1)?.seq ?? 0) + 1;
    const name = `${String(seq).padStart(10, '0')}-${peer}-${id}`;
    await makeFolder(this.#path(folder));
    const temporary = `${peer}-${id}.${process.pid}.${toHex(random(4))}${UNFINISHED}`;
    const file = { path: this.#path(folder, `${name}.waiting`), temporary: this.#path(folder, temporary) };
    return writeDurably(file, async () => {
      await this.#refuseRivals(folder, temporary);
      const isTaken = (await this.#entries(folder)).filter(isOf(peer)).some((entry) => entry.id === id);
      return isTaken ? null : sealed;
    });
  }

  /**
   * Of two processes that take the same message at once, at least one finds the other's file and leaves it to him. Files
   * of processes that died are removed.
   * @throws UdpToolError `busy`
   */
  async #refuseRivals(folder: Folder, own: string): Promise<void> {
    const message = own.slice(0, own.indexOf('.'));
    const files = await readdir(this.#path(folder));
    for (const file of files.filter((one) => one.endsWith(UNFINISHED) && one !== own)) {
      if (await this.#isAbandoned(folder, file)) await rm(this.#path(folder, file), { force: true });
      else if (file.startsWith(`${message}.`)) {
        throw new UdpToolError('busy', 'That message is being written by another process.');
      }
    }
  }

  async #isAbandoned(folder: Folder, file: string): Promise<boolean> {
    if (!isRunning(Number(file.split('.').at(1)))) return true;
    const found = await stat(this.#path(folder, file)).catch(unlessGone);
    // A clock that was set back makes it old as well.
    return found !== undefined && Math.abs(Date.now() - found.mtimeMs) > ABANDONED_MS;
  }

  /** Its name stays, its text does not. Another process may have done so before. */
  async #empty(folder: Folder, { file }: Entry, state: State): Promise<void> {
    const emptied = this.#path(folder, file.replace(/\.waiting$/, `.${state}`));
    try {
      await rename(this.#path(folder, file), emptied);
      await truncate(emptied);
    } catch (error) {
      unlessGone(error);
    }
    await syncFolder(this.#path(folder));
  }

  /** Finishes what a process began that died: see {@link #empty}. */
  async #tidy(): Promise<void> {
    for (const { file, state } of await this.#entries('inbox')) {
      if (state === 'read' && (await this.#sizeOf('inbox', file)) > 0)
        await truncate(this.#path('inbox', file)).catch(unlessGone);
    }
    // Their names tell other processes that these were not delivered.
    const discarded = new Map<string, number>();
    for (const { file, peer, state } of (await this.#entries('outbox')).reverse()) {
      if (state !== 'discarded') continue;
      const count = (discarded.get(peer) ?? 0) + 1;
      discarded.set(peer, count);
      if (count > MAX_REMEMBERED) await rm(this.#path('outbox', file), { force: true });
      else if ((await this.#sizeOf('outbox', file)) > 0)
        await truncate(this.#path('outbox', file)).catch(unlessGone);
    }
  }

  async #read(folder: Folder, wanted: (entry: Entry) => boolean, count: number): Promise<Message[]> {
    const messages: Message[] = [];
    for (const { file, id, peer } of (await this.#entries(folder)).filter(isWaiting).filter(wanted)) {
      const sealed = await readFile(this.#path(folder, file)).catch(unlessGone);
      const bytes = sealed && this.#key.open(sealed);
      const message = bytes && decodeMessage(bytes, id, PublicKey.parse(peer));
      if (message) messages.push(message);
      if (messages.length >= count) break;
    }
    return messages;
  }

  /** In order. */
  async #entries(folder: Folder): Promise<Entry[]> {
    const files = (await readdir(this.#path(folder)).catch(unlessGone)) ?? [];
    return files
      .sort()
      .map(parseName)
      .filter((entry) => entry !== null);
  }

  /** @param ofPeer those of one peer */
  async #isFull(folder: Folder, ofPeer: readonly Entry[], more: number): Promise<boolean> {
    const waiting = ofPeer.filter(isWaiting);
    if (waiting.length >= MAX_WAITING) return true;
    let bytes = more;
    for (const { file } of waiting) bytes += await this.#sizeOf(folder, file);
    return bytes > MAX_WAITING_BYTES;
  }

  async #sizeOf(folder: Folder, file: string): Promise<number> {
    const path = this.#path(folder, file);
    const known = this.#sizes.get(path);
    if (known !== undefined) return known;
    const size = (await stat(path).catch(unlessGone))?.size ?? 0;
    // What is gone need not be known any longer; that there are so many says that some are.
    if (this.#sizes.size >= 4 * MAX_WAITING) this.#sizes.clear();
    this.#sizes.set(path, size);
    return size;
  }

  #change<T>(what: string, action: () => Promise<T>): Promise<T> {
    const change = this.#changing.then(() =>
      this.#failing(what, async () => {
        if (!this.#isTidy) await this.#tidy();
        this.#isTidy = true;
        return action();
      }),
    );
    this.#changing = change.catch(() => {});
    return change;
  }

  async #failing<T>(what: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      throw fileError(what, cause, `Is there room, and may this user write in ${this.#dir}?`);
    }
  }

  #path(folder: Folder, file = ''): string {
    return join(this.#dir, folder, file);
  }
}

const NAME = /^(\d{10})-(udp1[0-9a-z]+)-([0-9a-f]{32})\.(waiting|read|discarded)$/;

/** Null for what is none of ours. */
function parseName(file: string): Entry | null {
  const [, seq, peer, id, state] = NAME.exec(file) ?? [];
  if (seq === undefined || peer === undefined || id === undefined) return null;
  return { file, seq: Number(seq), peer, id, state: state as State };
}

function isOf(peer: PublicKey): (entry: Entry) => boolean {
  const text = peer.toString();
  return (entry) => entry.peer === text;
}

function isWaiting({ state }: Entry): boolean {
  return state === 'waiting';
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !hasSystemCode(error, 'ESRCH');
  }
}

function unlessGone(error: unknown): undefined {
  if (hasSystemCode(error, 'ENOENT')) return undefined;
  throw error;
}
