/** `serve`: answers the peers, in this process or by workers. */
import type { Command } from 'commander';
import { Courier, createEndpoint, DEFAULT_PORT, MessageStore, type PublicKey, WorkerSeat } from '../index.ts';
import { aborted, interruption, type KeyOptions, openKeyStore } from './context.ts';
import { type Book, bookChanges, bookOf, followBook } from './follow-book.ts';
import { collected, keysOption, localAddress, port, workers } from './options.ts';
import { DROP_REPORT_MS, type ReportOptions, ServeReport } from './serve-report.ts';
import { serveAsWorker } from './serve-worker.ts';
import { serveByWorkers } from './serve-workers.ts';
import { servedCommands } from './served-commands.ts';

export interface ServeOptions extends KeyOptions, ReportOptions {
  readonly host?: string;
  readonly port: number;
  readonly workers: number;
  readonly commands: readonly string[];
}

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('answer the peers, until Ctrl-C')
    .option('--host <address>', 'local IP address to listen on; all if not given', localAddress)
    .option('--port <number>', 'UDP port, 0 for any free one', port, DEFAULT_PORT)
    .option('--workers <number>', 'processes that share the port, for more than one processor', workers, 1)
    .option('--commands <file>', 'commands of your own, a module or a table; may be repeated', collected, [])
    .addOption(keysOption())
    .option('-v, --verbose', 'one line a request, and what was dropped and why')
    .option('--json', 'one object a line on stdout: listening, request, dropped, peers')
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  const seat = await WorkerSeat.take();
  if (seat !== null) await serveAsWorker(seat, options);
  else if (options.workers > 1) await serveByWorkers(options);
  else await serveAlone(options);
}

async function serveAlone(options: ServeOptions): Promise<void> {
  const stop = interruption();
  const store = await openKeyStore(options);
  const keyPair = await store.loadKeyPair();
  const peers = await store.loadPeers();
  const messages = new MessageStore(store.dir, keyPair);
  const report = new ServeReport(options);
  const commands = await servedCommands(options.commands, {
    store: messages,
    onMessage: ({ peer }) => report.message(nameOf(peer)),
  });
  let courier: Courier | undefined;
  await using endpoint = await createEndpoint({
    keyPair,
    peers,
    commands,
    port: options.port,
    ...(options.host === undefined ? {} : { ip: options.host }),
    onRequest({ peer, command, error }) {
      report.request({ peer, command, error: error?.code });
      courier?.heard(peer);
    },
  });
  const nameOf = (key: PublicKey): string =>
    endpoint.peers.find(({ publicKey }) => publicKey.equals(key))?.name ?? key.toString();
  report.listening(endpoint.addresses, keyPair.publicKey, peers.length);
  let told = bookOf(peers);
  const follower = {
    onBook(book: Book): void {
      report.peers(bookChanges(told, book), book.size);
      told = book;
    },
    onTrouble: (text: string) => report.line(text),
  };
  await followBook(endpoint, store, peers, follower, stop);
  courier = await Courier.start(
    { endpoint, store: messages, onDelivered: ({ name }) => report.delivered(name) },
    stop,
  );
  const timer = setInterval(() => report.drops(endpoint.stats.drops), DROP_REPORT_MS);
  await aborted(stop);
  clearInterval(timer);
  report.drops(endpoint.stats.drops);
  report.line('Stopped.');
}
