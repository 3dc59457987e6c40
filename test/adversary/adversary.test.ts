/** Some schedules of an attacker who owns the wire, and the faults that they would show. */
import { describe, expect, test } from 'vitest';
import { FAULTS } from './faults.ts';
import { INTRODUCED_FAULTS } from './introduced-faults.ts';
import { load } from './load.mjs';
import { MESSAGE_FAULTS } from './message-faults.ts';
import { PROPERTIES } from './properties.ts';
import { firstBroken, runSeeds } from './seeds.ts';

const SCHEDULES = 2_000;
const CHUNK = 500;

describe('whatever the attacker does, it holds', async () => {
  const { runSchedule } = await load();
  test.each(Array.from({ length: SCHEDULES / CHUNK }, (_, i) => 1 + i * CHUNK))(
    'seeds from %i',
    async (first) => {
      const { answered } = await runSeeds(runSchedule, first, CHUNK);
      expect(answered).toBeGreaterThan(CHUNK); // else nothing would be shown
    },
  );

  test('and what is recorded can be read for as long as its keys are there', () => {
    for (let seed = 1; seed <= 20; seed++) expect(runSchedule(seed, 1).readable?.atOnce).toBeGreaterThan(0);
  });
});

describe('a fault shows', () => {
  test.each(FAULTS.map((fault) => [fault.fault, fault] as const))('%s', async (_name, fault) => {
    const { runSchedule } = await load(fault);
    expect(fault.breaks).toContain(await firstBroken(runSchedule, fault));
  });

  test('and for each property there is one', () => {
    const faults = [...FAULTS, ...INTRODUCED_FAULTS, ...MESSAGE_FAULTS];
    expect(new Set(faults.flatMap(({ breaks }) => breaks))).toEqual(new Set(PROPERTIES));
  });
});
