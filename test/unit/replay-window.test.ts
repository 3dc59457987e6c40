import { describe, expect, test } from 'vitest';
import { ReplayWindow, WINDOW_SIZE } from '../../src/session/replay-window.ts';
import { COUNTER_LIMIT, counterOf, DatagramType, sessionHeader } from '../../src/wire/header.ts';

/** What a receiver does: the header's own limit, then the window, then the commit of what opened. */
function receive(window: ReplayWindow, counter: number): boolean {
  const parsed = counterOf(sessionHeader(DatagramType.DATA, new Uint8Array(8), counter));
  if (parsed === null || !window.check(parsed)) return false;
  window.commit(parsed);
  return true;
}

function outcomes(counters: number[]): boolean[] {
  const window = new ReplayWindow();
  return counters.map((counter) => receive(window, counter));
}

/** The whole numbers from `first` to `last`, up or down. */
function span(first: number, last: number): number[] {
  const step = first <= last ? 1 : -1;
  return Array.from({ length: Math.abs(last - first) + 1 }, (_, i) => first + i * step);
}

const yes = (counters: number[]): [number, boolean][] => counters.map((counter) => [counter, true]);

// Which counters WireGuard accepts, from the cases of wireguard-go's replay_test.go. Its limit is 2^64 − 2^13 − 1
// (ours is 2^48), its window 8128 (ours is WINDOW_SIZE).
const W = WINDOW_SIZE;
const L = W + 1;
const TOP = COUNTER_LIMIT;
const wireguard: Record<string, [number, boolean][]> = {
  'single steps': [
    [0, true],
    [1, true],
    [1, false],
    [9, true],
    [8, true],
    [7, true],
    [7, false],
    [L, true],
    [L - 1, true],
    [L - 1, false],
    [L - 2, true],
    [2, true],
    [2, false],
    [L + 16, true],
    [3, false],
    [L + 16, false],
    [L * 4, true],
    [L * 4 - (L - 1), true],
    [10, false],
    [L * 4 - L, false],
    [L * 4 - (L + 1), false],
    [L * 4 - (L - 2), true],
    [L * 4 + 1 - L, false],
    [0, false],
    [TOP, false],
    [TOP - 1, true],
    [TOP, false],
    [TOP - 1, false],
    [TOP - 2, true],
    [TOP + 1, false],
    [TOP + 2, false],
    [TOP - 2, false],
    [TOP - 3, true],
    [0, false],
  ],
  'bulk 1: 0 is just inside after a window from 1 upwards': [...yes(span(1, W)), [0, true], [0, false]],
  'bulk 2: 0 is just outside after a window from 2 upwards': [...yes(span(2, W + 1)), [1, true], [0, false]],
  'bulk 3: downwards to 1': yes(span(W + 1, 1)),
  'bulk 4: downwards to 2': [...yes(span(W + 2, 2)), [0, false]],
  'bulk 5: downwards to 1, then a step up': [...yes(span(W, 1)), [W + 1, true], [0, false]],
  'bulk 6: downwards to 0, then a step up': [...yes(span(W, 0)), [W + 1, true]],
};

describe('the cases of wireguard-go', () => {
  test.each(Object.entries(wireguard))('%s', (_, steps) => {
    expect(outcomes(steps.map(([counter]) => counter))).toEqual(steps.map(([, expected]) => expected));
  });
});

test('libcoap’s 1, 3, 1, 2: the replayed 1 is refused and the late 2 is not', () => {
  expect(outcomes([1, 3, 1, 2])).toEqual([true, true, false, true]);
});

test('the window is about 2,000 counters wide and less than its ring', () => {
  expect(WINDOW_SIZE).toBe(63 * 32);
});

// 31, 32 and 63, 64 are the last bit of a word and the first of the next.
describe.each([0, 31, 32, 33, 63, 64, 65, 2047, 2048, 2 ** 31, 2 ** 32, 2 ** 33 + 31])(
  'around %i',
  (base) => {
    test('each counter is accepted once, in any order of arrival', () => {
      const around = span(Math.max(0, base - 2), base + 2);
      for (const order of [around, around.toReversed(), [...around.slice(2), ...around.slice(0, 2)]]) {
        expect(outcomes([...order, ...order])).toEqual([...order.map(() => true), ...order.map(() => false)]);
      }
    });

    test('marking a counter marks no other', () => {
      const window = new ReplayWindow();
      window.commit(base + W);
      window.commit(base);
      const open = span(base, base + W).filter((counter) => window.check(counter));
      expect(open).toEqual(span(base + 1, base + W - 1));
    });
  },
);

describe('a jump forward', () => {
  const RING = 64 * 32;
  test.each([W - 1, W, W + 1, RING - 1, RING, RING + 1, 2 * RING, 2 * RING + 31, 2 ** 32, 2 ** 40])(
    'by %i forgets what is older than the window, and nothing else',
    (jump) => {
      const window = new ReplayWindow();
      for (const counter of span(0, RING)) window.commit(counter);
      const last = RING + jump;
      window.commit(last);
      for (const counter of span(last - W, last)) {
        expect(window.check(counter)).toBe(counter > RING && counter !== last);
      }
      expect(window.check(last - W - 1)).toBe(false);
      expect(window.check(last + 1)).toBe(true);
    },
  );

  test('step by step over many rings leaves no stale bit', () => {
    const window = new ReplayWindow();
    for (let counter = 0; counter < 20 * RING; counter += 97) {
      expect(receive(window, counter)).toBe(true);
      expect(window.check(counter + 1)).toBe(true);
      if (counter > 0) expect(window.check(counter - 1)).toBe(true);
      expect(window.check(counter)).toBe(false);
    }
  });
});

test('the top of the range works like the bottom', () => {
  const window = new ReplayWindow();
  const late = span(TOP - 1 - W, TOP - 2);
  expect(receive(window, TOP - 1)).toBe(true);
  expect(late.every((counter) => receive(window, counter))).toBe(true);
  expect(late.some((counter) => receive(window, counter))).toBe(false);
  expect(receive(window, TOP - 2 - W)).toBe(false);
});

test('a check changes nothing', () => {
  const window = new ReplayWindow();
  expect(window.last).toBe(-1);
  expect([window.check(TOP - 1), window.check(5), window.check(5)]).toEqual([true, true, true]);
  expect(window.last).toBe(-1);
  window.commit(5);
  expect([window.check(TOP - 1), window.check(4), window.check(5)]).toEqual([true, true, false]);
  expect(window.last).toBe(5);
});

test('a late commit does not move the window back', () => {
  const window = new ReplayWindow();
  window.commit(100);
  window.commit(3);
  expect(window.last).toBe(100);
});
