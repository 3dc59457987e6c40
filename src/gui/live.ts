/**
 * What the page shows as it changes. However often something changes, a page is told at most every {@link FLUSH_MS}, of
 * each entry the newest state: so whoever floods this machine does not flood the page.
 */

import type { Update } from './api.ts';

export const FLUSH_MS = 100;

interface Topic {
  everything(): Update;
  changes(): Update | null;
}

/** Entries by key. */
export class LiveMap<Value> implements Topic {
  readonly #name: string;
  readonly #entries = new Map<string, Value>();
  readonly #changed = new Set<string>();
  readonly #onChange: () => void;

  /** @internal Use {@link LiveHub.map}. */
  constructor(name: string, onChange: () => void) {
    this.#name = name;
    this.#onChange = onChange;
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  get size(): number {
    return this.#entries.size;
  }

  keys(): string[] {
    return [...this.#entries.keys()];
  }

  set(key: string, value: Value): void {
    this.#entries.set(key, value);
    this.#touch(key);
  }

  delete(key: string): void {
    if (this.#entries.delete(key)) this.#touch(key);
  }

  /** Has these entries, and no others. */
  replace(entries: ReadonlyMap<string, Value>): void {
    for (const key of this.keys()) if (!entries.has(key)) this.delete(key);
    for (const [key, value] of entries)
      if (JSON.stringify(this.#entries.get(key)) !== JSON.stringify(value)) this.set(key, value);
  }

  everything(): Update {
    return { map: this.#name, set: Object.fromEntries(this.#entries), gone: [] };
  }

  changes(): Update | null {
    if (this.#changed.size === 0) return null;
    const set: Record<string, Value> = {};
    const gone: string[] = [];
    for (const key of this.#changed) {
      const value = this.#entries.get(key);
      if (value === undefined) gone.push(key);
      else set[key] = value;
    }
    this.#changed.clear();
    return { map: this.#name, set, gone };
  }

  #touch(key: string): void {
    this.#changed.add(key);
    this.#onChange();
  }
}

export interface LogBounds {
  /** Kept for pages that come later. */
  readonly kept: number;
  /** Told in one update. */
  readonly atOnce: number;
}

/** Entries one after the other, of which the newest are kept. */
export class LiveLog<Value> implements Topic {
  readonly #name: string;
  readonly #bounds: LogBounds;
  readonly #onChange: () => void;
  readonly #kept: Value[] = [];
  #fresh: Value[] = [];
  #skipped = 0;

  /** @internal Use {@link LiveHub.log}. */
  constructor(name: string, bounds: LogBounds, onChange: () => void) {
    this.#name = name;
    this.#bounds = bounds;
    this.#onChange = onChange;
  }

  /** Where there is more than can be told at once, it is not asked what the entry is. */
  add(entry: () => Value): void {
    if (this.#fresh.length >= this.#bounds.atOnce) {
      this.#skipped++;
      return;
    }
    const value = entry();
    this.#fresh.push(value);
    this.#kept.push(value);
    if (this.#kept.length > this.#bounds.kept) this.#kept.shift();
    this.#onChange();
  }

  everything(): Update {
    return { log: this.#name, add: this.#kept, skipped: 0 };
  }

  changes(): Update | null {
    if (this.#fresh.length === 0) return null;
    const update = { log: this.#name, add: this.#fresh, skipped: this.#skipped };
    this.#fresh = [];
    this.#skipped = 0;
    return update;
  }
}

/** All topics, and the pages that follow them. */
export class LiveHub {
  readonly #topics: Topic[] = [];
  readonly #pages = new Set<(updates: readonly Update[]) => void>();
  #timer: NodeJS.Timeout | null = null;

  map<Value>(name: string): LiveMap<Value> {
    return this.#added(new LiveMap<Value>(name, this.#onChange));
  }

  log<Value>(name: string, bounds: LogBounds): LiveLog<Value> {
    return this.#added(new LiveLog<Value>(name, bounds, this.#onChange));
  }

  get isWatched(): boolean {
    return this.#pages.size > 0;
  }

  /** Tells a page everything, and then what changes, until the function is called that this returns. */
  follow(page: (updates: readonly Update[]) => void): () => void {
    this.#flush(); // or it would be told twice of what changed just before
    page(this.#topics.map((topic) => topic.everything()));
    this.#pages.add(page);
    return () => this.#pages.delete(page);
  }

  #added<T extends Topic>(topic: T): T {
    this.#topics.push(topic);
    return topic;
  }

  readonly #onChange = (): void => {
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
  };

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const updates = this.#topics.map((topic) => topic.changes()).filter((update) => update !== null);
    if (updates.length > 0) for (const page of this.#pages) page(updates);
  }
}
