import { expect, test } from 'vitest';
import { Prng } from '../support/prng.ts';
import { refuse } from './refused-sends.ts';

test.each([0.1, 1])('of what a system refuses to send, %d of all, nothing is lost for good', async (rate) => {
  const { lost, recoveryMs } = await refuse([rate], 1, new Prng(1));
  expect(lost).toEqual([]);
  expect(recoveryMs.length).toBe(1);
});
