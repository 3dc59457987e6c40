import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenBucket } from '../../src/session/token-bucket.ts';

/** How many of `tries` are let through at that time. */
function granted(bucket: TokenBucket, now: number, tries = 100): number {
  return Array.from({ length: tries }, () => bucket.take(now)).filter(Boolean).length;
}

test('a new bucket holds a burst and no more, whenever it is first used', () => {
  for (const now of [0, 5, 1e9]) expect(granted(new TokenBucket(4, 16), now)).toBe(16);
});

test('it fills at its rate', () => {
  const bucket = new TokenBucket(4, 16);
  granted(bucket, 1000);
  expect(granted(bucket, 1249)).toBe(0);
  expect(granted(bucket, 1250)).toBe(1);
  expect(granted(bucket, 2250)).toBe(4);
});

test('refusals cost nothing and lose no part of a token', () => {
  const bucket = new TokenBucket(4, 16);
  granted(bucket, 0);
  for (let now = 1; now < 250; now++) expect(bucket.take(now)).toBe(false);
  expect(granted(bucket, 251)).toBe(1);
});

test('a long rest fills it to the burst and no further', () => {
  const bucket = new TokenBucket(4, 16);
  granted(bucket, 0);
  expect(granted(bucket, 3999)).toBe(15);
  expect(granted(bucket, 1e9)).toBe(16);
});

test('a partly used bucket keeps the rest', () => {
  const bucket = new TokenBucket(1, 3);
  expect(granted(bucket, 0, 1)).toBe(1);
  expect(granted(bucket, 0)).toBe(2);
  expect(granted(bucket, 0)).toBe(0);
});

test('over any time, no more than the burst and what the rate gives', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 2000 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 50 }),
      gaps,
      (rate, burst, steps) => {
        const bucket = new TokenBucket(rate, burst);
        let now = 0;
        let count = 0;
        for (const gap of steps) {
          now += gap;
          if (bucket.take(now)) count++;
        }
        expect(count).toBeLessThanOrEqual(burst + (now / 1000) * rate + 1e-6);
        expect(count).toBeGreaterThanOrEqual(Math.min(steps.length, burst));
      },
    ),
  );
});
