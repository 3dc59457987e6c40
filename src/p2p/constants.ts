/** Times are milliseconds of a monotonic clock. */

// Fixed by the protocol (PROTOCOL §10.4, §12).

/** A `meet` that nobody comes for is answered after this. */
export const MEET_MS = 20_000;
/** An invitation that is not accepted within this is none. */
export const INVITATION_MS = 5_000;
/** Addresses that one side of an introduction tells, and that one introduction leads to. */
export const MAX_CANDIDATES = 8;
/** Of them with one IP: an introducer must not have a third party's machine searched. */
export const MAX_CANDIDATES_PER_IP = 2;
/** … and of one IP, no more within this; the HELLOs of a trial are over in less than 7 s. */
export const TRIED_MEMORY_MS = 15_000;

// Chosen by this implementation.

/** As introducer: what one peer may ask for. */
export const INTRODUCTIONS_PER_SECOND = 0.5;
export const INTRODUCTION_BURST = 8;
/** Processes of one peer that wait to be found. */
export const MAX_WAITING_PER_PEER = 16;
/** After its last `meet`, for the next one to come. */
export const WAITING_MEMORY_MS = 5_000;
export const MAX_INVITATIONS = 8;

/** As one who is invited: by one introducer, for one peer. */
export const INVITATIONS_PER_SECOND = 0.2;
export const INVITATION_BURST = 4;

/** As relay. Bytes of datagrams a second, all links together. */
export const DEFAULT_RELAY_BYTES_PER_SECOND = 1_000_000;
/** What a link may have at once, in ms of its share. */
export const RELAY_BURST_MS = 250;
export const MAX_LINKS = 256;
export const MAX_LINKS_PER_PEER = 32;
/** A link that carries nothing for so long is forgotten. */
export const LINK_IDLE_MS = 180_000;
/** Links that had something to carry within this share the rate. */
export const LINK_ACTIVE_MS = 2_000;

/** The ladder: introduction begins when no session is there after this … */
export const INTRODUCE_AFTER_MS = 300;
/** … and the relay is tried when the holes are not punched after this. */
export const RELAY_AFTER_MS = 2_000;
/** How long a session of one's own is waited for, where the other side has begun one. */
export const OWN_SESSION_MS = 1_000;
/** Introducers asked at once. */
export const MAX_INTRODUCERS = 4;
/** An introduction that came to nothing is asked for again. */
export const INTRODUCE_AGAIN_MS: number = TRIED_MEMORY_MS + 500;
/** … and sooner, where the other one did not wait to be found. */
export const NOBODY_PAUSE_MS = 2_000;
/** While a relay is used, a better path is looked for so often. */
export const UPGRADE_MS = 20_000;
/** A session that received nothing for so long is not taken to be there. */
export const FRESH_MS = 15_000;
/** A path that is in use at all is kept open for others' NATs by a PING. */
export const KEEPALIVE_MS = 20_000;
/** Paths are looked after for so long after the last thing that came over them, but for keepalives. */
export const IN_USE_MS = 60_000;
/** After an introduction, another address of the peer that shows is tried too. */
export const REFLEXIVE_MS = 15_000;
export const MAX_POLL_PAUSE_MS = 60_000;
export const FIRST_POLL_PAUSE_MS = 2_000;
/** Where a peer does not introduce. */
export const REFUSED_PAUSE_MS = 300_000;
