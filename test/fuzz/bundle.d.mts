import type { Mutation } from '../support/bundle.mjs';
import type { FuzzOptions, FuzzResult } from './fuzzer.ts';
import type { Target } from './target.ts';

/** What run.ts gives. */
export interface Run {
  readonly targets: readonly Target[];
  readonly fuzz: (options: FuzzOptions) => Promise<FuzzResult>;
}

export function load(mutation?: Mutation | null): Promise<Run>;
