/** `serve`: answers the peers, in this process or by workers. */
import type { Command } from 'commander';
import {
  type Book,
  bookChanges,
  bookOf,
  builtinCommands,
  type Courier,
  createEndpoint,
  FindPaths,
  followBook,
  type HostPort,
  MessageStore,
  Metrics,
  messageCommands,
  serveMetrics,
  takeInheritedSockets,
  UdpToolError,
  WorkerSeat,
} from '../index.ts';
import { aborted, interruption, type KeyOptions, messageFolder, openKeyStore } from './context.ts';
import {
  commandsOption,
  hostOption,
  introduceOption,
  keysOption,
  lanOption,
  metricsOption,
  portOption,
  relayOptions,
  workersOption,
} from './options.ts';
import { atHangup, commandReloader } from './reload.ts';
import {
  acceptOption,
  inboxOption,
  ServedFiles,
  type ServeFilesOptions,
  shareOption,
} from './serve-files.ts';
import { DROP_REPORT_MS, type ReportOptions, ServeReport } from './serve-report.ts';
import { serveAsWorker } from './serve-worker.ts';
import { serveByWorkers } from './serve-workers.ts';
import { servedCommands } from './served-commands.ts';
import { startCourier } from './start-courier.ts';

export interface ServeOptions extends KeyOptions, ReportOptions, ServeFilesOptions {
  readonly host?: string;
  readonly port: number;
  readonly workers: number;
  readonly commands: readonly string[];
  readonly metrics?: HostPort;
  readonly introduce: boolean;
  readonly relay: number | false;
  readonly lan: boolean;
}

export function addServe(program: Command): void {
  const [relay, noRelay] = relayOptions();
  program
    .command('serve')
    .description('answer the peers, until Ctrl-C; at SIGHUP read the commands and the peer book anew')
    .addOption(hostOption())
    .addOption(portOption())
    .addOption(workersOption())
    .addOption(commandsOption())
    .addOption(keysOption())
    .addOption(shareOption())
    .addOption(inboxOption())
    .addOption(acceptOption())
    .addOption(metricsOption())
    .addOption(introduceOption())
    .addOption(relay)
    .addOption(noRelay)
    .addOption(lanOption())
    .option('--explain', 'who it was whose datagrams were dropped, and why; never told to him')
    .option('-v, --verbose', 'one line a request, and what was dropped and why')
    .option('--json', 'one object a line on stdout, whose "event" says what it is (docs/operations.md)')
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  const seat = await WorkerSeat.take();
  const sockets = takeInheritedSockets();
  if (seat !== null) {
    await serveAsWorker(seat, options);
  } else if (options.workers === 1) {
    await serveAlone(options, sockets);
  } else if (options.share.length > 0 || options.inbox !== undefined) {
    throw new UdpToolError('bad-usage', 'Workers do not serve files.', {
      hint: 'Leave --workers away, or share files by another "serve" or "share" on a port of its own.',
    });
  } else if (sockets.length === 0) {
    await serveByWorkers(options);
  } else {
    throw new UdpToolError('bad-usage', 'Workers cannot share a socket that the service manager holds.', {
      hint: 'Leave --workers away, or the socket unit.',
    });
  }
}

async function serveAlone(options: ServeOptions, sockets: readonly number[]): Promise<void> {
  const stop = interruption();
  let begin: (reload: () => Promise<void>) => void = () => {};
  const begun = new Promise<() => Promise<void>>((done) => {
    begin = done;
  });
  atHangup(async () => (await begun)()); // what comes while it begins is done once it has
  const store = await openKeyStore(options);
  const keyPair = await store.loadKeyPair();
  const peers = await store.loadPeers();
  const messages = new MessageStore(messageFolder(store), keyPair);
  const report = new ServeReport(options);
  const ours = [
    ...builtinCommands,
    ...messageCommands({
      store: messages,
      onMessage: ({ from }) => report.message(from),
      onTrouble: (text) => report.line(text),
    }),
  ];
  const commands = await servedCommands(options.commands, ours);
  const metrics = new Metrics();
  let courier: Courier | undefined;
  await using endpoint = await createEndpoint({
    keyPair,
    peers,
    commands,
    port: options.port,
    ...(options.host === undefined ? {} : { ip: options.host }),
    sockets,
    introduces: options.introduce,
    relayBytesPerSecond: options.relay || 0,
    onRequest({ peer, command, error, isDenied }) {
      const request = { peer, command, error: error?.code, isDenied };
      report.request(request);
      metrics.request(request);
      courier?.heard(peer);
    },
    ...(options.explain && { onDrop: (drop) => report.drop(drop) }),
  });
  if (options.metrics) report.metrics(await serveMetrics(metrics, () => endpoint, options.metrics, stop));
  report.listening(endpoint.addresses, keyPair.publicKey, peers.length);
  report.commands(
    options.commands,
    commands.filter((command) => !ours.includes(command)),
  );
  await using paths = await FindPaths.begin({
    endpoint,
    folder: messageFolder(store),
    lan: options.lan,
    announces: true,
    onTrouble: (text) => report.line(text),
  });
  void endpoint.stayReachable();
  await using _files = await ServedFiles.begin(endpoint, store, options, report, stop);
  let told = bookOf(peers);
  const follower = {
    onBook(book: Book): void {
      report.peers(bookChanges(told, book), book.size);
      told = book;
      courier?.peersChanged();
      paths.suggest(endpoint);
      void endpoint.stayReachable();
    },
    onTrouble: (text: string) => report.line(text),
  };
  const readBook = await followBook(endpoint, store, peers, follower, stop);
  const readCommands = commandReloader(endpoint, options.commands, ours, commands);
  begin(async () => {
    await readBook();
    report.reloaded(await readCommands());
  });
  courier = await startCourier(endpoint, messages, report, stop);
  const timer = setInterval(() => report.drops(endpoint.stats.drops), DROP_REPORT_MS);
  await aborted(stop);
  clearInterval(timer);
  report.drops(endpoint.stats.drops);
  report.line('Stopped.');
}
