/** `share`: offers files and folders to peers, until Ctrl-C. */
import type { Command } from 'commander';
import {
  bookOf,
  createEndpoint,
  FindPaths,
  followBook,
  formatAddress,
  type KeyStore,
  type Offer,
  type PeerOptions,
  Shelf,
  type Skipped,
  serveFiles,
  UdpToolError,
} from '../index.ts';
import {
  aborted,
  hashFolder,
  interruption,
  type KeyOptions,
  messageFolder,
  openKeyStore,
  peerNamed,
} from './context.ts';
import { offerAsJson, summary } from './offers.ts';
import { hostOption, keysOption, lanOption, portOption, severalPeers } from './options.ts';
import { data, json, note, printable } from './output.ts';
import { ProgressLine } from './progress.ts';

interface ShareOptions extends KeyOptions {
  readonly to: readonly string[];
  readonly host?: string;
  readonly port: number;
  readonly lan: boolean;
  readonly json?: boolean;
}

export function addShare(program: Command): void {
  program
    .command('share <path...>')
    .description('offer files and folders to peers, until Ctrl-C')
    .addOption(severalPeers('--to <peer>', 'to this peer alone; may be repeated; to all if not given'))
    .addOption(hostOption())
    .addOption(portOption())
    .addOption(lanOption())
    .addOption(keysOption())
    .option('--json', 'one object a line')
    .action(share);
}

async function share(paths: string[], options: ShareOptions): Promise<void> {
  const stop = interruption();
  const store = await openKeyStore(options);
  const keyPair = await store.loadKeyPair();
  const peers = await store.loadPeers();
  const shelf = await openShelf(store);
  try {
    const offers = await putOn(shelf, paths, keysOf(peers, options.to), options, stop);
    await using endpoint = await createEndpoint({
      keyPair,
      peers,
      port: options.port,
      ...(options.host !== undefined && { ip: options.host }),
    }).catch(explainTakenPort);
    serveFiles(endpoint, { offers: [shelf] });
    await using finding = await FindPaths.begin({
      endpoint,
      folder: messageFolder(store),
      lan: options.lan,
      announces: true,
      onTrouble: note,
    });
    const onBook = (): void => {
      finding.suggest(endpoint);
      void endpoint.stayReachable();
    };
    await followBook(endpoint, store, peers, { onBook, onTrouble: note }, stop);
    void endpoint.stayReachable();
    tellSharing(endpoint.addresses.map(formatAddress), offers, options);
    if (bookOf(peers).size === 0)
      note('There is no peer yet: "udp-tool pair" or "udp-tool peer add" makes one.');
    await aborted(stop);
    if (!options.json) note('Stopped.');
  } finally {
    await shelf.close();
  }
}

/** Hashes are kept beside the keys, or where a service may write. */
export function openShelf(store: KeyStore): Promise<Shelf> {
  return Shelf.open({ stateDir: hashFolder(store) });
}

/** Hashes what is to be offered, and tells how far that is. */
export async function putOn(
  shelf: Shelf,
  paths: readonly string[],
  to: readonly string[] | undefined,
  { json: isJson = false }: { readonly json?: boolean },
  signal: AbortSignal,
): Promise<Offer[]> {
  const offers: Offer[] = [];
  for (const path of paths) {
    const progress = new ProgressLine(`reading ${path}`, isJson);
    const { offer, skipped } = await shelf.add(path, {
      signal,
      ...(to !== undefined && { to }),
      onProgress: (doneBytes, totalBytes) => progress.update({ doneBytes, totalBytes }),
    });
    progress.clear();
    tellSkipped(skipped, isJson);
    offers.push(offer);
  }
  return offers;
}

function tellSkipped(skipped: readonly Skipped[], isJson: boolean): void {
  for (const { path, reason } of skipped) {
    if (isJson) json({ event: 'skipped', path, reason });
    else note(`Not offered: ${printable(path)} (${printable(reason)})`);
  }
}

function tellSharing(addresses: readonly string[], offers: readonly Offer[], options: ShareOptions): void {
  if (options.json) {
    json({ event: 'sharing', addresses, to: options.to, offers: offers.map(offerAsJson) });
    return;
  }
  for (const offer of offers) data(summary(offer));
  const whom = options.to.length > 0 ? options.to.join(', ') : 'every peer';
  note(`Offered to ${whom} on ${addresses.join(' and ')}, until Ctrl-C. There: udp-tool get NAME`);
}

/** @throws UdpToolError `unknown-peer` */
function keysOf(peers: readonly PeerOptions[], names: readonly string[]): string[] | undefined {
  if (names.length === 0) return undefined;
  return names.map((name) => peerNamed(peers, name).publicKey.toString());
}

function explainTakenPort(error: unknown): never {
  if (!(error instanceof UdpToolError) || error.code !== 'port-in-use') throw error;
  throw new UdpToolError(error.code, error.message, {
    cause: error,
    hint: 'Where "udp-tool serve" runs here, start it with --share FOLDER instead; or give --port, and tell the peers (peer add … --at HOST:PORT).',
  });
}
