import type { UdpToolError } from '../index.ts';

/** An error with lines of explanation for the person. */
export class CommandFailure extends Error {
  readonly error: UdpToolError;
  readonly details: readonly string[];

  constructor(error: UdpToolError, details: readonly string[]) {
    super(error.message, { cause: error });
    this.error = error;
    this.details = details;
  }
}
