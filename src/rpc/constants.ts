import { EPOCH_MS } from '../session/constants.ts';

// Fixed by the protocol (PROTOCOL §9, §12).

/** How far a client's newest request may be ahead of its oldest without an outcome, less one; and how many ids a responder remembers. */
export const REQUEST_WINDOW = 256;
/** The longest that a request may be retransmitted. */
export const MAX_REQUEST_MS = 300_000;
/**
 * How long what a client asked is remembered after its last session: for as long as it may retransmit, and then for as
 * long as an OPEN that was held up may still begin a session. After it said CLOSE, the latter alone.
 */
export const INSTANCE_MEMORY_MS: number = MAX_REQUEST_MS + 2 * EPOCH_MS;
export const CLOSED_INSTANCE_MEMORY_MS: number = 2 * EPOCH_MS;
export const MAX_INSTANCES_PER_PEER = 1024;
/** Of all its instances together. */
export const MAX_LANES_PER_PEER = 1024;
/** Unanswered tries after which a handshake starts beside the session. */
export const SUSPECT_AFTER_TRIES = 2;

// Chosen by this implementation.

/** Requests of one peer in execution at once. */
export const MAX_RUNNING_PER_PEER = 1024;
/** How often it is looked who is to be forgotten: nobody before his time, and some a little later. */
export const FORGET_INTERVAL_MS = 1_000;
/** Bytes of answers kept for one peer in case they have to be sent again. */
export const MAX_KEPT_ANSWER_BYTES = 4 * 1024 * 1024;
/** What one peer gets of answers once more. What is beyond is lost as on the wire. */
export const REPEATED_BYTES_PER_SECOND = 4 * 1024 * 1024;
export const REPEATED_BYTES_AT_ONCE = 1024 * 1024;
/** A request that comes again within so many ms of its answer is a copy, not a question. */
export const REPEAT_INTERVAL_MS = 25;
/**
 * Requests on the way to one peer, of which nothing is known yet: some 250 small ones, a few milliseconds of its work. With
 * 10,000 at once the receive buffer of an ordinary system overflowed, and what others asked waited or was lost.
 */
export const MAX_BYTES_IN_FLIGHT: number = 8 * 1024;
