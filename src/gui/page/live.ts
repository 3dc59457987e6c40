/** What udp-tool tells as it happens, mirrored here; comes back by itself after udp-tool was away. */
import { useEffect, useState } from 'preact/hooks';
import type { Update } from '../api.ts';
import { keyHeader, meet, part } from './session.ts';

export type Connection = 'connecting' | 'live' | 'away' | 'logged-out';

const RETRY_MS = 1_000;
/** udp-tool says that it is there every 15 s. */
const SILENCE_MS = 40_000;
const LOG_KEPT = 5_000;

const maps = new Map<string, Map<string, unknown>>();
const logs = new Map<string, { entries: unknown[]; skipped: number }>();
const listeners = new Map<string, Set<() => void>>();
let connection: Connection = 'connecting';

/** Entries of a topic by key; a new map with each change. */
export function useMap<Value>(topic: string): ReadonlyMap<string, Value> {
  useTopic(topic);
  return (maps.get(topic) ?? EMPTY) as ReadonlyMap<string, Value>;
}

export function useLog<Value>(topic: string): {
  readonly entries: readonly Value[];
  readonly skipped: number;
} {
  useTopic(topic);
  return (logs.get(topic) ?? NOTHING) as { entries: Value[]; skipped: number };
}

export function useConnection(): Connection {
  useTopic(CONNECTION);
  return connection;
}

const CONNECTION = 'connection';
const EMPTY: ReadonlyMap<string, unknown> = new Map();
const NOTHING = { entries: [], skipped: 0 };

function useTopic(topic: string): void {
  const [, render] = useState(0);
  useEffect(() => {
    const listener = (): void => render((n) => n + 1);
    let all = listeners.get(topic);
    if (all === undefined) listeners.set(topic, (all = new Set()));
    all.add(listener);
    listener(); // what came between rendering and this
    return () => all.delete(listener);
  }, [topic]);
}

function tell(topic: string): void {
  for (const listener of listeners.get(topic) ?? []) listener();
}

function become(now: Connection): void {
  if (connection === now) return;
  connection = now;
  tell(CONNECTION);
}

/** Follows udp-tool for as long as the page is there. */
export async function follow(): Promise<void> {
  for (;;) {
    const end = await followOnce();
    become(end);
    if (end === 'logged-out') return;
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}

async function followOnce(): Promise<'away' | 'logged-out'> {
  const silence = new AbortController();
  let timer = 0;
  const heard = (): void => {
    clearTimeout(timer);
    timer = window.setTimeout(() => silence.abort(), SILENCE_MS);
  };
  try {
    heard();
    const met = await meet(silence.signal);
    if (met !== 'proven') return met;
    const response = await fetch('/api/events', { headers: keyHeader(), signal: silence.signal });
    if (response.status === 401) return 'logged-out';
    if (!response.ok || response.body === null) return 'away';
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    let isFirst = true;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return 'away';
      heard();
      const events = (rest + value).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) {
        if (!event.startsWith('data: ')) continue;
        // The first one is everything there is.
        if (isFirst) forget();
        isFirst = false;
        for (const update of JSON.parse(event.slice('data: '.length)) as Update[]) take(update);
        become('live');
      }
    }
  } catch {
    return 'away';
  } finally {
    part();
    clearTimeout(timer);
  }
}

function forget(): void {
  maps.clear();
  logs.clear();
}

function take(update: Update): void {
  if ('map' in update) {
    const map = new Map(maps.get(update.map));
    for (const [key, value] of Object.entries(update.set)) map.set(key, value);
    for (const key of update.gone) map.delete(key);
    maps.set(update.map, map);
    tell(update.map);
  } else {
    const { entries = [], skipped = 0 } = logs.get(update.log) ?? {};
    logs.set(update.log, {
      entries: [...entries, ...update.add].slice(-LOG_KEPT),
      skipped: skipped + update.skipped,
    });
    tell(update.log);
  }
}
