import { expect, test } from 'vitest';
import { Rate } from '../../src/sharing/rate.ts';

/** A thousand bytes each 10 ms. */
function steady(rate: Rate, fromMs: number, untilMs: number): void {
  for (let now = fromMs; now <= untilMs; now += 10) rate.count(1000, now);
}

test('nothing is no rate, and what is steady is told as it is, also soon', () => {
  const rate = new Rate();
  expect(rate.at(5)).toBe(0);
  steady(rate, 1_000, 1_500);
  expect(rate.at(1_500)).toBeGreaterThan(90_000);
  expect(rate.at(1_500)).toBeLessThan(115_000);
  steady(rate, 1_510, 20_000);
  expect(rate.at(20_000)).toBeGreaterThan(95_000);
  expect(rate.at(20_000)).toBeLessThan(105_000);
});

test('what comes all at once is no more than over a quarter of a second', () => {
  const rate = new Rate();
  rate.count(1_000, 0);
  expect(rate.at(0)).toBeLessThanOrEqual(4_400);
});

test('it fades when nothing comes', () => {
  const rate = new Rate();
  steady(rate, 0, 10_000);
  expect(rate.at(13_000)).toBeLessThan(45_000);
  expect(rate.at(60_000)).toBe(0);
});
