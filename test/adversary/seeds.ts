/** Schedules one after the other, by their seeds. */
import type { Fault } from './faults.ts';
import type { Property } from './properties.ts';
import type { Report } from './schedule.ts';

type RunSchedule = (seed: number, reads?: number) => Report | Promise<Report>;

/** It is found long before. */
const MAX_SCHEDULES = 3_000;

/** Rejects with an Error that names the seed. */
export async function runSeeds(
  run: RunSchedule,
  first: number,
  count: number,
): Promise<{ answered: number; relayed: number }> {
  const total = { answered: 0, relayed: 0 };
  for (let seed = first; seed < first + count; seed++) {
    try {
      const { answered, relayed } = await run(seed);
      total.answered += answered;
      total.relayed += relayed;
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
  return total;
}

/** What a fault breaks first; null where nothing is seen of it. */
export async function firstBroken(
  run: RunSchedule,
  { breaks, seed: first = 1 }: Fault,
): Promise<Property | null> {
  const isRead = breaks.includes('forward secrecy') || breaks.includes('secret to the relay');
  for (let seed = first; seed < first + MAX_SCHEDULES; seed++) {
    try {
      await run(seed, isRead ? 1 : undefined);
    } catch (error) {
      // Its class is that of another bundle.
      return (error as { property?: Property }).property ?? null;
    }
  }
  return null;
}
