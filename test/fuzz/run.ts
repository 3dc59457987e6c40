/** What main.mjs and tests load with the instrumented library. */
import { type Counters, Fuzzer, type FuzzOptions, type FuzzResult } from './fuzzer.ts';
import { targets } from './targets/index.ts';

export { targets };

export function fuzz({ target, seed, ...rest }: FuzzOptions): Promise<FuzzResult> {
  const counters = (globalThis as unknown as { udpToolFuzz: Counters }).udpToolFuzz;
  return new Fuzzer(target, seed, counters).fuzz(rest);
}
