// Fixed by the protocol (PROTOCOL §9, §12).

/** How far a client's newest request may be ahead of its oldest without an outcome, less one; and how many ids a responder remembers. */
export const REQUEST_WINDOW = 256;
/** The longest that a request may be retransmitted, and how long its trace outlives the last session, in ms. */
export const MAX_REQUEST_MS = 300_000;
export const MAX_INSTANCES_PER_PEER = 1024;
/** Unanswered tries after which a handshake starts beside the session. */
export const SUSPECT_AFTER_TRIES = 2;

// Chosen by this implementation.

/** Requests of one peer in execution at once. */
export const MAX_RUNNING_PER_PEER = 1024;
/** Bytes of answers kept for one peer in case they have to be sent again. */
export const MAX_KEPT_ANSWER_BYTES = 4 * 1024 * 1024;
/** Instances that one client uses at once, each for {@link REQUEST_WINDOW} requests. */
export const MAX_LANES = 256;
