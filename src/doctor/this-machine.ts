/** What `examine` looks at before it asks anybody: the key folder, and what this machine is itself. */
import type { KeyPair } from '../crypto/keys.ts';
import { hasSystemCode, UdpToolError } from '../errors.ts';
import { refuseIfOpen } from '../file-modes.ts';
import type { KeyStore } from '../keystore.ts';
import type { PeerEntry } from '../peer-book.ts';
import type { PeerOptions } from '../remote-peer.ts';
import { interfaceAddresses } from '../transport/interfaces.ts';
import { probePort } from '../transport/probe.ts';
import { type Check, type Finding, ok, trouble } from './finding.ts';
import { fromError } from './suggestions.ts';

/** What can be used of the key folder. */
export interface KeyFolder {
  readonly keyPair: KeyPair | null;
  readonly entries: readonly PeerEntry[] | null;
  /** Those that are not paused, with their pre-shared keys. */
  readonly peers: readonly PeerOptions[] | null;
  /** The first thing that is wrong with it. */
  readonly error: UdpToolError | null;
}

/** A clock that shows less was never set. */
const EARLIEST_DATE = Date.UTC(2020, 0);
/** How long ICMP of this machine itself may take. */
const OWN_ICMP_MS = 100;

export async function* keyFolderFindings(store: KeyStore): AsyncGenerator<Finding, KeyFolder> {
  let failure: UdpToolError | null = null;
  async function* look<T>(
    check: Check,
    action: () => Promise<T>,
    tell: (value: T) => string,
  ): AsyncGenerator<Finding, T | null> {
    try {
      const value = await action();
      yield ok(check, tell(value));
      return value;
    } catch (error) {
      if (!(error instanceof UdpToolError)) throw error;
      failure ??= error;
      yield trouble(check, 'failed', fromError(error));
      return null;
    }
  }
  const folder = yield* look(
    'key-folder',
    () => checkFolder(store.dir),
    (dir) => `${dir}, which nobody else can change.`,
  );
  if (folder === null) return { keyPair: null, entries: null, peers: null, error: failure };
  const keyPair = yield* look(
    'own-key',
    () => store.loadKeyPair(),
    ({ publicKey }) => `This machine is ${publicKey}.`,
  );
  const entries = yield* look('peer-book', () => store.peers(), tellBook);
  if (entries === null) return { keyPair, entries, peers: null, error: failure };
  const peers = yield* look('pre-shared-keys', () => store.loadPeers(), tellPresharedKeys);
  return { keyPair, entries, peers, error: failure };
}

async function checkFolder(dir: string): Promise<string> {
  try {
    await refuseIfOpen(dir, 0o022, '700');
    return dir;
  } catch (cause) {
    if (!hasSystemCode(cause, 'ENOENT', 'ENOTDIR')) throw cause;
    throw new UdpToolError('key-missing', `There is no folder ${dir}.`, {
      cause,
      hint: 'Make a key with "udp-tool keygen", or say where it is with --keys DIR.',
    });
  }
}

function tellBook(entries: readonly PeerEntry[]): string {
  if (entries.length === 0) return 'It has no peers yet.';
  const told = entries.map(
    ({ name, at, paused }) => `${name}${at === undefined ? '' : ` at ${at}`}${paused ? ' (paused)' : ''}`,
  );
  return `It has ${told.join(', ')}.`;
}

function tellPresharedKeys(peers: readonly PeerOptions[]): string {
  const names = peers.filter(({ psk }) => psk !== undefined).map(({ name }) => name);
  return names.length === 0 ? 'No peer has one.' : `One for ${names.join(', ')}.`;
}

/** Only where it is wrong, since then a person will suspect it. */
export function clockFindings(now: number): Finding[] {
  if (now >= EARLIEST_DATE) return [];
  const date = new Date(now).toISOString();
  return [ok('clock', `This machine takes it to be ${date}. That does no harm: udp-tool uses no clock.`)];
}

/** Of a machine that asks nobody: where others reach it, and whether it serves. */
export async function* serverFindings(port: number): AsyncGenerator<Finding> {
  yield ok('peer', 'No peer has an address: nobody is to be asked from here.');
  const own = interfaceAddresses();
  const outside = own.filter(({ internal }) => !internal);
  yield outside.length === 0
    ? trouble('addresses', 'warning', {
        text: 'No interface of this machine has an address.',
        checks: ['Plug in the cable, or join the Wi-Fi.'],
      })
    : ok('addresses', outside.map((one) => `${one.ip} (${one.interface})`).join(', '));
  // Each of them, since "serve --host" may have chosen one.
  const results = await Promise.all(
    own.map(({ ip, interface: name }) =>
      probePort({ ip: LINK_LOCAL.test(ip) ? `${ip}%${name}` : ip, port }, OWN_ICMP_MS),
    ),
  );
  yield results.includes('silent')
    ? ok('serving', `Something listens on UDP port ${port} of this machine.`)
    : trouble('serving', 'warning', {
        text: `Nothing listens on UDP port ${port} of this machine.`,
        checks: ['Here: udp-tool serve   (unless it runs on another port)'],
      });
}

const LINK_LOCAL = /^fe80:/i;
