/** Some schedules between two who are introduced, by an honest machine or a hostile one, and the faults that they would show. */
import { describe, expect, test } from 'vitest';
import { FAULTS } from './faults.ts';
import { INTRODUCED_FAULTS } from './introduced-faults.ts';
import { load } from './load.mjs';
import { firstBroken, runSeeds } from './seeds.ts';

const SCHEDULES = 400;
const CHUNK = 100;
/** Of those that are in no introduction and no relay. */
const ALSO = [
  'there is no replay window',
  'the cookie is not bound to the address',
  'a session goes where its newest datagram came from',
  'requests are told apart by their session',
  'an answer is given to whichever request waits',
  'a session keeps its keys',
];

describe('whatever the attacker does, and whoever introduces, it holds', async () => {
  const { runIntroduced } = await load();
  test.each(Array.from({ length: SCHEDULES / CHUNK }, (_, i) => 1 + i * CHUNK))(
    'seeds from %i',
    async (first) => {
      const { answered, relayed } = await runSeeds(runIntroduced, first, CHUNK);
      // Else nothing would be shown.
      expect(answered).toBeGreaterThan(CHUNK);
      expect(relayed).toBeGreaterThan(5 * CHUNK);
    },
  );

  test('and what was relayed can be read by whoever has the keys of its ends', () => {
    let read = 0;
    for (let seed = 1; seed <= 10; seed++) read += runIntroduced(seed, 1).readable?.relayed ?? 0;
    expect(read).toBeGreaterThan(10);
  });
});

describe('a fault shows', () => {
  const faults = [...INTRODUCED_FAULTS, ...FAULTS.filter(({ fault }) => ALSO.includes(fault))];
  test.each(faults.map((fault) => [fault.fault, fault] as const))('%s', async (_name, fault) => {
    const { runIntroduced } = await load(fault);
    expect(fault.breaks).toContain(await firstBroken(runIntroduced, fault));
  });
});
