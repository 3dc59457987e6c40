/** Watching over requests that take their time, overtake each other and lose their answers, on a virtual clock. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CommandRunner } from '../../src/command-runner.ts';
import { type Command, defineCommand, generateKeyPair, UdpToolError } from '../../src/index.ts';
import { RemotePeer } from '../../src/remote-peer.ts';
import { parseArguments } from '../../src/rpc/command.ts';
import { random } from '../../src/transport/random.ts';
import { FORGOTTEN_AFTER_MS, HEARTBEAT_MS, NEXT, UNWATCH, WATCH } from '../../src/watching/polls.ts';
import { type WatchEvent, watch } from '../../src/watching/watch.ts';
import { MAX_WATCHES_PER_PEER } from '../../src/watching/watches.ts';
import type { CborValue } from '../../src/wire/cbor.ts';
import { held } from '../support/commands.ts';
import { Prng, seeds } from '../support/prng.ts';

type Ask = Parameters<typeof watch>[0];

function peerCalled(name: string): RemotePeer {
  return new RemotePeer({ name, publicKey: generateKeyPair().publicKey }, undefined, {
    resolve: () => expect.fail(),
    request: () => expect.fail(),
    probe: () => expect.fail(),
    remove: () => expect.fail(),
    ask: () => {
      throw new Error('not asked');
    },
    roundTripMs: () => null,
    hasAddress: () => false,
    reach: () => expect.fail(),
    path: () => null,
    suggest: () => expect.fail(),
  });
}

/** A server that can be restarted, and the requests of its clients to it: each is executed at most once. */
class Requests {
  readonly mac = peerCalled('mac');
  runner: CommandRunner;
  polls = 0;
  /** Of the way there and of the way back, in ms; undefined: that way never works. */
  delay: () => number | undefined = () => 1;
  #process = new AbortController();

  constructor(commands: readonly Command[]) {
    this.runner = this.#start(commands);
  }

  restart(commands: readonly Command[]): void {
    this.#process.abort();
    this.#process = new AbortController();
    this.runner = this.#start(commands);
  }

  #start(commands: readonly Command[]): CommandRunner {
    const runner = new CommandRunner(this.#process.signal, random);
    runner.serve(commands);
    return runner;
  }

  readonly ask: Ask = (...question) => this.askAs(this.mac, ...question);

  askAs(peer: RemotePeer, ...[name, args, { timeoutMs, signal }]: Parameters<Ask>): ReturnType<Ask> {
    if (name === NEXT) this.polls++;
    const process = this.#process;
    return new Promise((done, fail) => {
      const late = setTimeout(() => fail(new UdpToolError('no-answer', 'late')), timeoutMs);
      const abort = (): void => fail(signal.reason);
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort);
      const travel = (then: () => void): void => {
        const delay = this.delay();
        if (delay !== undefined) setTimeout(then, delay);
      };
      const settle = (finish: () => void): void => {
        clearTimeout(late);
        signal.removeEventListener('abort', abort);
        process.signal.removeEventListener('abort', restart);
        finish();
      };
      const unknown = (): void =>
        settle(() => fail(new UdpToolError('outcome-unknown', 'the other side restarted')));
      const restart = (): void => travel(unknown);
      travel(() => {
        if (process !== this.#process) return unknown();
        const command = this.runner.command(peer, name);
        if (command === undefined) return settle(() => fail(new UdpToolError('unknown-command', 'unknown')));
        let parsed: Record<string, CborValue>;
        try {
          parsed = command.parse?.(args) ?? parseArguments(command, args);
        } catch (error) {
          return settle(() => fail(error));
        }
        process.signal.addEventListener('abort', restart);
        this.runner.run(command, parsed, peer, (result) =>
          travel(() => settle(() => (result.ok ? done({ value: result.value }) : fail(result.error)))),
        );
      });
    });
  }
}

const PATIENT = { timeoutMs: 60_000 };

let counter = 0;
/** Yields 1, 2, 3 … as fast as they are taken, and goes on where it was after a restart. */
const counting = defineCommand({
  name: 'counting',
  summary: '',
  idempotent: true,
  async *run() {
    for (;;) yield ++counter;
  },
});
const sampled = defineCommand({ name: 'sampled', summary: '', idempotent: true, run: () => ++counter });

/** Takes events until there are so many values, then leaves. */
async function values(events: AsyncIterable<WatchEvent>, count: number): Promise<WatchEvent[]> {
  const seen: WatchEvent[] = [];
  let left = count;
  for await (const event of events) {
    seen.push(event);
    if (event.type === 'value' && --left === 0) break;
  }
  return seen;
}

/** Runs the clock until it is there. */
async function settled<T>(promise: Promise<T>, maxMs = 3_600_000): Promise<T> {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  for (let ms = 0; !done && ms < maxMs; ms += 50) await vi.advanceTimersByTimeAsync(50);
  if (!done) throw new Error('it did not come to an end');
  return promise;
}

beforeEach(() => {
  vi.useFakeTimers();
  counter = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a watch', () => {
  test.each(seeds(20))(
    'of a stream gives every value once and in order, whatever overtakes (seed %i)',
    async (seed) => {
      const prng = new Prng(seed);
      const requests = new Requests([counting]);
      // As retransmission makes it: most at once, some after time-outs.
      requests.delay = () => (prng.chance(0.1) ? 500 + prng.below(5_000) : prng.below(200));
      const seen = await settled(values(watch(requests.ask, 'counting', [], PATIENT), 200));
      expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => ({ type: 'value', value: i + 1 })));
    },
  );

  test.each(seeds(20))(
    'says where values are missing after restarts, and repeats none (seed %i)',
    async (seed) => {
      const prng = new Prng(seed);
      const requests = new Requests([counting]);
      requests.delay = () => (prng.chance(0.1) ? 500 + prng.below(5_000) : prng.below(200));
      const restarts = setInterval(() => requests.restart([counting]), 7_000 + prng.below(5_000));
      const seen = await settled(values(watch(requests.ask, 'counting', [], PATIENT), 300));
      clearInterval(restarts);
      let last = 0;
      let gap = false;
      let gaps = 0;
      for (const event of seen) {
        if (event.type === 'gap') {
          gap = true;
          gaps++;
        } else if (event.type === 'value') {
          const value = event.value as number;
          expect(value).toBeGreaterThan(last);
          if (value !== last + 1) expect(gap).toBe(true);
          last = value;
          gap = false;
        }
      }
      expect(gaps).toBeGreaterThan(0);
    },
  );

  test('runs a command of one value once an interval', async () => {
    const requests = new Requests([sampled]);
    const times: number[] = [];
    const watching = (async () => {
      for await (const event of watch(requests.ask, 'sampled', [], { everyMs: 1_000 })) {
        expect(event).toEqual({ type: 'value', value: times.length + 1 });
        times.push(Date.now());
        if (times.length === 10) return;
      }
    })();
    await settled(watching);
    const steps = times.slice(1).map((time, i) => time - (times[i] as number));
    expect(steps.slice(1).every((step) => step === 1_000)).toBe(true);
  });

  test('that is slow to take values gets fresh ones, and is told how many it missed', async () => {
    const requests = new Requests([sampled]);
    const events = watch(requests.ask, 'sampled', [], { everyMs: 1_000 });
    expect(await settled(events.next())).toMatchObject({ value: { type: 'value', value: 1 } });
    await vi.advanceTimersByTimeAsync(20_500);
    // What was under way when it stopped taking them, and no more.
    expect(counter).toBeLessThan(10);
    const seen: WatchEvent[] = [];
    const all = (async () => {
      for await (const event of events) {
        seen.push(event);
        if (event.type === 'gap') return;
      }
    })();
    await settled(all);
    expect(seen.at(-1)).toMatchObject({ type: 'gap', missed: expect.any(Number) });
    const missed = (seen.at(-1) as { missed: number }).missed;
    expect(seen.length - 1 + missed).toBeGreaterThanOrEqual(18);
    expect(seen.length - 1 + missed).toBeLessThanOrEqual(22);
  });

  test('slows down a stream that is taken slowly', async () => {
    const requests = new Requests([counting]);
    const events = watch(requests.ask, 'counting', [], {});
    await settled(events.next());
    await vi.advanceTimersByTimeAsync(25_000);
    expect(counter).toBeLessThan(10);
    await settled(values(events, 20));
    expect(counter).toBeGreaterThanOrEqual(21);
  });

  test('ends with the stream', async () => {
    const three = defineCommand({
      name: 'three',
      summary: '',
      idempotent: true,
      async *run() {
        yield* ['a', 'b', 'c'];
      },
    });
    const seen = await settled(values(watch(new Requests([three]).ask, 'three', [], {}), 99));
    expect(seen.map((event) => event.type === 'value' && event.value)).toEqual(['a', 'b', 'c']);
  });

  test('tells an error of the command and goes on', async () => {
    const moody = defineCommand({
      name: 'moody',
      summary: '',
      idempotent: true,
      run() {
        if (++counter % 2 === 1) throw new Error('not now');
        return counter;
      },
    });
    const seen = await settled(values(watch(new Requests([moody]).ask, 'moody', [], { everyMs: 100 }), 2));
    expect(seen).toMatchObject([
      { type: 'error', error: { code: 'command-failed', message: 'not now' } },
      { type: 'value', value: 2 },
      { type: 'error' },
      { type: 'value', value: 4 },
    ]);
  });

  test('ends with the error of a stream, told once', async () => {
    const broken = defineCommand({
      name: 'broken',
      summary: '',
      idempotent: true,
      async *run() {
        yield 1;
        throw new Error('the sensor is gone');
      },
    });
    const seen = await settled(values(watch(new Requests([broken]).ask, 'broken', [], {}), 99));
    expect(seen).toMatchObject([
      { type: 'value' },
      { type: 'error', error: { message: 'the sensor is gone' } },
    ]);
  });

  test('is refused at once what does not exist, may not be called, or cannot be asked so', async () => {
    const requests = new Requests([sampled]);
    await expect(settled(watch(requests.ask, 'absent', [], {}).next())).rejects.toMatchObject({
      code: 'unknown-command',
    });
    await expect(settled(watch(requests.ask, 'sampled', ['no'], {}).next())).rejects.toMatchObject({
      code: 'bad-arguments',
    });
    await expect(settled(watch(requests.ask, 'sampled', [], { everyMs: 1 }).next())).rejects.toMatchObject({
      code: 'bad-arguments',
    });
    requests.mac.permissions = { allow: ['other'], deny: [] };
    await expect(settled(watch(requests.ask, 'sampled', [], {}).next())).rejects.toMatchObject({
      code: 'unknown-command',
    });
  });

  test('ends when what it watches is taken away', async () => {
    const requests = new Requests([sampled]);
    const events = watch(requests.ask, 'sampled', [], { everyMs: 1_000 });
    await settled(values({ [Symbol.asyncIterator]: () => ({ next: () => events.next() }) }, 2));
    requests.mac.permissions = { allow: ['other'], deny: [] };
    const seen = await settled(values(events, 99));
    expect(seen.at(-1)).toMatchObject({ type: 'error', error: { code: 'unknown-command' } });
    const before = counter;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(counter).toBe(before);
  });

  test('goes on when the peer is silent for long, and says so', async () => {
    const requests = new Requests([sampled]);
    const events = watch(requests.ask, 'sampled', [], { everyMs: 1_000 });
    await settled(events.next());
    requests.delay = () => undefined;
    const seen: WatchEvent[] = [];
    const watching = (async () => {
      for await (const event of events) {
        seen.push(event);
        if (event.type === 'gap') return;
      }
    })();
    await vi.advanceTimersByTimeAsync(5 * 60_000);
    requests.delay = () => 1;
    await settled(watching);
    expect(seen.map(({ type }) => type)).toContain('silence');
    expect(seen.at(-1)).toEqual({ type: 'gap', missed: undefined });
  });

  test('fails at first when nobody answers', async () => {
    const requests = new Requests([sampled]);
    requests.delay = () => undefined;
    await expect(
      settled(watch(requests.ask, 'sampled', [], { timeoutMs: 2_000 }).next()),
    ).rejects.toMatchObject({ code: 'no-answer' });
  });
});

describe('a watch of a peer that is not honest, or not there', () => {
  test('asks seldom where its name does not resolve', async () => {
    const requests = new Requests([sampled]);
    const events = watch(requests.ask, 'sampled', [], {});
    await settled(events.next());
    let asked = 0;
    const seen: WatchEvent[] = [];
    const lost = new AbortController();
    const ask: Ask = () => {
      asked++;
      return Promise.reject(new UdpToolError('name-not-found', 'no such name'));
    };
    const watching = (async () => {
      let first = true;
      const flaky: Ask = (...question) => (first ? requests.ask(...question) : ask(...question));
      for await (const event of watch(flaky, 'sampled', [], { everyMs: 1_000, signal: lost.signal })) {
        first = false;
        seen.push(event);
      }
    })().catch(() => {});
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBeLessThan(30);
    expect(seen.filter(({ type }) => type === 'silence').length).toBeGreaterThan(3);
    lost.abort();
    await watching;
  });

  test('asks seldom where every poll is answered with nothing at once', async () => {
    let asked = 0;
    const ask: Ask = async (name) => {
      asked++;
      return { value: name === NEXT ? [] : 1 };
    };
    const stop = new AbortController();
    const watching = values(watch(ask, 'sampled', [], { signal: stop.signal }), 1).catch(() => {});
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBeLessThan(200);
    stop.abort();
    await watching;
  });

  test('fails where one item comes for ever', async () => {
    const ask: Ask = async (name) => ({ value: name === NEXT ? [1, 0, 'value'] : 1 });
    await expect(settled(values(watch(ask, 'sampled', [], {}), 2))).rejects.toMatchObject({ code: 'failed' });
  });

  test('fails where an item is held back for ever', async () => {
    let seq = 1;
    const ask: Ask = async (name) => ({ value: name === NEXT ? [++seq, 0, 'value'] : 1 });
    await expect(settled(values(watch(ask, 'sampled', [], {}), 1))).rejects.toMatchObject({ code: 'failed' });
  });

  test('ends when it is told to, whatever the peer does', async () => {
    const ask: Ask = (name) => (name === NEXT ? new Promise(() => {}) : Promise.resolve({ value: 1 }));
    const stop = new AbortController();
    const watching = values(watch(ask, 'sampled', [], { signal: stop.signal }), 1);
    watching.catch(() => {});
    await vi.advanceTimersByTimeAsync(1_000);
    stop.abort(new UdpToolError('aborted', 'enough'));
    await expect(settled(watching)).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('the watched side', () => {
  test('ends a stream when the watcher leaves', async () => {
    let left = 0;
    const requests = new Requests([held(() => left++)]);
    await settled(values(watch(requests.ask, 'held', [], {}), 1));
    await vi.advanceTimersByTimeAsync(100);
    expect(left).toBe(1);
  });

  test('ends a stream when the watcher is told to stop', async () => {
    let left = 0;
    const requests = new Requests([held(() => left++)]);
    const stop = new AbortController();
    const events = watch(requests.ask, 'held', [], { signal: stop.signal });
    await settled(events.next());
    const waiting = events.next().catch(() => {});
    stop.abort(new UdpToolError('aborted', 'enough'));
    await vi.advanceTimersByTimeAsync(100);
    await waiting;
    expect(left).toBe(1);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['is no promise', () => 1],
  ])('survives an iterator whose return %s', async (_how, leave) => {
    const odd = defineCommand({
      name: 'odd',
      summary: '',
      idempotent: true,
      run: () => ({
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: false as const, value: 1 }),
          return: leave as unknown as () => Promise<IteratorResult<number>>,
        }),
      }),
    });
    const requests = new Requests([odd]);
    for (let i = 0; i < 2 * MAX_WATCHES_PER_PEER; i++) {
      await settled(values(watch(requests.ask, 'odd', [], {}), 1));
      await vi.advanceTimersByTimeAsync(100);
    }
  });

  test('gives an error in the place of a value that cannot be sent, and goes on', async () => {
    const values_ = [new Date(0), 'x'.repeat(70_000), [[[[[[1]]]]]], 'fine'];
    const odd = defineCommand({
      name: 'odd',
      summary: '',
      idempotent: true,
      async *run() {
        yield* values_ as string[];
        throw new Error(`half a character \ud800 and ${'more '.repeat(1_000)}`);
      },
    });
    const seen = await settled(values(watch(new Requests([odd]).ask, 'odd', [], {}), 99));
    expect(seen.map((event) => (event.type === 'error' ? event.error.code : event.type))).toEqual([
      'command-failed',
      'too-large',
      'command-failed',
      'value',
      'command-failed',
    ]);
  });

  test('tells nothing that was made after it was taken away', async () => {
    let finish = (_value: number): void => {};
    const slow = defineCommand({
      name: 'slow',
      summary: '',
      idempotent: true,
      run: () => new Promise<number>((done) => (finish = done)),
    });
    const requests = new Requests([slow]);
    const next = watch(requests.ask, 'slow', [], {}).next();
    await vi.advanceTimersByTimeAsync(100);
    requests.mac.permissions = { allow: ['other'], deny: [] };
    finish(42);
    expect(await settled(next)).toMatchObject({
      value: { type: 'error', error: { code: 'unknown-command' } },
    });
  });

  test('tells nothing after it was taken away that was made before, when nobody waited', async () => {
    let finish = (_value: number): void => {};
    const slow = defineCommand({
      name: 'slow',
      summary: '',
      idempotent: true,
      run: () => new Promise<number>((done) => (finish = done)),
    });
    const requests = new Requests([slow]);
    const patience = { timeoutMs: 60_000, signal: new AbortController().signal };
    const { value: id } = await settled(requests.ask(WATCH, [0, 'slow', []], patience));
    expect(await settled(requests.ask(NEXT, [id, 0, []], patience))).toEqual({ value: [] });
    finish(42);
    await vi.advanceTimersByTimeAsync(100);
    requests.mac.permissions = { allow: ['other'], deny: [] };
    expect(await settled(requests.ask(NEXT, [id, 0, []], patience))).toEqual({ value: null });
  });

  test('bounds what still runs of what nobody watches any more', async () => {
    let running = 0;
    const deaf = defineCommand({
      name: 'deaf',
      summary: '',
      idempotent: true,
      run: () => {
        running++;
        return new Promise<number>(() => {});
      },
    });
    const requests = new Requests([deaf]);
    let refused = 0;
    for (let i = 0; i < 3 * MAX_WATCHES_PER_PEER; i++) {
      const stop = new AbortController();
      const watching = watch(requests.ask, 'deaf', [], { signal: stop.signal }).next();
      watching.catch(({ code }: UdpToolError) => (refused += Number(code === 'busy')));
      await vi.advanceTimersByTimeAsync(50);
      stop.abort(new UdpToolError('aborted', 'enough'));
      await vi.advanceTimersByTimeAsync(50);
    }
    expect([running, refused]).toEqual([MAX_WATCHES_PER_PEER, 2 * MAX_WATCHES_PER_PEER]);
  });

  test('holds on to nothing of polls that are over', async () => {
    const requests = new Requests([counting]);
    const stop = new AbortController();
    const listeners = vi.spyOn(stop.signal, 'addEventListener');
    const any = vi.spyOn(AbortSignal, 'any');
    await settled(values(watch(requests.ask, 'counting', [], { signal: stop.signal }), 500));
    expect(any.mock.calls.length).toBeLessThan(20);
    expect(listeners.mock.calls.length).toBeLessThan(20);
    any.mockRestore();
  });

  test('ends a stream when the watcher is heard no longer', async () => {
    let left = 0;
    const requests = new Requests([held(() => left++)]);
    const events = watch(requests.ask, 'held', [], {});
    await settled(events.next());
    void events.next().catch(() => {});
    requests.delay = () => undefined;
    await vi.advanceTimersByTimeAsync(FORGOTTEN_AFTER_MS - 1_000);
    expect(left).toBe(0);
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS + 1_000);
    expect(left).toBe(1);
  });

  test('ends a stream when the peer is removed', async () => {
    let left = 0;
    const requests = new Requests([held(() => left++)]);
    await settled(watch(requests.ask, 'held', [], {}).next());
    requests.runner.forget(requests.mac);
    await vi.advanceTimersByTimeAsync(1);
    expect(left).toBe(1);
  });

  test('asks seldom while nothing happens', async () => {
    const requests = new Requests([held(() => {})]);
    const events = watch(requests.ask, 'held', [], {});
    await settled(events.next());
    void events.next().catch(() => {});
    await vi.advanceTimersByTimeAsync(1_000);
    const before = requests.polls;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(requests.polls - before).toBeLessThanOrEqual((8 * 60_000) / HEARTBEAT_MS);
  });

  test('lets nobody poll or end what another peer watches', async () => {
    const requests = new Requests([counting]);
    const pi = peerCalled('pi');
    const question = { timeoutMs: 60_000, signal: new AbortController().signal };
    const { value: id } = await settled(requests.ask(WATCH, [0, 'counting', []], question));
    expect(await settled(requests.askAs(pi, NEXT, [id, 0, []], question))).toEqual({ value: null });
    expect(await settled(requests.askAs(pi, UNWATCH, [id], question))).toEqual({ value: null });
    expect(await settled(requests.ask(NEXT, [id, 0, []], question))).toEqual({ value: [1, 0, 1] });
  });

  test('lets one peer watch so much and no more', async () => {
    const requests = new Requests([sampled]);
    for (let i = 0; i < MAX_WATCHES_PER_PEER; i++)
      await settled(watch(requests.ask, 'sampled', [], {}).next());
    await expect(settled(watch(requests.ask, 'sampled', [], {}).next())).rejects.toMatchObject({
      code: 'busy',
    });
  });

  test('gives the first value of a stream to who asks once, and ends it', async () => {
    let left = 0;
    const requests = new Requests([held(() => left++)]);
    const signal = new AbortController().signal;
    const { value } = await settled(requests.ask('held', [], { timeoutMs: 1_000, signal }));
    await vi.advanceTimersByTimeAsync(1);
    expect([value, left]).toEqual([1, 1]);
  });
});
