/** What breaks, how often, and what that cost: a scenario is a file here, and `npm run faults` runs them. */
import { Prng } from '../support/prng.ts';

export interface Figures {
  /** How often something broke, or what was done while it was broken: as the scenario says in `unit`. */
  readonly runs: number;
  /** A sentence for each promise that was not kept; empty is what is expected. */
  readonly lost: readonly string[];
  /** From the end of each fault to the next answer, in milliseconds. */
  readonly recoveryMs: readonly number[];
  /** What else was measured, a line each. */
  readonly notes?: readonly string[];
}

export interface Scenario {
  readonly name: string;
  /** Of `runs`. */
  readonly unit: string;
  /** How often by `npm run faults`. */
  readonly times: number;
  /** Why it cannot be run here; null where it can. */
  readonly missing: string | null;
  run(times: number, prng: Prng): Promise<Figures>;
}

interface Row {
  readonly scenario: Scenario;
  readonly figures: Figures;
  readonly ms: number;
}

export async function runScenario(scenario: Scenario, seed: number, times?: number): Promise<Row> {
  const begun = performance.now();
  const figures = await scenario.run(times ?? scenario.times, new Prng(seed));
  return { scenario, figures, ms: performance.now() - begun };
}

/** As a row of a table in Markdown. */
export function rowText({ scenario: { name, unit }, figures: { runs, lost, recoveryMs }, ms }: Row): string {
  const recovery =
    recoveryMs.length === 0 ? '–' : `${time(median(recoveryMs))} / ${time(Math.max(...recoveryMs))}`;
  const cells = [
    name,
    `${runs} ${unit}`,
    lost.length === 0 ? 'nothing' : `${lost.length} TIMES`,
    recovery,
    time(ms),
  ];
  return `| ${cells.join(' | ')} |`;
}

export const HEAD =
  '| scenario | runs | what was lost | recovery median / worst | took |\n|---|---|---|---|---|';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

export function time(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 100_000 ? 1 : 0)} s`;
}

/** Milliseconds after which what should have come does not come any more. */
const PATIENCE_MS = 120_000;

/** @throws Error where it does not come */
export async function soon<T>(what: string, coming: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`did not happen: ${what}`)), PATIENCE_MS);
  });
  return Promise.race([coming, late]).finally(() => clearTimeout(timer));
}

/** Where something is killed is chosen by the clock, after what it did: a slow machine is to be killed at as many places. */
export function later(ms: number): Promise<void> {
  return new Promise((done) => void setTimeout(done, ms));
}
