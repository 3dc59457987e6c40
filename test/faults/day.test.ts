import { expect, test } from 'vitest';
import { Prng } from '../support/prng.ts';
import { liveADay } from './day.ts';

test('a day of requests, pauses, restarts and rekeyings: all is answered, and nothing piles up', async () => {
  const { lost, recoveryMs } = await liveADay(new Prng(1), async () => {});
  expect(lost).toEqual([]);
  expect(recoveryMs.length).toBeGreaterThan(2_000);
});
