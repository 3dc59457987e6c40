/** Why does nothing answer? Looks at all that stands between this machine's keys and a peer's answer, in that order. */
import type { ErrorCode } from '../errors.ts';
import { type KeyStore, unknownPeer, wipePresharedKeys } from '../keystore.ts';
import type { PeerEntry } from '../peer-book.ts';
import { noAddress } from '../remote-peer.ts';
import { DEFAULT_PORT } from '../transport/resolve.ts';
import { examinePeer } from './examine-peer.ts';
import { type Finding, trouble } from './finding.ts';
import { fromError, peerPaused, type Suggestion } from './suggestions.ts';
import { clockFindings, type KeyFolder, keyFolderFindings, serverFindings } from './this-machine.ts';

export interface ExamineOptions {
  readonly store: KeyStore;
  /** Whom to ask; every peer that has an address if not given. */
  readonly peer?: string;
  /** How long to wait for each of them, in milliseconds; 5,000 if not given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Where this machine serves; {@link DEFAULT_PORT} if not given. */
  readonly port?: number;
  /** For tests: what this machine takes as the date, in milliseconds since 1970. */
  readonly date?: () => number;
}

/** What comes of it for a peer; or for this machine, where it did not come to asking anybody. */
export interface Diagnosis {
  readonly peer?: string;
  /** What asking ended with; not given where an authenticated answer came, or where nobody is to be asked. */
  readonly error?: ErrorCode;
  /** What it can be, the likeliest first; nothing where all is well. */
  readonly diagnosis: readonly Suggestion[];
}

const DEFAULT_TIMEOUT_MS = 5_000;

/**
 * Yields a finding for each thing that it looks at, and a diagnosis at the end of each peer.
 * @throws UdpToolError `aborted`
 */
export async function* examine(options: ExamineOptions): AsyncGenerator<Finding | Diagnosis, void> {
  const folder = yield* keyFolderFindings(options.store);
  try {
    yield* examineWith(folder, options);
  } finally {
    folder.keyPair?.secretKey.wipe();
    wipePresharedKeys(folder.peers ?? []);
  }
}

async function* examineWith(
  { keyPair, entries, peers, error }: KeyFolder,
  options: ExamineOptions,
): AsyncGenerator<Finding | Diagnosis, void> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal, date = Date.now } = options;
  yield* clockFindings(date());
  if (keyPair === null || entries === null || peers === null) {
    if (error !== null) yield { error: error.code, diagnosis: [fromError(error)] };
    return;
  }
  const chosen = options.peer === undefined ? askable(entries) : named(entries, options.peer);
  for (const { name, publicKey } of chosen) {
    const peer = peers.find((one) => one.name === name);
    if (peer === undefined) yield* notAsked(name, 'unknown-peer', peerPaused(name));
    else if (peer.at === undefined)
      yield* notAsked(name, 'no-address', fromError(noAddress(name, publicKey)));
    else yield* examinePeer(peer, peer.at, { keyPair, timeoutMs, ...(signal && { signal }) });
  }
  if (chosen.length > 0) return;
  if (options.peer !== undefined) {
    yield* notAsked(options.peer, 'unknown-peer', fromError(unknownPeer(options.peer)));
    return;
  }
  yield* serverFindings(options.port ?? DEFAULT_PORT);
  yield { diagnosis: [] };
}

/** Those with an address; of them those that are not paused, if there are any. */
function askable(entries: readonly PeerEntry[]): PeerEntry[] {
  const withAddress = entries.filter(({ at }) => at !== undefined);
  const active = withAddress.filter(({ paused }) => paused !== true);
  return active.length > 0 ? active : withAddress;
}

function named(entries: readonly PeerEntry[], name: string): PeerEntry[] {
  return entries.filter((entry) => entry.name === name);
}

function* notAsked(peer: string, error: ErrorCode, why: Suggestion): Generator<Finding | Diagnosis, void> {
  yield { ...trouble('peer', 'failed', why), peer };
  yield { peer, error, diagnosis: [why] };
}
