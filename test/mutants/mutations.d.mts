/** A fault as a person reads it, and the whole file with it. */
export interface Mutant {
  readonly was: string;
  readonly is: string;
  /** JavaScript. */
  readonly code: string;
}

/** @param source TypeScript */
export function mutantsOf(source: string): Promise<Mutant[]>;
