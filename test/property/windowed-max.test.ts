import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WindowedMax } from '../../src/streams/recovery/windowed-max.ts';

test('never more than the largest of the window, never less than the newest', () => {
  const step = fc.record({ value: fc.nat({ max: 100 }), rounds: fc.nat({ max: 4 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 100 }), (steps) => {
      const filter = new WindowedMax(10);
      const all: { value: number; round: number }[] = [];
      let round = 0;
      for (const { value, rounds } of steps) {
        round += rounds;
        all.push({ value, round });
        filter.add(value, round);
        const now = round;
        const inWindow = all.filter((each) => now - each.round <= 10).map((each) => each.value);
        expect(filter.max).toBeLessThanOrEqual(Math.max(...inWindow));
        expect(filter.max).toBeGreaterThanOrEqual(value);
      }
    }),
  );
});

test('the largest lasts for the window, and no longer', () => {
  const filter = new WindowedMax(10);
  filter.add(100, 0);
  for (let round = 1; round <= 10; round++) {
    filter.add(50, round);
    expect(filter.max).toBe(100);
  }
  filter.add(40, 11);
  expect(filter.max).toBe(50);
});
