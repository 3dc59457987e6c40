/** Times are milliseconds of a monotonic clock. */

// Fixed by the protocol: a peer that chose otherwise would not interoperate (PROTOCOL §12).

/** How long an epoch issues CHALLENGEs; its keys are erased one such time later. */
export const EPOCH_MS = 60_000;
/** The idlest session is dropped beyond this many a peer. */
export const MAX_SESSIONS_PER_PEER = 64;
export const REKEY_AFTER_DATAGRAMS = 2 ** 32;
export const REKEY_AFTER_MS = 3_600_000;
export const SESSION_LIFETIME_MS = 2 * 3_600_000;
/** How long a responder keeps a session that receives nothing. */
export const SESSION_IDLE_MS = 15 * 60_000;
/** An initiator stops a little before the responder forgets. */
export const INITIATOR_IDLE_MS = 14 * 60_000;
/** How long a replaced session still receives. */
export const RETIRED_SESSION_MS = 10_000;
/** Bytes sent for each byte received on a path that is not validated (RFC 9000 §8.1). */
export const AMPLIFICATION_LIMIT = 3;

// Chosen by this implementation.

/** Handshakes of one peer that cost the responder public-key operations: a token bucket. */
export const HANDSHAKES_PER_SECOND = 4;
export const HANDSHAKE_BURST = 16;
/** CHALLENGEs remembered a peer an epoch, so that an identical HELLO gets identical bytes. */
export const CACHED_CHALLENGES = 8;
/** RETRYs remembered likewise: so many recorded HELLOs, sent again and again, are not even opened. */
export const CACHED_RETRIES = 64;
/** The same HELLO from the same address is not answered again before: shorter than any time-out. */
export const HELLO_REPEAT_INTERVAL_MS = 25;
/** Addresses remembered a session. */
export const MAX_PATHS = 4;
export const PATH_CHALLENGE_INTERVAL_MS = 500;
/** An OPEN unanswered this many times falls back to a new HELLO. */
export const MAX_OPEN_TRIES = 3;
/** A HELLO's keypair is not used longer than this. */
export const HELLO_LIFETIME_MS = 30_000;
/** How often dead sessions are looked for; they are refused at once all the same. */
export const SWEEP_INTERVAL_MS = 10_000;
export const MAX_ADDRESSES_PER_PEER = 8;
/** Addresses kept of those where a peer was found. */
export const MAX_FOUND_ADDRESSES = 2;
/** HELLOs of a trial, so many to each of its addresses, and what the first pause is; each next one is twice as long. */
export const MAX_TRIAL_TRIES = 5;
export const TRIAL_INTERVAL_MS = 300;
export const MAX_TRIALS_PER_PEER = 4;
/** Encoded messages that wait in one session for the end of a turn. */
export const MAX_OUTBOX_BYTES = 1024 * 1024;
