/** The primary of `serve --workers`: it has no socket, and tells of all workers as of one server. */
import { WorkerGroup } from '../index.ts';
import { aborted, interruption, openKeyStore } from './context.ts';
import { type Book, bookChanges, bookOf } from './follow-book.ts';
import { atHangup, type Reload } from './reload.ts';
import type { ServeOptions } from './serve.ts';
import { ServeReport } from './serve-report.ts';
import { readReport } from './worker-reports.ts';

export async function serveByWorkers(options: ServeOptions): Promise<void> {
  const stop = interruption();
  let reload = async (): Promise<void> => {}; // until they serve, nothing that was read can be old
  atHangup(() => reload());
  const store = await openKeyStore(options);
  const { publicKey } = await store.loadKeyPair();
  const report = new ServeReport(options);
  const reports = new WorkerReports(report, bookOf(await store.loadPeers()));
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
  report.listening(group.addresses, publicKey, reports.peers, options.workers);
  reports.begin();
  reload = () => reports.reloads(group.reload());
  await aborted(stop);
  await group.close();
  report.line('Stopped.');
}

/** Makes of what every worker reports what one server would have said. */
class WorkerReports {
  readonly #report: ServeReport;
  /** What each worker that lives trusts. */
  readonly #books = new Map<number, Book>();
  /** Whom the person believes to be trusted. */
  #told: Book;
  #begun = false;
  /** Who has reported a trouble already: the same from another worker is no news. */
  readonly #troubles = new Map<string, Set<number>>();
  /** What a worker that lives dropped, and what those that ended did. */
  readonly #drops = new Map<number, ReadonlyMap<string, number>>();
  readonly #dropsOfEnded = new Map<string, number>();
  /** The workers that are to tell how they reloaded, and what the others told. */
  readonly #reloading = new Set<number>();
  readonly #reloads = new Map<string, Reload>();
  #reloaded: () => void = () => {};

  constructor(report: ServeReport, book: Book) {
    this.#report = report;
    this.#told = book;
  }

  get peers(): number {
    return this.#told.size;
  }

  /** From now on changes are told. */
  begin(): void {
    this.#begun = true;
    this.#tellBook();
  }

  take(value: unknown, worker: number): void {
    const report = readReport(value);
    switch (report?.type) {
      case 'request':
        this.#report.request({ ...report, worker });
        break;
      case 'drops':
        this.#drops.set(worker, new Map(Object.entries(report.drops)));
        this.#report.drops(this.#allDrops());
        break;
      case 'book':
        this.#books.set(worker, report.book);
        this.#tellBook();
        break;
      case 'trouble':
        this.#trouble(report.text, worker);
        break;
      case 'reloaded':
        this.#reloads.set(JSON.stringify(report.reload), report.reload);
        this.#endReload(worker);
        break;
    }
  }

  /** Resolves once these workers have told how they reloaded, which is then told once, or ended. */
  reloads(workers: readonly number[]): Promise<void> {
    for (const worker of workers) this.#reloading.add(worker);
    return new Promise((done) => {
      this.#reloaded = done;
      if (workers.length === 0) done();
    });
  }

  #endReload(worker: number): void {
    if (!this.#reloading.delete(worker) || this.#reloading.size > 0) return;
    for (const reload of this.#reloads.values()) this.#report.reloaded(reload);
    this.#reloads.clear();
    this.#reloaded();
  }

  ended(worker: number): void {
    this.#endReload(worker);
    this.#books.delete(worker);
    for (const [reason, count] of this.#drops.get(worker) ?? [])
      this.#dropsOfEnded.set(reason, (this.#dropsOfEnded.get(reason) ?? 0) + count);
    this.#drops.delete(worker);
    this.#tellBook();
  }

  /** A change is told once all workers that live have made it. */
  #tellBook(): void {
    const [first, ...others] = this.#books.values();
    if (first === undefined || !this.#begun) return;
    if (others.some((book) => bookChanges(first, book).length > 0)) return;
    const changes = bookChanges(this.#told, first);
    this.#told = first;
    this.#troubles.clear();
    if (changes.length > 0) this.#report.peers(changes, first.size);
  }

  #trouble(text: string, worker: number): void {
    const reporters = this.#troubles.get(text);
    if (reporters !== undefined && !reporters.has(worker)) {
      reporters.add(worker);
      return;
    }
    this.#troubles.set(text, new Set([worker]));
    this.#report.line(text);
  }

  #allDrops(): Record<string, number> {
    const all = new Map(this.#dropsOfEnded);
    for (const drops of this.#drops.values())
      for (const [reason, count] of drops) all.set(reason, (all.get(reason) ?? 0) + count);
    return Object.fromEntries(all);
  }
}
