/** What the workers of `serve` report, as what one server would have said. */
import { type Book, bookChanges, type EndpointStats, type Metrics, type MetricsSource } from '../index.ts';
import type { Reload } from './reload.ts';
import type { ServeReport } from './serve-report.ts';
import { readReport } from './worker-reports.ts';

export class WorkersAsOne {
  readonly #report: ServeReport;
  readonly #metrics: Metrics;
  /** What each worker that lives trusts. */
  readonly #books = new Map<number, Book>();
  /** Whom the person believes to be trusted. */
  #told: Book;
  #begun = false;
  /** Who has reported a trouble already: the same from another worker is no news. */
  readonly #troubles = new Map<string, Set<number>>();
  /** Of workers that live, and the sums of those that ended. */
  readonly #stats = new Map<number, EndpointStats>();
  #ofEnded: EndpointStats | null = null;
  /** The workers that are to tell how they reloaded, and what the others told. */
  readonly #reloading = new Set<number>();
  readonly #reloads = new Map<string, Reload>();
  #reloaded: () => void = () => {};

  constructor(report: ServeReport, metrics: Metrics, book: Book) {
    this.#report = report;
    this.#metrics = metrics;
    this.#told = book;
  }

  /** Of all workers together. */
  totals(): MetricsSource {
    const stats = sum([...this.#stats.values(), ...(this.#ofEnded ? [this.#ofEnded] : [])]);
    return { stats, peers: [...this.#told.keys()].map((name) => ({ name, roundTripMs: null })) };
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
        this.#metrics.request(report);
        break;
      case 'stats':
        this.#stats.set(worker, report.stats);
        this.#report.drops(this.totals().stats.drops);
        break;
      case 'dropped':
        this.#report.explain(report.lines);
        break;
      case 'message':
        this.#report.message(report.from);
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
    const stats = this.#stats.get(worker);
    if (stats !== undefined)
      this.#ofEnded = sum([{ ...stats, sessions: 0 }, ...(this.#ofEnded ? [this.#ofEnded] : [])]);
    this.#stats.delete(worker);
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
}

function sum(all: readonly EndpointStats[]): EndpointStats {
  const add = <Counts extends object>(pick: (stats: EndpointStats) => Counts): Counts => {
    const sums: Record<string, number> = {};
    for (const stats of all)
      for (const [name, count] of Object.entries(pick(stats))) sums[name] = (sums[name] ?? 0) + count;
    return sums as Counts;
  };
  return {
    sessions: all.reduce((sessions, stats) => sessions + stats.sessions, 0),
    drops: add((stats) => stats.drops),
    received: add((stats) => stats.received),
    sent: add((stats) => stats.sent),
    relayed: add((stats) => stats.relayed),
  };
}
