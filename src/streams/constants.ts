/** Chosen by this implementation. Times are milliseconds of a monotonic clock. */

/** Asks of one session that wait for their answer; one more is refused with `busy`. */
export const MAX_ASKS_PER_SESSION = 512;
/** Answers of one session that are not acknowledged, however short; one more is refused with `busy`. */
export const MAX_ANSWERS_PER_SESSION = 2_048;
/** Refusals of one session that are not acknowledged: who asks on is not even refused. */
export const MAX_REFUSALS_PER_SESSION = 2_048;
/** Bytes of answers to one peer that are in memory: being sent, or not yet acknowledged. */
export const MAX_ANSWER_BYTES_PER_PEER = 16 * 1024 * 1024;
/**
 * In how many parts apart from each other an answer may lie meanwhile: so many, and one for so many bytes. Who sends it
 * in datagrams that are as full as they can be makes half as many at most; and each piece costs a walk over them.
 */
export const FREE_PARTS = 64;
export const BYTES_OF_A_PART = 512;
/** Answers to one peer, over all its sessions, that are being made at once: how long they will be, nobody knows yet. */
export const MAX_ANSWERS_IN_THE_MAKING = 32;
/** The sessions of one peer send so many bytes in a turn, so that others have theirs. */
export const TURN_BYTES = 128 * 1024;
/** So long without a word, while something is asked, and the oldest ask is sent again to see whether anybody is there. */
export const SILENCE_MS = 1_000;
/** Probes without an answer until a handshake begins beside the session, since the other side may have restarted. */
export const SUSPECT_AFTER_PROBES = 3;
/** Probes without an answer until the session's streams are given up. */
export const GIVE_UP_AFTER_PROBES = 7;
