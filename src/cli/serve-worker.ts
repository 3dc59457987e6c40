/** One of the processes of `serve --workers`. It prints nothing: what there is to say goes to the primary. */
import {
  type Book,
  bookOf,
  builtinCommands,
  createEndpoint,
  followBook,
  MessageStore,
  messageCommands,
  UdpToolError,
  type WorkerSeat,
} from '../index.ts';
import { aborted, messageFolder, openKeyStore } from './context.ts';
import { DropLog } from './drop-log.ts';
import { commandReloader } from './reload.ts';
import type { ServeOptions } from './serve.ts';
import { DROP_REPORT_MS } from './serve-report.ts';
import { servedCommands } from './served-commands.ts';
import type { WorkerReport } from './worker-reports.ts';

export async function serveAsWorker(seat: WorkerSeat, options: ServeOptions): Promise<void> {
  try {
    await serve(seat, options);
  } catch (error) {
    if (!(error instanceof UdpToolError)) throw error;
    await seat.failed(error);
  }
}

async function serve(seat: WorkerSeat, options: ServeOptions): Promise<void> {
  const store = await openKeyStore(options);
  const peers = await store.loadPeers();
  const report = (what: WorkerReport): void => seat.report(what);
  const keyPair = await store.loadKeyPair();
  const ours = [
    ...builtinCommands,
    ...messageCommands({
      store: new MessageStore(messageFolder(store), keyPair),
      onMessage: ({ from }) => report({ type: 'message', from }),
      onTrouble: (text) => report({ type: 'trouble', text }),
    }),
  ];
  const commands = await servedCommands(options.commands, ours);
  const counted = options.verbose === true || options.json === true || options.metrics !== undefined;
  const drops = new DropLog();
  await using endpoint = await createEndpoint({
    keyPair,
    peers,
    commands,
    worker: seat,
    ...(counted && {
      onRequest: ({ peer, command, error, isDenied }) =>
        report({ type: 'request', peer, command, error: error?.code, isDenied }),
    }),
    ...(options.explain && { onDrop: (drop) => drops.add(drop) }),
  });
  const follower = {
    onBook: (book: Book) => report({ type: 'book', book }),
    onTrouble: (text: string) => report({ type: 'trouble', text }),
  };
  report({ type: 'book', book: bookOf(peers) });
  const readBook = await followBook(endpoint, store, peers, follower, seat.stop);
  const readCommands = commandReloader(endpoint, options.commands, ours, commands);
  seat.onReload(async () => {
    await readBook();
    report({ type: 'reloaded', reload: await readCommands() });
  });
  seat.up(endpoint.addresses);
  const tell = (): void => {
    report({ type: 'stats', stats: endpoint.stats });
    if (options.explain) report({ type: 'dropped', lines: drops.take() });
  };
  const timer = setInterval(tell, DROP_REPORT_MS);
  await aborted(seat.stop);
  clearInterval(timer);
  tell();
}
