/** The key folder: this machine's secret key, and the peer book that a person can read and edit. */
import { randomBytes } from 'node:crypto';
import { type FSWatcher, watch as watchFolder } from 'node:fs';
import { chmod, link, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { utf8 } from './bytes.ts';
import { type KeyPair, keyPairFromSecret, PresharedKey, SecretKey } from './crypto/keys.ts';
import { makeFolder, writeDurably } from './durable-file.ts';
import { fileError, hasSystemCode, UdpToolError } from './errors.ts';
import { refuseIfOpen, refuseIfShared } from './file-modes.ts';
import { type PeerEntry, parseBook, permissionsOf, placeFor, withoutTable, withTable } from './peer-book.ts';
import { checkPeerName } from './peer-name.ts';
import type { PeerOptions } from './remote-peer.ts';
import { keyLine, ofHexText, readSecret, writeNew } from './secret-file.ts';
import { parseHostPort } from './transport/resolve.ts';

const SECRET_FILE = 'secret.key';
const BOOK_FILE = 'peers.toml';
/** The new book while it is written; that it exists keeps a second writer away. */
const NEW_BOOK_FILE = 'peers.toml.new';
/** The name of the secret key among the credentials that systemd hands to a service: `LoadCredential=` of its unit. */
export const SECRET_CREDENTIAL = 'udp-tool.secret.key';
const WATCH_SETTLE_MS = 100;

/** A new keypair from the system's cryptographic source. */
export function generateKeyPair(): KeyPair {
  return keyPairFromSecret(SecretKey.generate(randomBytes));
}

/**
 * Where the keys are: `dir`, else `UDP_TOOL_KEYS`, else `./keys` where that is ours (see {@link isOurs}), else the XDG
 * config folder.
 */
export async function keyFolder(dir?: string): Promise<string> {
  const named = dir ?? process.env['UDP_TOOL_KEYS'];
  if (named !== undefined && named !== '') return resolve(named);
  if (await isOurs('keys')) return resolve('keys');
  const config = process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config');
  return join(config, 'udp-tool');
}

/**
 * Whether a folder that merely happens to be called `keys` may be taken: it belongs to this user, others cannot write
 * into it, and it holds a secret key already, or what a fresh checkout has, at most with a peer book that this program
 * wrote (closed to others, as no checkout makes files). Anything else there may have been put by somebody who wants to
 * be trusted, or has nothing to do with us.
 */
async function isOurs(dir: string): Promise<boolean> {
  try {
    const { mode, uid } = await stat(dir);
    if (process.platform !== 'win32' && ((mode & 0o002) !== 0 || uid !== process.getuid?.())) return false;
    const files = await readdir(dir);
    if (files.includes(SECRET_FILE)) return true;
    if (!files.includes('README.md') || files.some((file) => file !== 'README.md' && file !== BOOK_FILE))
      return false;
    return !files.includes(BOOK_FILE) || ((await stat(join(dir, BOOK_FILE))).mode & 0o077) === 0;
  } catch {
    return false;
  }
}

/**
 * The secret key that the service manager hands to this process, systemd.exec(5) CREDENTIALS: so a service needs no right
 * to read the key folder's. Undefined where there is none.
 */
export async function secretCredential(): Promise<string | undefined> {
  const dir = process.env['CREDENTIALS_DIRECTORY'];
  if (dir === undefined || !isAbsolute(dir)) return undefined;
  const path = join(dir, SECRET_CREDENTIAL);
  // One that is there and cannot be looked at is told of when it is read.
  return (await exists(path).catch(() => true)) ? path : undefined;
}

export class KeyStore {
  readonly dir: string;
  readonly #credential: string | undefined;

  /** @param credential a file that takes the place of the folder's secret key, as {@link secretCredential} gives it */
  constructor(dir: string, credential?: string) {
    this.dir = dir;
    this.#credential = credential;
  }

  /** @throws UdpToolError `key-exists`: a keypair is never overwritten; `no-permission`; `failed` */
  async createKeyPair(): Promise<KeyPair> {
    const pair = generateKeyPair();
    const path = this.#path(SECRET_FILE);
    const temporary = `${path}.${process.pid}.new`;
    await this.#failing('make a key', async () => {
      if (await exists(path)) throw keyExists(path);
      await makeFolder(this.dir);
      await refuseIfShared(this.dir);
      await chmod(this.dir, 0o700);
      const about = `# The secret key of this machine. Whoever has it can pose as this machine: never share it.\n# Public key: ${pair.publicKey}\n`;
      const secret = pair.secretKey.exportBytes();
      try {
        await writeNew(temporary, [utf8(about), secret, utf8('\n')]);
      } finally {
        secret.fill(0);
      }
      try {
        await link(temporary, path);
      } catch (cause) {
        if (hasSystemCode(cause, 'EEXIST')) throw keyExists(path);
        // A file system without hard links.
        if (await exists(path)) throw keyExists(path);
        await rename(temporary, path);
      } finally {
        await unlink(temporary).catch(() => {});
      }
    });
    return pair;
  }

  /** @throws UdpToolError `key-missing`, `key-unsafe`, `bad-key`, `no-permission` */
  async loadKeyPair(): Promise<KeyPair> {
    const path = this.#credential ?? this.#path(SECRET_FILE);
    const bytes = await this.#failing('read the secret key', () => readSecret(path));
    if (bytes === null) {
      throw new UdpToolError('key-missing', `There is no key in ${this.dir}.`, {
        hint: 'Make one with "udp-tool pair", with the other machine at hand, or "udp-tool keygen"; or say where it is with --keys DIR.',
      });
    }
    try {
      await refuseIfOpen(dirname(path), 0o022, '700');
      await refuseIfOpen(path, this.#credential === undefined ? 0o077 : OPEN_CREDENTIAL);
      return keyPairFromSecret(SecretKey.parseBytes(keyLine(bytes)));
    } catch (cause) {
      if (!(cause instanceof UdpToolError) || cause.code !== 'bad-key') throw cause;
      throw new UdpToolError('bad-key', `${path} holds no secret key, or it was changed.`, {
        cause,
        hint: 'Restore it from your backup, or move it away, run "udp-tool keygen" and tell the peers the new key.',
      });
    } finally {
      bytes.fill(0);
    }
  }

  /** @throws UdpToolError `bad-peer-book`, `key-unsafe`, `no-permission` */
  async peers(): Promise<PeerEntry[]> {
    return parseBook(await this.#readBook(), this.#path(BOOK_FILE));
  }

  /**
   * The peers with their pre-shared keys read, as an endpoint takes them; without those that are paused.
   * @throws as {@link peers}, and `bad-key`
   */
  async loadPeers(): Promise<PeerOptions[]> {
    const entries = (await this.peers()).filter(({ paused }) => paused !== true);
    return Promise.all(
      entries.map(async (entry) => {
        const { name, publicKey, at, psk } = entry;
        return {
          name,
          publicKey,
          permissions: permissionsOf(entry),
          ...(at === undefined ? {} : { at }),
          ...(psk === undefined ? {} : { psk: await this.#readPresharedKey(psk) }),
        };
      }),
    );
  }

  /**
   * Trusts a peer; one that has that name and key already gets the address and pre-shared key given here, and keeps
   * what is not given.
   * @throws UdpToolError `bad-usage` for a name or key that is taken, or a name that cannot be one; `bad-key`; and as
   *   {@link peers}
   */
  async addPeer(entry: PeerEntry): Promise<void> {
    checkPeerName(entry.name);
    if (entry.at !== undefined) parseHostPort(entry.at);
    if (entry.psk !== undefined) await this.#readPresharedKey(entry.psk);
    await this.#changeBook((text, peers) => {
      const before = placeFor(entry, peers);
      if (before === undefined) return withTable(text, entry);
      return withTable(withoutTable(text, entry.name), { ...before, ...entry });
    });
  }

  /** @throws UdpToolError `unknown-peer`, and as {@link peers} */
  async peer(name: string): Promise<PeerEntry> {
    return entryOf(await this.peers(), name);
  }

  /** Returns what the book says of the peer now. @throws as {@link peer} */
  async changePeer(name: string, change: (entry: PeerEntry) => PeerEntry): Promise<PeerEntry> {
    let changed: PeerEntry | undefined;
    await this.#changeBook((text, peers) => {
      changed = change(entryOf(peers, name));
      return withTable(withoutTable(text, name), changed);
    });
    return changed as unknown as PeerEntry;
  }

  /** Returns what the book said of the peer. @throws as {@link peer} */
  async removePeer(name: string): Promise<PeerEntry> {
    let removed: PeerEntry | undefined;
    await this.#changeBook((text, peers) => {
      removed = entryOf(peers, name);
      return withoutTable(text, name);
    });
    return removed as unknown as PeerEntry;
  }

  /** Calls back after the book was changed, until the signal aborts. */
  watch(onChange: () => void, signal: AbortSignal): void {
    let timer: NodeJS.Timeout | undefined;
    const watcher: FSWatcher = watchFolder(this.dir, { signal }, (_event, file) => {
      if (file !== BOOK_FILE) return;
      clearTimeout(timer);
      timer = setTimeout(onChange, WATCH_SETTLE_MS);
    });
    watcher.on('error', () => {});
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }

  async #changeBook(change: (text: string, peers: PeerEntry[]) => string): Promise<void> {
    const path = this.#path(BOOK_FILE);
    const temporary = this.#path(NEW_BOOK_FILE);
    await this.#failing('change the peer book', async () => {
      await makeFolder(this.dir);
      // A book that others may read, as that of a service of the system, stays so.
      const mode = ((await stat(path).catch(() => null))?.mode ?? 0o600) & 0o755;
      try {
        await writeDurably({ path, temporary, mode }, async () => {
          const text = await this.#readBook();
          const changed = change(text, parseBook(text, path));
          parseBook(changed, path);
          return changed;
        });
      } catch (cause) {
        if (!hasSystemCode(cause, 'EEXIST')) throw cause;
        throw new UdpToolError('failed', 'Another udp-tool is changing the peer book.', {
          cause,
          hint: `Try again; if none is running, one was stopped half-way: remove ${temporary}.`,
        });
      }
    });
  }

  async #readBook(): Promise<string> {
    const path = this.#path(BOOK_FILE);
    const text = await this.#read(path, 'read the peer book');
    if (text === null) return '';
    // Whoever writes the book decides who is trusted.
    await refuseIfOpen(this.dir, 0o022, '700');
    await refuseIfOpen(path, 0o022);
    return text;
  }

  async #readPresharedKey(name: string): Promise<PresharedKey> {
    const path = isAbsolute(name) ? name : this.#path(name);
    return this.#failing('read the pre-shared key', async () => {
      const bytes = await readSecret(path);
      if (bytes === null) {
        throw new UdpToolError('key-missing', `There is no pre-shared key at ${path}.`, { hint: PSK_HINT });
      }
      try {
        await refuseIfOpen(path, 0o077);
        const ofText = ofHexText(bytes);
        const psk = PresharedKey.fromBytes(ofText ?? bytes);
        ofText?.fill(0);
        return psk;
      } finally {
        bytes.fill(0);
      }
    });
  }

  async #read(path: string, what: string): Promise<string | null> {
    return this.#failing(what, async () => {
      try {
        return await readFile(path, 'utf8');
      } catch (cause) {
        if (hasSystemCode(cause, 'ENOENT')) return null;
        throw cause;
      }
    });
  }

  /** What the system says, as errors of ours. */
  async #failing<T>(what: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      throw fileError(
        what,
        cause,
        `Look at the folder with "ls -la ${this.dir}", or name another with --keys DIR.`,
      );
    }
  }

  #path(name: string): string {
    return join(this.dir, name);
  }
}

/** Once an endpoint has these peers, it needs their pre-shared keys no more. */
export function wipePresharedKeys(peers: readonly PeerOptions[]): void {
  for (const { psk } of peers) psk?.wipe();
}

function entryOf(peers: readonly PeerEntry[], name: string): PeerEntry {
  const entry = peers.find((peer) => peer.name === name);
  if (entry !== undefined) return entry;
  throw unknownPeer(name);
}

/** @internal */
export function unknownPeer(name: string): UdpToolError {
  return new UdpToolError('unknown-peer', `No peer is called "${name}".`, {
    hint: 'See the peers with "udp-tool peer list".',
  });
}

/**
 * What the mode of a credential must not have. systemd lets the service's user read it by an ACL, whose mask is shown as
 * what the group may.
 */
const OPEN_CREDENTIAL = 0o037;

const PSK_HINT =
  'Make one with "head -c 32 /dev/urandom > FILE; chmod 600 FILE", and bring it to the other machine in secret.';

function keyExists(path: string): UdpToolError {
  return new UdpToolError('key-exists', `There is a key already: ${path}`, {
    hint: 'It is never overwritten. See its public half with "udp-tool peer show"; for another key name another folder with --keys DIR.',
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (hasSystemCode(error, 'ENOENT')) return false;
    throw error;
  }
}
