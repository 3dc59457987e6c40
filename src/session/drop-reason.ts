/** Why a datagram was answered with silence. Each reason has a counter, and nothing else happens (PROTOCOL §11). */
export const DROP_REASONS = [
  'bad-source', // port 0, which nothing can be sent back to
  'too-short',
  'too-long',
  'unknown-type',
  'bad-length', // a handshake datagram that is not exactly as long as its type
  'bad-header', // reserved bytes that are not zero, or a counter out of range
  'unknown-tag', // a HELLO of nobody we know
  'unknown-hello', // a RETRY or CHALLENGE to a HELLO that is not ours, or answered already
  'unknown-session',
  'bad-box', // not sealed under the key it should be: tampered, reflected, or another key
  'replayed', // seen, or too old to tell; a HELLO that was answered just now
  'consumed', // an OPEN whose CHALLENGE was used up
  'bad-cookie', // an OPEN whose CHALLENGE we never made, or not in this epoch or the one before
  'bad-key', // a low-order point, or an ML-KEM key that is none
  'rate-limited', // more handshakes than one peer needs
  'peer-full', // too many client instances of that peer
  'expired', // for a session past its life
  'bad-envelope', // authentic, but not as PROTOCOL §7 and §8 have it
] as const;

export type DropReason = (typeof DROP_REASONS)[number];
