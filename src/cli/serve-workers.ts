/** The primary of `serve --workers`: it has no socket, and tells of all workers as of one server. */
import {
  bookOf,
  createEndpoint,
  followBook,
  type KeyPair,
  type KeyStore,
  MessageStore,
  Metrics,
  type PeerOptions,
  serveMetrics,
  type UdpEndpoint,
  WorkerGroup,
} from '../index.ts';
import { aborted, interruption, messageFolder, openKeyStore } from './context.ts';
import { atHangup } from './reload.ts';
import type { ServeOptions } from './serve.ts';
import { ServeReport } from './serve-report.ts';
import { startCourier } from './start-courier.ts';
import { WorkersAsOne } from './workers-as-one.ts';

export async function serveByWorkers(options: ServeOptions): Promise<void> {
  const stop = interruption();
  let reload = async (): Promise<void> => {}; // until they serve, nothing that was read can be old
  atHangup(() => reload());
  const store = await openKeyStore(options);
  const keyPair = await store.loadKeyPair();
  const peers = await store.loadPeers();
  const report = new ServeReport(options);
  const metrics = new Metrics();
  const reports = new WorkersAsOne(report, metrics, bookOf(peers));
  const group = await WorkerGroup.start({
    count: options.workers,
    port: options.port,
    ...(options.host === undefined ? {} : { ip: options.host }),
    onReport: (value, worker) => reports.take(value, worker),
    onEnd(worker, how, restartMs) {
      reports.ended(worker);
      const when = restartMs === 0 ? 'now' : `in ${restartMs / 1000} s`;
      report.worker(worker, 'worker-ended', `Worker ${worker} ended (${how}); it is started again ${when}.`);
    },
    onRestarted: (worker) => report.worker(worker, 'worker-restarted', `Worker ${worker} serves again.`),
  });
  if (options.metrics)
    report.metrics(await serveMetrics(metrics, () => reports.totals(), options.metrics, stop));
  report.listening(group.addresses, keyPair.publicKey, reports.peers, options.workers);
  reports.begin();
  reload = () => reports.reloads(group.reload());
  await using asking = await deliverer({ store, keyPair, peers, report, stop });
  await aborted(stop);
  await asking.close();
  await group.close();
  report.line('Stopped.');
}

interface Delivering {
  readonly store: KeyStore;
  readonly keyPair: KeyPair;
  readonly peers: readonly PeerOptions[];
  readonly report: ServeReport;
  readonly stop: AbortSignal;
}

/** Brings messages that wait to the peers: from a port of its own, since a worker cannot ask. */
async function deliverer({ store, keyPair, peers, report, stop }: Delivering): Promise<UdpEndpoint> {
  const endpoint = await createEndpoint({ keyPair, peers, commands: [] });
  const messages = new MessageStore(messageFolder(store), keyPair);
  const courier = await startCourier(endpoint, messages, report, stop);
  // The workers tell what there is to tell of the book.
  const follower = { onBook: () => courier?.peersChanged(), onTrouble: () => {} };
  await followBook(endpoint, store, peers, follower, stop);
  return endpoint;
}
