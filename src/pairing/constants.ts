/** Times are milliseconds of a monotonic clock. Fixed by the protocol (PROTOCOL §B.4). */

export const RESEND_MS = 500;
/** From the first datagram to the code, and again from the code to the yes of both people. */
export const STAGE_MS = 120_000;
/** How long a machine that trusts the other waits to hear that it is trusted too. */
export const WRITTEN_MS = 10_000;
/** How long a machine that knows all it needs still answers one that does not. */
export const FAREWELL_MS = 2_000;
