/** `peers`: which peers can be reached now, and how. `peer list` tells what the book says, and asks nobody. */

import type { Command } from 'commander';
import {
  createEndpoint,
  FindPaths,
  formatAddress,
  type PathInfo,
  type PathKind,
  type PublicKey,
  type RemotePeer,
  UdpToolError,
} from '../index.ts';
import { interruption, type KeyOptions, messageFolder, openKeyStore } from './context.ts';
import { EXIT } from './exit-code.ts';
import { keysOption, lanOption, timeoutOption } from './options.ts';
import { data, json, note } from './output.ts';
import { relayedSentence } from './relayed.ts';

interface PeersOptions extends KeyOptions {
  readonly timeout: number;
  readonly lan: boolean;
  readonly json?: boolean;
}

interface Row {
  readonly peer: RemotePeer;
  readonly path: PathInfo | null;
  readonly lastSeen: Date | undefined;
}

const PATHS: Readonly<Record<PathKind, string>> = {
  direct: 'direct',
  lan: 'LAN',
  punched: 'punched',
  relayed: 'relayed',
};

export function addPeers(program: Command): void {
  program
    .command('peers')
    .description('which peers can be reached now, and how: direct, LAN, punched through NATs, or relayed')
    .addOption(timeoutOption('how long to look for each'))
    .addOption(lanOption())
    .addOption(keysOption())
    .option('--json', 'one object a line')
    .action(peers);
}

async function peers(options: PeersOptions): Promise<void> {
  const signal = interruption();
  const store = await openKeyStore(options);
  const keyPair = await store.loadKeyPair();
  const book = await store.loadPeers();
  if (book.length === 0)
    note(`No peers in ${store.dir}. Add one: udp-tool peer add NAME KEY [--at HOST:PORT]`);
  await using endpoint = await createEndpoint({ keyPair, peers: book, commands: [] });
  await using paths = await FindPaths.begin({
    endpoint,
    folder: messageFolder(store),
    lan: options.lan,
    announces: false,
    onTrouble: note,
  });
  const rows = await Promise.all(
    endpoint.peers.map(async (peer): Promise<Row> => {
      // Before this run finds it, or every peer that answers would have been seen just now.
      const lastSeen = paths.seen.of(peer.publicKey)[0]?.at;
      const path = await pathTo(peer, options.timeout, signal);
      return { peer, path, lastSeen: path === null ? lastSeen : new Date() };
    }),
  );
  if (options.json) for (const row of rows) json(described(row));
  else if (rows.length > 0) data(table([HEADINGS, ...rows.map(cells)]));
  if (!options.json) for (const row of rows) tellRelay(row);
  if (signal.aborted) process.exitCode = EXIT.INTERRUPTED;
  else if (rows.length > 0 && rows.every(({ path }) => path === null)) process.exitCode = EXIT.NO_ANSWER;
}

/** Null where there is none in time, or no time. */
async function pathTo(peer: RemotePeer, timeoutMs: number, signal: AbortSignal): Promise<PathInfo | null> {
  try {
    await peer.reach({ timeoutMs, signal });
    if (peer.path?.roundTripMs === null) await measure(peer, signal);
    return peer.path;
  } catch (error) {
    if (error instanceof UdpToolError && (error.code === 'no-answer' || error.code === 'aborted'))
      return null;
    throw error;
  }
}

/** Where the first HELLO was lost, as it is where a hole is punched, the handshake does not tell the round trip. */
async function measure(peer: RemotePeer, signal: AbortSignal): Promise<void> {
  // Where only its own session came through, it cannot be asked.
  await peer.request('ping', [], { timeoutMs: MEASURE_MS, signal }).catch(() => {});
}

const MEASURE_MS = 2_000;
const HEADINGS = ['NAME', 'KEY', 'PATH', 'ADDRESS', 'ROUND TRIP', 'LAST SEEN'];

function cells({ peer, path, lastSeen }: Row): string[] {
  const via = path?.via === undefined ? '' : ` by ${path.via}`;
  return [
    peer.name,
    shortKey(peer.publicKey),
    path === null ? 'none' : `${PATHS[path.kind]}${via}`,
    path === null ? '' : formatAddress(path.address),
    path?.roundTripMs == null ? '' : `${path.roundTripMs.toFixed(1)} ms`,
    path !== null
      ? 'now'
      : lastSeen === undefined
        ? 'never'
        : lastSeen.toISOString().slice(0, 16).replace('T', ' '),
  ];
}

function described({ peer, path, lastSeen }: Row): Record<string, unknown> {
  return {
    name: peer.name,
    publicKey: peer.publicKey.toString(),
    path: path?.kind ?? null,
    ...(path !== null && {
      address: formatAddress(path.address),
      ...(path.via !== undefined && { via: path.via }),
      roundTripMs: path.roundTripMs,
    }),
    lastSeen: lastSeen?.toISOString() ?? null,
  };
}

function tellRelay({ peer, path }: Row): void {
  if (path?.kind === 'relayed') note(relayedSentence(peer.name, path));
}

function shortKey(key: PublicKey): string {
  const text = key.toString();
  return `${text.slice(0, 9)}…${text.slice(-6)}`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = HEADINGS.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
