/** Some schedules of an attacker who owns the wire, and the faults that they would show. */
import { describe, expect, test } from 'vitest';
import { FAULTS } from './faults.ts';
import { load } from './load.mjs';
import { PROPERTIES, type Property } from './properties.ts';

const SCHEDULES = 2_000;
const CHUNK = 500;
/** It is found long before. */
const MAX_SCHEDULES = 3_000;

describe('whatever the attacker does, it holds', async () => {
  const { runSchedule } = await load();
  test.each(Array.from({ length: SCHEDULES / CHUNK }, (_, i) => 1 + i * CHUNK))('seeds from %i', (first) => {
    let answered = 0;
    for (let seed = first; seed < first + CHUNK; seed++) {
      try {
        answered += runSchedule(seed).answered;
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
    expect(answered).toBeGreaterThan(CHUNK); // else nothing would be shown
  });

  test('and what is recorded can be read for as long as its keys are there', () => {
    for (let seed = 1; seed <= 20; seed++) expect(runSchedule(seed, 1).readable?.atOnce).toBeGreaterThan(0);
  });
});

describe('a fault shows', () => {
  test.each(FAULTS.map((fault) => [fault.fault, fault] as const))('%s', async (_name, fault) => {
    const { runSchedule } = await load(fault);
    expect(fault.breaks).toContain(
      firstBroken(runSchedule, fault.breaks.includes('forward secrecy') ? 1 : undefined),
    );
  });

  test('and for each property there is one', () => {
    expect(new Set(FAULTS.flatMap(({ breaks }) => breaks))).toEqual(new Set(PROPERTIES));
  });
});

function firstBroken(
  runSchedule: (seed: number, reads?: number) => unknown,
  reads: number | undefined,
): Property | null {
  for (let seed = 1; seed <= MAX_SCHEDULES; seed++) {
    try {
      runSchedule(seed, reads);
    } catch (error) {
      // Its class is that of another bundle.
      return (error as { property?: Property }).property ?? null;
    }
  }
  return null;
}
