import type { Mutation } from '../support/bundle.mjs';
import type { Report } from './schedule.ts';

/** What run.ts gives. */
export interface Run {
  /** @throws Violation */
  readonly runSchedule: (seed: number, reads?: number) => Report;
  /** @throws Violation */
  readonly runIntroduced: (seed: number, reads?: number) => Report;
  /** Rejects with a Violation. */
  readonly runMessages: (seed: number) => Promise<Report>;
}

export function load(mutation?: Mutation | null): Promise<Run>;
