/** A part of the source, and what stands there instead: to see whether it is noticed. */
export interface Mutation {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}
