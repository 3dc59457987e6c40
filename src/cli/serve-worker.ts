/** One of the processes of `serve --workers`. It prints nothing: what there is to say goes to the primary. */
import { createEndpoint, UdpToolError, type WorkerSeat } from '../index.ts';
import { aborted, openKeyStore } from './context.ts';
import { type Book, bookOf, followBook } from './follow-book.ts';
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
  const told = options.verbose === true || options.json === true;
  const commands = await servedCommands(options.commands);
  await using endpoint = await createEndpoint({
    keyPair: await store.loadKeyPair(),
    peers,
    commands,
    worker: seat,
    ...(told && {
      onRequest: ({ peer, command, error }) => report({ type: 'request', peer, command, error: error?.code }),
    }),
  });
  const follower = {
    onBook: (book: Book) => report({ type: 'book', book }),
    onTrouble: (text: string) => report({ type: 'trouble', text }),
  };
  report({ type: 'book', book: bookOf(peers) });
  const readBook = await followBook(endpoint, store, peers, follower, seat.stop);
  const readCommands = commandReloader(endpoint, options.commands, commands);
  seat.onReload(async () => {
    await readBook();
    report({ type: 'reloaded', reload: await readCommands() });
  });
  seat.up(endpoint.addresses);
  const drops = (): void => report({ type: 'drops', drops: endpoint.stats.drops });
  const timer = setInterval(drops, DROP_REPORT_MS);
  await aborted(seat.stop);
  clearInterval(timer);
  drops();
}
