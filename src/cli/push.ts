/** `push`: has a peer take files and folders. */

import type { Command } from 'commander';
import {
  createEndpoint,
  FindPaths,
  type Offer,
  type PushState,
  pushOffer,
  type RemotePeer,
  serveFiles,
  wipePresharedKeys,
} from '../index.ts';
import { choosePeer, interruption, type KeyOptions, messageFolder, openKeyStore } from './context.ts';
import { offerAsJson } from './offers.ts';
import { keysOption, lanOption, timeoutOption, toOption } from './options.ts';
import { json, note, printable } from './output.ts';
import { ProgressLine, size } from './progress.ts';
import { tellRelayed } from './relayed.ts';
import { openShelf, putOn } from './share.ts';

interface PushOptions extends KeyOptions {
  readonly to?: string;
  readonly timeout: number;
  readonly lan: boolean;
  readonly json?: boolean;
}

export function addPush(program: Command): void {
  program
    .command('push <path...>')
    .description('send files and folders to a peer, which takes them where its "serve" says so')
    .addOption(toOption())
    .addOption(timeoutOption('how long to wait for a first answer'))
    .addOption(lanOption())
    .addOption(keysOption())
    .option('--json', 'one object a line')
    .action(push);
}

async function push(paths: string[], options: PushOptions): Promise<void> {
  const signal = interruption();
  const store = await openKeyStore(options);
  const keyPair = await store.loadKeyPair();
  const peers = await store.loadPeers();
  const chosen = choosePeer(peers, options.to);
  const shelf = await openShelf(store);
  try {
    const offers = await putOn(shelf, paths, [chosen.publicKey.toString()], options, signal);
    await using endpoint = await createEndpoint({ keyPair, peers, commands: [] });
    wipePresharedKeys(peers);
    await using finding = await FindPaths.begin({
      endpoint,
      folder: messageFolder(store),
      lan: options.lan,
      announces: false,
      onTrouble: note,
    });
    tellRelayed(endpoint, options.json === true);
    serveFiles(endpoint, { offers: [shelf] });
    const peer = endpoint.peer(chosen.name);
    finding.keepInReach(peer);
    for (const offer of offers) await pushOne(peer, offer, options, signal);
  } finally {
    await shelf.close();
  }
}

async function pushOne(
  peer: RemotePeer,
  offer: Offer,
  options: PushOptions,
  signal: AbortSignal,
): Promise<void> {
  const progress = new ProgressLine(offer.name, options.json === true);
  let told: PushState['state'] | null = null;
  await pushOffer(peer, offer, {
    signal,
    now: () => performance.now(),
    firstAnswerMs: options.timeout,
    onState: ({ state, doneBytes }) => {
      if (state === 'asked' && told !== 'asked' && !options.json)
        note(`Waiting until somebody at "${peer.name}" accepts ${printable(offer.name)} …`);
      told = state;
      if (state === 'taking') progress.update({ doneBytes, totalBytes: offer.size });
    },
  });
  progress.clear();
  const ms = progress.elapsedMs;
  if (options.json)
    json({ event: 'done', ok: true, peer: peer.name, ...offerAsJson(offer), ms: Math.round(ms) });
  else note(`"${peer.name}" has ${printable(offer.name)} (${size(offer.size)}).`);
}
