/** Which source is asked for what, with sources that are slow, wrong, or gone. Time is that of a fake clock. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Subject } from '../../src/files/offer.ts';
import {
  type FetchEnd,
  type FetchOptions,
  fetchPieces,
  type Giver,
  type Sink,
} from '../../src/sharing/fetch.ts';
import type { SourceLoss } from '../../src/sharing/source.ts';
import type { StreamResult } from '../../src/streams/asked-stream.ts';

const CHUNK = 128 * 1024;
const BLOB = new Uint8Array(32);

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
    }),
);
afterEach(() => void vi.useRealTimers());

/** Chunks whose first byte says which they are. */
class Pieces implements Sink {
  readonly count: number;
  readonly #wanted: number[];
  readonly #there = new Set<number>();
  asked = 0;

  constructor(count: number) {
    this.count = count;
    this.#wanted = Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  next(): { subject: Subject; bytes: number } | null {
    const index = this.#wanted.pop();
    if (index === undefined) return null;
    this.asked++;
    return { subject: { kind: 'chunk', blob: BLOB, index }, bytes: CHUNK };
  }

  release({ index }: Subject): void {
    if (!this.#there.has(index)) this.#wanted.push(index);
  }

  async accept({ index }: Subject, bytes: Uint8Array): Promise<'accepted' | 'wrong' | 'unwanted'> {
    if (this.#there.has(index)) return 'unwanted';
    if (bytes[0] !== index % 251) {
      this.#wanted.push(index);
      return 'wrong';
    }
    this.#there.add(index);
    return 'accepted';
  }

  get isComplete(): boolean {
    return this.#there.size === this.count;
  }
}

interface Behaviour {
  /** Bytes a millisecond. */
  readonly rate: number;
  readonly roundTripMs?: number;
  /** What becomes of the n-th chunk that it is asked for. */
  readonly result?: (n: number, right: StreamResult) => StreamResult;
}

/** A peer with a line of its own: what is asked of it comes one after the other. */
class Line implements Giver {
  readonly name: string;
  readonly #behaviour: Behaviour;
  #freeAt = 0;
  #count = 0;
  /** Bytes that it was stopped at. */
  stopped = 0;

  constructor(name: string, behaviour: Behaviour) {
    this.name = name;
    this.#behaviour = behaviour;
  }

  async ask({ subject, maxBytes, signal, onBytes }: Parameters<Giver['ask']>[0]): Promise<StreamResult> {
    const { rate, roundTripMs = 20, result = (_n, right) => right } = this.#behaviour;
    const n = this.#count++;
    const startAt = Math.max(this.#freeAt, performance.now() + roundTripMs);
    this.#freeAt = startAt + maxBytes / rate;
    const doneAt = this.#freeAt;
    return new Promise((done) => {
      const timer = setTimeout(() => {
        const bytes = new Uint8Array(maxBytes);
        bytes[0] = (subject[2] as number) % 251;
        const given = result(n, { ok: true, bytes });
        if (given.ok) onBytes(maxBytes);
        done(given);
      }, doneAt - performance.now());
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        this.stopped++;
        // What was queued behind it comes sooner.
        this.#freeAt = Math.max(performance.now(), this.#freeAt - maxBytes / rate);
        done({ ok: false, reason: 'lost' });
      });
    });
  }
}

async function run(
  options: Pick<FetchOptions, 'sink' | 'givers'> & Partial<FetchOptions>,
): Promise<{ end: FetchEnd; ms: number; losses: [string, SourceLoss][] }> {
  const losses: [string, SourceLoss][] = [];
  const startedAt = performance.now();
  let end: FetchEnd | undefined;
  const fetching = fetchPieces({
    signal: new AbortController().signal,
    now: () => performance.now(),
    onLoss: (name, loss) => losses.push([name, loss]),
    ...options,
  }).then((how) => {
    end = how;
  });
  while (end === undefined) await vi.advanceTimersByTimeAsync(10);
  await fetching;
  return { end, ms: performance.now() - startedAt, losses };
}

const MB = 1000; // bytes a millisecond

describe('several sources', () => {
  test('bring together what each can', async () => {
    const sink = new Pieces(800);
    const givers = [new Line('a', { rate: 6 * MB }), new Line('b', { rate: 6 * MB })];
    const { end, ms } = await run({ sink, givers });
    expect(end).toBe('complete');
    expect(ms).toBeLessThan((1.1 * (800 * CHUNK)) / (12 * MB));
  });

  test('a slow one holds nobody up at the end', async () => {
    const sink = new Pieces(800);
    const givers = [new Line('fast', { rate: 20 * MB }), new Line('slow', { rate: 0.05 * MB })];
    const { end, ms } = await run({ sink, givers });
    expect(end).toBe('complete');
    expect(ms).toBeLessThan((1.15 * (800 * CHUNK)) / (20 * MB));
  });

  test('one slow, one wrong, one that leaves: at the sum of the honest rates', async () => {
    const sink = new Pieces(1_600);
    const wrong = (n: number, right: StreamResult): StreamResult =>
      n > 50 ? { ok: true, bytes: new Uint8Array(CHUNK).fill(255) } : right;
    const leaves = (n: number, right: StreamResult): StreamResult =>
      n > 300 ? { ok: false, reason: 'refused', code: 'unknown' } : right;
    const givers = [
      new Line('slow', { rate: 2 * MB }),
      new Line('wrong', { rate: 10 * MB, result: wrong }),
      new Line('leaves', { rate: 10 * MB, result: leaves }),
      new Line('good', { rate: 10 * MB }),
    ];
    const { end, ms, losses } = await run({ sink, givers });
    expect(end).toBe('complete');
    expect(losses.sort()).toEqual([
      ['leaves', 'gone'],
      ['wrong', 'wrong'],
    ]);
    const fromLeaver = 300 * CHUNK;
    expect(ms).toBeLessThan((1.25 * (1_600 * CHUNK - fromLeaver)) / (12 * MB));
  });

  test('one that is silent is asked now and then, and its pieces elsewhere', async () => {
    const sink = new Pieces(400);
    const lost = (): StreamResult => ({ ok: false, reason: 'lost' });
    const givers = [new Line('silent', { rate: 10 * MB, result: lost }), new Line('good', { rate: 10 * MB })];
    const { end, losses } = await run({ sink, givers });
    expect(end).toBe('complete');
    expect(losses).toEqual([]);
  });
});

test('two that say they have it and never give it hold nobody up', async () => {
  const never: Pick<Giver, 'ask'> = {
    // Crumbs, so that there is no silence.
    ask: ({ signal, onBytes }) =>
      new Promise((done) => {
        const crumbs = setInterval(() => onBytes(1), 100);
        signal.addEventListener('abort', () => {
          clearInterval(crumbs);
          done({ ok: false, reason: 'lost' });
        });
      }),
  };
  const sink = new Pieces(40);
  const givers = [
    { name: 'one', ...never },
    { name: 'other', ...never },
    new Line('good', { rate: 10 * MB }),
  ];
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 60_000);
  const { end, ms } = await run({ sink, givers, signal: stop.signal });
  expect(end).toBe('complete');
  expect(ms).toBeLessThan(20_000);
});

describe('the end', () => {
  test('is no-source when all who had it are gone or wrong', async () => {
    const all = (result: StreamResult) => () => result;
    const givers = [
      new Line('changed', { rate: MB, result: all({ ok: false, reason: 'refused', code: 'changed' }) }),
      new Line('long', { rate: MB, result: all({ ok: false, reason: 'invalid' }) }),
    ];
    const { end, losses } = await run({ sink: new Pieces(100), givers });
    expect(end).toBe('no-source');
    expect(losses.sort()).toEqual([
      ['changed', 'changed'],
      ['long', 'wrong'],
    ]);
  });

  test('is silence when nobody says anything for long enough', async () => {
    const lost = (): StreamResult => ({ ok: false, reason: 'lost' });
    const givers = [new Line('silent', { rate: MB, result: lost })];
    const { end, ms } = await run({ sink: new Pieces(4), givers, patienceMs: 5_000 });
    expect(end).toBe('silence');
    expect(ms).toBeLessThan(5_300);
  });

  test('comes at once when it is aborted, and everything that was asked is stopped', async () => {
    const controller = new AbortController();
    const line = new Line('a', { rate: MB });
    setTimeout(() => controller.abort(), 500);
    const { end, ms } = await run({ sink: new Pieces(1_000), givers: [line], signal: controller.signal });
    expect(end).toBe('aborted');
    expect(ms).toBeLessThan(520);
    expect(line.stopped).toBeGreaterThan(3);
  });

  test('is at once for what is complete already', async () => {
    const { end, ms } = await run({ sink: new Pieces(0), givers: [] });
    expect(end).toBe('complete');
    expect(ms).toBeLessThan(20);
  });

  test('is the error of a sink that cannot write', async () => {
    const sink = new Pieces(10);
    sink.accept = () => Promise.reject(new Error('disk full'));
    const fetching = fetchPieces({
      sink,
      givers: [new Line('a', { rate: MB })],
      signal: new AbortController().signal,
      now: () => performance.now(),
    });
    const failure = expect(fetching).rejects.toThrow('disk full');
    await vi.advanceTimersByTimeAsync(1_000);
    await failure;
  });
});

test('a limit holds', async () => {
  const sink = new Pieces(200);
  const { ms } = await run({ sink, givers: [new Line('a', { rate: 100 * MB })], limit: 5_000_000 });
  const expected = (200 * CHUNK) / 5_000;
  expect(ms).toBeGreaterThan(0.8 * expected);
  expect(ms).toBeLessThan(1.2 * expected);
});
