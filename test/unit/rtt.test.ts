import { describe, expect, test } from 'vitest';
import { RttEstimator } from '../../src/session/rtt.ts';

function sampled(...samples: number[]): RttEstimator {
  const estimator = new RttEstimator();
  for (const sample of samples) estimator.sample(sample);
  return estimator;
}

describe('RFC 6298', () => {
  test('before the first sample (§2.1)', () => {
    expect(sampled().smoothed).toBeNull();
    expect(sampled().rto(0)).toBe(500);
  });

  test('the first sample R makes R + 4 · R/2 (§2.2)', () => {
    expect(sampled(100).smoothed).toBe(100);
    expect(sampled(100).rto(0)).toBe(300);
  });

  // RTTVAR = ¾ · 50 + ¼ · |100 − 200| = 62.5, of the old SRTT; SRTT = ⅞ · 100 + ⅛ · 200 = 112.5.
  test('a later sample moves the variation first (§2.3)', () => {
    expect(sampled(100, 200).smoothed).toBe(112.5);
    expect(sampled(100, 200).rto(0)).toBe(112.5 + 4 * 62.5);
  });

  test('equal samples calm it', () => {
    expect(sampled(100, 100).rto(0)).toBe(100 + 4 * 37.5);
    // What is left is the granularity.
    expect(sampled(...new Array<number>(200).fill(100)).rto(0)).toBe(100 + 10);
  });

  test('a faster path is believed in time', () => {
    const estimator = sampled(1000, ...new Array<number>(100).fill(80));
    expect(estimator.smoothed).toBeCloseTo(80, 1);
    expect(estimator.rto(0)).toBeLessThan(110);
  });
});

describe('bounds', () => {
  test('never under the smallest', () => {
    expect(sampled(0).rto(0)).toBe(50);
    expect(sampled(1).rto(0)).toBe(50);
    expect(sampled(1).rto(1)).toBe(2 * 50);
  });

  test('never over the largest', () => {
    expect(sampled(10_000).rto(0)).toBe(5000);
    expect(sampled(10_000).rto(5)).toBe(5000);
  });

  test('each try doubles it, up to the largest, however many there are', () => {
    const estimator = sampled();
    const tries = [0, 1, 2, 3, 4, 5, 50, 2000, 1e9];
    expect(tries.map((count) => estimator.rto(estimator.doublings(count)))).toEqual([
      500,
      1000,
      2000,
      4000,
      ...new Array(5).fill(5000),
    ]);
    expect([0, 1, 2].map((count) => sampled(100).rto(count))).toEqual([300, 600, 1200]);
  });

  test('the smallest reaches the largest too', () => {
    expect(sampled(0).rto(7)).toBe(5000);
    expect(sampled(0).rto(6)).toBe(64 * 50);
  });

  test('asking changes nothing', () => {
    const estimator = sampled(100);
    estimator.rto(4);
    expect(estimator.rto(0)).toBe(300);
  });
});

describe('after a time-out', () => {
  const waits = (estimator: RttEstimator, ...tries: number[]): number[] =>
    tries.map((count) => estimator.rto(estimator.doublings(count)));

  test('what is sent next waits twice as long, until a clean sample (RFC 6298 §5.5 to §5.7)', () => {
    const estimator = sampled(100);
    estimator.timedOut(estimator.doublings(0));
    expect(waits(estimator, 0, 1, 2)).toEqual([600, 600, 1200]);
    estimator.timedOut(estimator.doublings(0));
    expect(waits(estimator, 0, 1, 2, 3)).toEqual([1200, 1200, 1200, 2400]);
    estimator.sample(100);
    expect(waits(estimator, 0)).toEqual([250]);
  });

  test('many that waited at once count once', () => {
    const estimator = sampled(100);
    for (let i = 0; i < 100; i++) estimator.timedOut(0);
    expect(waits(estimator, 0)).toEqual([600]);
  });

  test('a later time-out of fewer doublings takes none back', () => {
    const estimator = sampled(100);
    estimator.timedOut(2);
    estimator.timedOut(0);
    expect(waits(estimator, 0)).toEqual([2400]);
  });

  test('never over the largest', () => {
    const estimator = sampled();
    for (let i = 0; i < 50; i++) estimator.timedOut(estimator.doublings(i));
    expect(waits(estimator, 0, 60)).toEqual([5000, 5000]);
  });
});
