import type { FuzzOptions, FuzzResult } from './fuzzer.ts';
import type { Target } from './target.ts';

/** A part of the source, and what stands there instead: to see whether it is noticed. */
export interface Mutation {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** What run.ts gives. */
export interface Run {
  readonly targets: readonly Target[];
  readonly fuzz: (options: FuzzOptions) => FuzzResult;
}

export function load(entry: 'run.ts', mutation?: Mutation | null): Promise<Run>;
