import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Update } from '../../src/gui/api.ts';
import { FLUSH_MS, LiveHub } from '../../src/gui/live.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** What a page has after what it was told, as the page does it. */
class Mirror {
  readonly maps = new Map<string, Map<string, unknown>>();
  readonly logs = new Map<string, unknown[]>();
  skipped = 0;
  updates = 0;
  bytes = 0;

  readonly take = (updates: readonly Update[]): void => {
    this.updates++;
    this.bytes += JSON.stringify(updates).length;
    for (const update of updates) {
      if ('map' in update) {
        const map = this.maps.get(update.map) ?? new Map<string, unknown>();
        for (const [key, value] of Object.entries(update.set)) map.set(key, value);
        for (const key of update.gone) map.delete(key);
        this.maps.set(update.map, map);
      } else {
        this.logs.set(update.log, [...(this.logs.get(update.log) ?? []), ...update.add]);
        this.skipped += update.skipped;
      }
    }
  };
}

test('a page that comes is told everything, and one that is there what changed', () => {
  const hub = new LiveHub();
  const map = hub.map<number>('numbers');
  map.set('one', 1);
  map.set('two', 2);
  const early = new Mirror();
  hub.follow(early.take);
  map.set('two', 22);
  map.delete('one');
  map.set('three', 3);
  const late = new Mirror();
  hub.follow(late.take);
  vi.advanceTimersByTime(FLUSH_MS);
  map.delete('three');
  vi.advanceTimersByTime(FLUSH_MS);
  for (const mirror of [early, late]) expect([...(mirror.maps.get('numbers') ?? [])]).toEqual([['two', 22]]);
});

test('ten thousand changes a second are ten updates, each with the newest state', () => {
  const hub = new LiveHub();
  const map = hub.map<number>('numbers');
  const page = new Mirror();
  hub.follow(page.take);
  const before = page.updates;
  for (let i = 1; i <= 10_000; i++) {
    map.set('counter', i);
    if (i % 10 === 0) vi.advanceTimersByTime(1);
  }
  vi.advanceTimersByTime(FLUSH_MS);
  expect(page.updates - before).toBeLessThanOrEqual(11);
  expect(page.bytes).toBeLessThan(2_000);
  expect(page.maps.get('numbers')?.get('counter')).toBe(10_000);
});

test('a log that is flooded tells of some, counts the others, and is not even asked for those', () => {
  const hub = new LiveHub();
  const log = hub.log<number>('events', { kept: 50, atOnce: 20 });
  const page = new Mirror();
  hub.follow(page.take);
  let asked = 0;
  const add = (i: number): void =>
    log.add(() => {
      asked++;
      return i;
    });
  for (let i = 1; i <= 10_000; i++) {
    add(i);
    if (i % 10 === 0) vi.advanceTimersByTime(1);
  }
  vi.advanceTimersByTime(FLUSH_MS);
  const told = page.logs.get('events') ?? [];
  expect(told.length).toBe(asked);
  expect(told.length).toBeGreaterThanOrEqual(200);
  expect(told.length).toBeLessThanOrEqual(220);
  expect(told.length + page.skipped).toBe(10_000);
  const late = new Mirror();
  hub.follow(late.take);
  expect(late.logs.get('events')).toEqual(told.slice(-50));
});

test('nobody is told any more who went', () => {
  const hub = new LiveHub();
  const map = hub.map<number>('numbers');
  const page = new Mirror();
  const stop = hub.follow(page.take);
  stop();
  map.set('one', 1);
  vi.advanceTimersByTime(FLUSH_MS);
  expect(page.updates).toBe(1);
});

test('replacing all entries tells of those that differ', () => {
  const hub = new LiveHub();
  const map = hub.map<{ readonly n: number }>('numbers');
  map.replace(
    new Map([
      ['same', { n: 1 }],
      ['other', { n: 2 }],
      ['gone', { n: 3 }],
    ]),
  );
  const told: Update[] = [];
  hub.follow((updates) => told.push(...updates));
  told.length = 0;
  map.replace(
    new Map([
      ['same', { n: 1 }],
      ['other', { n: 22 }],
    ]),
  );
  vi.advanceTimersByTime(FLUSH_MS);
  expect(told).toEqual([{ map: 'numbers', set: { other: { n: 22 } }, gone: ['gone'] }]);
});
