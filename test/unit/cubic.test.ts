import { describe, expect, test } from 'vitest';
import type { Feedback } from '../../src/streams/recovery/congestion-controller.ts';
import { Cubic, cubicK, cubicWindow } from '../../src/streams/recovery/cubic.ts';
import { HyStart } from '../../src/streams/recovery/hystart.ts';

const SEGMENT = 1_000;
const RTT = 100;

const calm: Feedback = {
  now: 0,
  ackedBytes: 0,
  largestAcked: -1,
  lostBytes: 0,
  lostDatagrams: 0,
  largestLost: -1,
  largestSent: 0,
  priorInFlight: 1e12,
  bytesInFlight: 0,
  rttMs: RTT,
  smoothedMs: RTT,
  delivered: 0,
  priorDelivered: 0,
  deliveryRate: 0,
  isApplicationLimited: false,
};

/** In congestion avoidance with so many segments, after an event at counter 0. */
function avoiding(segments: number): Cubic {
  const cubic = new Cubic();
  cubic.resume(SEGMENT, segments * SEGMENT);
  return cubic;
}

/** A window acknowledged each round trip, in `pieces`, for so long. */
function grow(cubic: Cubic, fromMs: number, ms: number, pieces = 20): void {
  for (let now = fromMs; now < fromMs + ms; now += RTT / pieces)
    cubic.onFeedback({ ...calm, now, ackedBytes: cubic.cwnd / pieces, largestAcked: 1_000 });
}

describe('RFC 9438', () => {
  test('K and the cubic curve (§4.2): it begins at β · W_max and is back after K', () => {
    const k = cubicK(1000, 700);
    expect(k).toBeCloseTo(Math.cbrt(300 / 0.4), 12);
    expect(cubicWindow(0, k, 1000)).toBeCloseTo(700, 9);
    expect(cubicWindow(k, k, 1000)).toBe(1000);
    expect(cubicWindow(k + 1, k, 1000)).toBeCloseTo(1000.4, 9);
    expect(cubicK(10, 10)).toBe(0);
  });

  test('slow start adds what is acknowledged', () => {
    const cubic = new Cubic();
    cubic.restart(SEGMENT);
    expect(cubic.cwnd).toBe(10 * SEGMENT);
    cubic.onFeedback({ ...calm, ackedBytes: 4 * SEGMENT, largestAcked: 3 });
    expect(cubic.cwnd).toBe(14 * SEGMENT);
    expect(cubic.pacingRate).toBe((2 * 14 * SEGMENT) / RTT);
  });

  test('a congestion event takes three tenths, once a round trip (§4.6)', () => {
    const cubic = avoiding(100);
    cubic.onFeedback({ ...calm, lostBytes: SEGMENT, lostDatagrams: 1, largestLost: 5, largestSent: 50 });
    expect(cubic.cwnd).toBeCloseTo(70 * SEGMENT, 6);
    cubic.onFeedback({ ...calm, lostBytes: SEGMENT, lostDatagrams: 1, largestLost: 50, largestSent: 60 });
    expect(cubic.cwnd).toBeCloseTo(70 * SEGMENT, 6);
    // Nor does it grow by what was sent before the event.
    cubic.onFeedback({ ...calm, ackedBytes: SEGMENT, largestAcked: 50, largestSent: 60 });
    expect(cubic.cwnd).toBeCloseTo(70 * SEGMENT, 6);
    cubic.onFeedback({ ...calm, lostBytes: SEGMENT, lostDatagrams: 1, largestLost: 51, largestSent: 60 });
    expect(cubic.cwnd).toBeCloseTo(49 * SEGMENT, 6);
    expect(cubic.pacingRate).toBeCloseTo((1.25 * 49 * SEGMENT) / RTT, 6);
  });

  test('the window comes back along the curve: concave up to W_max after K, convex beyond', () => {
    const cubic = avoiding(1000);
    cubic.onFeedback({ ...calm, lostBytes: 1, lostDatagrams: 1, largestLost: 0, largestSent: 1 });
    const k = 1000 * cubicK(1000, 700);
    for (const part of [0.25, 0.5, 0.75, 1, 1.25]) {
      grow(cubic, (part - 0.25) * k, 0.25 * k);
      const wanted = cubicWindow((part * k + RTT) / 1000, k / 1000, 1000);
      expect(Math.abs(cubic.cwnd / SEGMENT - wanted)).toBeLessThan(6);
    }
  });

  test('a small window grows as that of Reno does (§4.3)', () => {
    const cubic = avoiding(20);
    cubic.onFeedback({ ...calm, lostBytes: 1, lostDatagrams: 1, largestLost: 0, largestSent: 1 });
    grow(cubic, 0, 10 * RTT);
    // α = 3 · 0.3 / 1.7 segments a round trip, where the curve has hardly moved.
    expect(cubic.cwnd / SEGMENT).toBeCloseTo(14 + (10 * 0.9) / 1.7, 0);
  });

  test('who comes down twice gives more room (§4.7)', () => {
    const lose = { ...calm, lostBytes: 1, lostDatagrams: 1 };
    const once = avoiding(1000);
    once.onFeedback({ ...lose, largestLost: 0, largestSent: 1 });
    const twice = avoiding(1000 / 0.7);
    twice.onFeedback({ ...lose, largestLost: 0, largestSent: 1 });
    twice.onFeedback({ ...lose, largestLost: 2, largestSent: 3 });
    expect(twice.cwnd).toBeCloseTo(once.cwnd, 6);
    for (const cubic of [once, twice]) grow(cubic, 0, 1000 * cubicK(1000, 700));
    expect(twice.cwnd).toBeLessThan(0.95 * once.cwnd);
  });

  test('no growth while the window is not asked for, nor on account of that time (§5.8)', () => {
    const idle = avoiding(1000);
    const busy = avoiding(1000);
    for (const cubic of [idle, busy])
      cubic.onFeedback({ ...calm, lostBytes: 1, lostDatagrams: 1, largestLost: 0, largestSent: 1 });
    for (const cubic of [idle, busy]) grow(cubic, 0, 1_000);
    const before = idle.cwnd;
    for (let now = 1_000; now < 60_000; now += 50)
      idle.onFeedback({ ...calm, now, ackedBytes: SEGMENT, largestAcked: 1_000, priorInFlight: SEGMENT });
    expect(idle.cwnd).toBe(before);
    grow(idle, 60_000, 2_000);
    grow(busy, 1_000, 2_000);
    expect(Math.abs(idle.cwnd / busy.cwnd - 1)).toBeLessThan(0.01);
  });

  test('an event whose losses all came after all is undone (§4.9.2)', () => {
    const cubic = avoiding(100);
    cubic.onFeedback({ ...calm, lostBytes: 1, lostDatagrams: 3, largestLost: 5, largestSent: 50 });
    cubic.onSpuriousLoss(2);
    expect(cubic.cwnd).toBeCloseTo(70 * SEGMENT, 6);
    cubic.onSpuriousLoss(1);
    expect(cubic.cwnd).toBe(100 * SEGMENT);
  });

  test('never below two segments', () => {
    const cubic = avoiding(3);
    for (let i = 0; i < 10; i++)
      cubic.onFeedback({
        ...calm,
        lostBytes: 1,
        lostDatagrams: 1,
        largestLost: 2 * i + 1,
        largestSent: 2 * i + 1,
      });
    expect(cubic.cwnd).toBe(2 * SEGMENT);
    const other = avoiding(100);
    other.onPersistentCongestion();
    expect(other.cwnd).toBe(2 * SEGMENT);
  });
});

describe('HyStart++ (RFC 9406)', () => {
  /** Rounds with that smallest round trip each; gives the round in which slow start ended. */
  function rounds(...rtts: number[]): { endedIn: number; divisors: number[] } {
    const hystart = new HyStart();
    const divisors: number[] = [];
    for (const [round, rtt] of rtts.entries()) {
      for (let i = 0; i < 10; i++)
        if (hystart.onAck(rtt, 10 * round + i, 10 * round + 9)) return { endedIn: round, divisors };
      divisors.push(hystart.growthDivisor);
    }
    return { endedIn: -1, divisors };
  }

  test('equal round trips change nothing', () => {
    expect(rounds(50, 50, 50, 50, 50, 50, 50, 50)).toEqual({ endedIn: -1, divisors: Array(8).fill(1) });
  });

  test('a rise by an eighth makes it careful, and five rounds of that end it', () => {
    expect(rounds(80, 89, 90, 90, 90, 90)).toEqual({ endedIn: -1, divisors: [1, 1, 1, 1, 1, 1] });
    expect(rounds(80, 90, 91, 91, 91, 91, 91)).toEqual({ endedIn: 6, divisors: [1, 4, 4, 4, 4, 4] });
  });

  test('at least 4 ms, at most 16', () => {
    expect(rounds(8, 11.9).divisors).toEqual([1, 1]);
    expect(rounds(8, 12).divisors).toEqual([1, 4]);
    expect(rounds(800, 815).divisors).toEqual([1, 1]);
    expect(rounds(800, 816).divisors).toEqual([1, 4]);
  });

  test('a rise that passes lets it go on', () => {
    expect(rounds(80, 90, 80, 80, 80, 80, 80)).toEqual({ endedIn: -1, divisors: [1, 4, 1, 1, 1, 1, 1] });
  });
});
