/** What main.mjs and tests load with the instrumented library. */
import { type Counters, Fuzzer, type FuzzOptions, type FuzzResult } from './fuzzer.ts';
import type { Target } from './target.ts';
import * as found from './targets/index.ts';

/** All of them; or, where a bundle has one file of them in the place of the list, those of that file. */
export const targets: readonly Target[] = Object.values(found)
  .flat()
  .filter((one: Partial<Target>) => typeof one.run === 'function');

export function fuzz({ target, seed, ...rest }: FuzzOptions): Promise<FuzzResult> {
  const counters = (globalThis as unknown as { udpToolFuzz: Counters }).udpToolFuzz;
  return new Fuzzer(target, seed, counters).fuzz(rest);
}
