/**
 * The messages of a machine on its disk, a sealed file each: `outbox/` holds what waits for its peer, `inbox/` what
 * came, and of what was read the name alone, so that it is known when it comes again.
 */
import { type FSWatcher, watch as watchFolder } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../bytes.ts';
import { AtRestKey } from '../crypto/at-rest.ts';
import type { KeyPair } from '../crypto/keys.ts';
import { PublicKey } from '../crypto/keys.ts';
import { syncFolder, writeDurably } from '../durable-file.ts';
import { hasSystemCode, UdpToolError } from '../errors.ts';
import { random } from '../transport/random.ts';
import { checkText, decodeMessage, encodeMessage, MESSAGE_ID, type Message } from './message.ts';

/** Messages of one peer: those that wait for it, and those of it that nobody has read. */
export const MAX_WAITING = 1_000;
export const MAX_WAITING_BYTES: number = 4 * 1024 * 1024;
/** Names of what was read that are kept for each peer. A sender has far fewer on the way. */
const MAX_REMEMBERED = 4 * MAX_WAITING;
/** How the name of a file ends that is being written. */
const UNFINISHED = '.new';
/** A file that is still being written after so long was left by a process that died. */
const ABANDONED_MS = 60_000;
/** Changes of a folder within this are told as one. */
const WATCH_SETTLE_MS = 20;

type Folder = 'outbox' | 'inbox';
type State = 'waiting' | 'read';

/** A file by its name: `0000000042-udp1…-0123….waiting`, so that names sort as messages came. */
interface Entry {
  readonly file: string;
  readonly seq: number;
  readonly peer: string;
  readonly id: string;
  readonly state: State;
}

export class MessageStore {
  readonly #dir: string;
  readonly #key: AtRestKey;

  /** @param dir the key folder */
  constructor(dir: string, { secretKey }: KeyPair) {
    this.#dir = dir;
    this.#key = new AtRestKey(secretKey, random);
  }

  /**
   * Puts a message into the outbox; once this resolves it survives whatever happens to this process.
   * @throws UdpToolError `bad-usage`, `too-large`, `not-cbor`, `spool-full`, `failed`
   */
  async queue(peer: PublicKey, text: string): Promise<Message> {
    checkText(text);
    const message = { id: toHex(random(16)), peer, text, writtenAt: Date.now() };
    const sealed = this.#key.seal(encodeMessage(message));
    return this.#failing('keep the message', async () => {
      const entries = await this.#entries('outbox');
      const waiting = entries.filter((entry) => entry.peer === peer.toString());
      if (await this.#isFull('outbox', waiting, sealed.length)) {
        throw new UdpToolError('spool-full', 'Too many messages wait for that peer already.', {
          hint: 'See them with "udp-tool outbox"; they leave when the peer is there.',
        });
      }
      await this.#write('outbox', entries, message, sealed, async () => false);
      return message;
    });
  }

  /** What waits for a peer, in order. */
  waiting(peer: PublicKey): Promise<Message[]> {
    return this.#read('outbox', peer);
  }

  /** The peer has it, or is not to get it: it waits no longer. */
  async settled({ peer, id }: Pick<Message, 'peer' | 'id'>): Promise<void> {
    const entry = (await this.#entries('outbox')).find(
      (one) => one.id === id && one.peer === peer.toString(),
    );
    if (entry !== undefined) await rm(this.#path('outbox', entry.file), { force: true });
  }

  /**
   * Puts a message of a peer into the inbox, once: `known` says that it was there before.
   * @throws UdpToolError `spool-full`, `busy` while another process takes the same one, `failed`
   */
  async receive(message: Message): Promise<'new' | 'known'> {
    const sealed = this.#key.seal(encodeMessage(message));
    return this.#failing('keep a message', async () => {
      const peer = message.peer.toString();
      const isKnown = async (): Promise<boolean> =>
        (await this.#entries('inbox')).some((entry) => entry.id === message.id && entry.peer === peer);
      const entries = await this.#entries('inbox');
      const ofPeer = entries.filter((entry) => entry.peer === peer);
      if (ofPeer.some(({ id }) => id === message.id)) return 'known';
      if (
        await this.#isFull(
          'inbox',
          ofPeer.filter(({ state }) => state === 'waiting'),
          sealed.length,
        )
      ) {
        throw new UdpToolError('spool-full', 'The inbox is full: its owner should read it.');
      }
      const isNew = await this.#write('inbox', entries, message, sealed, isKnown);
      await this.#forgetOldest(ofPeer.filter(({ state }) => state === 'read'));
      return isNew ? 'new' : 'known';
    });
  }

  /** What came and was not read yet, of all peers or of one, in order. */
  unread(peer?: PublicKey): Promise<Message[]> {
    return this.#read('inbox', peer);
  }

  /** Its text is gone from the disk afterwards. */
  async markRead({ peer, id }: Pick<Message, 'peer' | 'id'>): Promise<void> {
    const entry = (await this.#entries('inbox')).find((one) => one.id === id && one.peer === peer.toString());
    if (entry?.state !== 'waiting') return;
    await this.#failing('mark a message as read', async () => {
      const read = this.#path('inbox', entry.file.replace(/\.waiting$/, '.read'));
      await rename(this.#path('inbox', entry.file), read);
      await truncate(read);
      await syncFolder(this.#path('inbox'));
    });
  }

  /** How many files cannot be opened: damaged, or sealed under another key than this machine has now. */
  async unreadable(): Promise<number> {
    let count = 0;
    for (const folder of ['outbox', 'inbox'] as const) {
      const waiting = (await this.#entries(folder)).filter(({ state }) => state === 'waiting');
      count += waiting.length - (await this.#read(folder)).length;
    }
    return count;
  }

  /** Calls back after something in a folder changed, until the signal aborts. */
  async watch(folder: Folder, onChange: () => void, signal: AbortSignal): Promise<void> {
    await mkdir(this.#path(folder), { recursive: true, mode: 0o700 });
    let timer: NodeJS.Timeout | undefined;
    const watcher: FSWatcher = watchFolder(this.#path(folder), { signal }, () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        onChange();
      }, WATCH_SETTLE_MS);
    });
    watcher.on('error', () => {});
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }

  async #write(
    folder: Folder,
    entries: readonly Entry[],
    { id, peer }: Message,
    sealed: Uint8Array,
    unless: () => Promise<boolean>,
  ): Promise<boolean> {
    const seq = (entries.at(-1)?.seq ?? 0) + 1;
    const name = `${String(seq).padStart(10, '0')}-${peer}-${id}.waiting`;
    await mkdir(this.#path(folder), { recursive: true, mode: 0o700 });
    const temporary = `${peer}-${id}.${process.pid}${UNFINISHED}`;
    const file = { path: this.#path(folder, name), temporary: this.#path(folder, temporary) };
    return writeDurably(file, async () => {
      await this.#refuseRivals(folder, temporary);
      return (await unless()) ? null : sealed;
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
    if (!isRunning(Number(file.split('.').at(-2)))) return true;
    const found = await stat(this.#path(folder, file)).catch(unlessGone);
    // A clock that was set back makes it old as well.
    return found !== undefined && Math.abs(Date.now() - found.mtimeMs) > ABANDONED_MS;
  }

  async #read(folder: Folder, of?: PublicKey): Promise<Message[]> {
    const wanted = of?.toString();
    const messages: Message[] = [];
    for (const { file, id, peer, state } of await this.#entries(folder)) {
      if (state !== 'waiting' || (wanted !== undefined && peer !== wanted)) continue;
      const sealed = await readFile(this.#path(folder, file)).catch(unlessGone);
      const bytes = sealed && this.#key.open(sealed);
      const message = bytes && decodeMessage(bytes, id, PublicKey.parse(peer));
      if (message) messages.push(message);
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

  async #isFull(folder: Folder, waiting: readonly Entry[], more: number): Promise<boolean> {
    if (waiting.length >= MAX_WAITING) return true;
    // Only a spool of many or of large messages can be full.
    let bytes = more;
    for (const { file } of waiting) {
      bytes += (await stat(this.#path(folder, file)).catch(unlessGone))?.size ?? 0;
      if (bytes > MAX_WAITING_BYTES) return true;
    }
    return false;
  }

  async #forgetOldest(read: readonly Entry[]): Promise<void> {
    for (const { file } of read.slice(0, Math.max(0, read.length - MAX_REMEMBERED)))
      await rm(this.#path('inbox', file), { force: true });
  }

  async #failing<T>(what: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      if (cause instanceof UdpToolError) throw cause;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new UdpToolError('failed', `Cannot ${what}: ${message}`, {
        cause,
        hint: `Is there room, and may this user write in ${this.#dir}?`,
      });
    }
  }

  #path(folder: Folder, file = ''): string {
    return join(this.#dir, folder, file);
  }
}

const NAME = /^(\d{10})-(udp1[0-9a-z]+)-([0-9a-f]{32})\.(waiting|read)$/;

/** Null for what is none of ours. */
function parseName(file: string): Entry | null {
  const [, seq, peer, id, state] = NAME.exec(file) ?? [];
  if (seq === undefined || peer === undefined || id === undefined || !MESSAGE_ID.test(id)) return null;
  return { file, seq: Number(seq), peer, id, state: state as State };
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
