/** The initiator's side of an endpoint: its handshakes, and which session to send on (PROTOCOL §5.4, §6.2). */
import type { KeyPair } from '../crypto/keys.ts';
import { receiverOf } from '../wire/header.ts';
import { type Address, sameAddress } from './address.ts';
import {
  HANDSHAKES_PER_SECOND,
  HELLO_LIFETIME_MS,
  MAX_ADDRESSES_PER_PEER,
  MAX_FOUND_ADDRESSES,
  MAX_OPEN_TRIES,
  MAX_TRIAL_TRIES,
  MAX_TRIALS_PER_PEER,
  RETIRED_SESSION_MS,
  TRIAL_INTERVAL_MS,
} from './constants.ts';
import type { DropReason } from './drop-reason.ts';
import { Handshake } from './handshake.ts';
import type { Peer } from './peer.ts';
import type { InitiatorSession } from './session.ts';

export interface InitiatorOptions {
  readonly own: KeyPair;
  readonly random: (length: number) => Uint8Array;
  readonly trusts: (peer: Peer) => boolean;
  /** Session ids that the endpoint receives on. */
  readonly idTaken: (id: bigint) => boolean;
  readonly transmit: (datagram: Uint8Array, to: Address, peer: Peer) => void;
  /** A session that can be sent on and is not confirmed yet. */
  readonly onSession: (session: InitiatorSession, now: number) => void;
  /** Time for an OPEN (again), whether or not there is something to say. */
  readonly sendOpen: (session: InitiatorSession) => void;
}

export class Initiator {
  readonly #options: InitiatorOptions;
  readonly #handshakes = new Map<bigint, Handshake>();

  constructor(options: InitiatorOptions) {
    this.#options = options;
  }

  want(peer: Peer, until: number, now: number): void {
    peer.wantedUntil = Math.max(peer.wantedUntil, until);
    if (!peer.current?.isAlive(now)) this.start(peer, now);
  }

  sessionsTo(peer: Peer, now: number): InitiatorSession[] {
    const { current, unconfirmed } = peer;
    const sessions: InitiatorSession[] = [];
    if (current?.isAlive(now)) {
      sessions.push(current);
      if (current.rekeyDue(now)) this.start(peer, now);
    }
    if (unconfirmed?.isAlive(now)) sessions.push(unconfirmed);
    return sessions;
  }

  /** Starts a handshake, unless one is under way. */
  start(peer: Peer, now: number, token: Uint8Array | null = null): void {
    if (peer.handshake !== null || peer.addresses.length === 0 || !this.#options.trusts(peer)) return;
    const startsAt = peer.starts.take(now) ? now : now + 1_000 / HANDSHAKES_PER_SECOND;
    const handshake = new Handshake(peer, token, startsAt, this.#options.random);
    peer.handshake = handshake;
    this.#begin(handshake, now);
  }

  /** Starts a handshake with these addresses alone, beside the one that may be under way. */
  tryPath(peer: Peer, addresses: readonly Address[], now: number): void {
    if (addresses.length === 0 || !this.#options.trusts(peer)) return;
    if (peer.trials.size >= MAX_TRIALS_PER_PEER) return;
    this.#startTrial(peer, addresses.slice(0, MAX_ADDRESSES_PER_PEER), now, null, 0);
  }

  /** The peer may be elsewhere: a HELLO that waits for its next time, maybe for seconds, goes there now. */
  hurry({ handshake }: Peer): void {
    if (handshake?.session === null && handshake.tries > 0) handshake.nextTryAt = 0;
  }

  abandonAll(peer: Peer): void {
    if (peer.handshake !== null) this.#abandon(peer.handshake);
    for (const trial of peer.trials) this.#abandon(trial);
  }

  #startTrial(
    peer: Peer,
    addresses: readonly Address[],
    now: number,
    token: Uint8Array | null,
    tries: number,
  ): void {
    const handshake = new Handshake(peer, token, now, this.#options.random, addresses);
    handshake.tries = tries;
    peer.trials.add(handshake);
    this.#begin(handshake, now);
  }

  #begin(handshake: Handshake, now: number): void {
    this.#handshakes.set(handshake.id, handshake);
    if (handshake.startedAt <= now) this.#try(handshake, now);
  }

  #abandon(handshake: Handshake): void {
    const { peer } = handshake;
    if (peer.handshake === handshake) peer.handshake = null;
    peer.trials.delete(handshake);
    this.#handshakes.delete(handshake.id);
    handshake.wipe();
  }

  /** Begins anew, with other keys, a handshake that cannot go on. */
  #restart(handshake: Handshake, now: number, token: Uint8Array | null = null): void {
    const { peer, trial, tries } = handshake;
    this.#abandon(handshake);
    if (trial === null) this.start(peer, now, token);
    else if (tries < MAX_TRIAL_TRIES) this.#startTrial(peer, trial, now, token, tries);
  }

  nextTimeout(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const handshake of this.#handshakes.values()) next = Math.min(next, handshake.nextTryAt);
    return next;
  }

  timeout(now: number): void {
    for (const handshake of this.#handshakes.values())
      if (handshake.nextTryAt <= now) this.#try(handshake, now);
  }

  /** A RETRY came. */
  retry(datagram: Uint8Array, now: number): DropReason | null {
    const handshake = this.#waiting(datagram);
    if (handshake === undefined) return 'unknown-hello';
    const token = handshake.openRetry(datagram);
    if (token === null) return 'bad-box';
    // A token gets stale when the epoch changes; and then it is replaced no faster than HELLO is sent again.
    if (!handshake.hasToken || handshake.tries > 1) {
      this.#restart(handshake, now, token);
    }
    return null;
  }

  /** A CHALLENGE came. */
  challenge(datagram: Uint8Array, from: Address, now: number): DropReason | null {
    const handshake = this.#waiting(datagram);
    if (handshake === undefined) return 'unknown-hello';
    const challenge = handshake.openChallenge(datagram);
    if (challenge === null) return 'bad-box';
    const { peer } = handshake;
    // From an address that we do not know, it came from one of those that we do: each has its turn.
    const { addresses } = handshake;
    const turn = addresses[peer.challenges++ % addresses.length];
    const address = addresses.find((known) => sameAddress(known, from)) ?? turn;
    if (address === undefined) return 'unknown-hello';
    const { own, random } = this.#options;
    const session = handshake.accept(challenge, own, address, now, random, this.#fraction());
    if (session === null) return 'bad-key';
    if (this.#options.idTaken(session.localId)) {
      session.wipe();
      this.#restart(handshake, now);
      return null;
    }
    if (handshake.tries === 1) session.handshakeRtt = now - handshake.startedAt;
    handshake.session = session;
    handshake.tries = 0;
    this.#schedule(handshake, now);
    if (handshake.trial === null) {
      this.#retire(peer.unconfirmed, now);
      peer.unconfirmed = session;
    }
    this.#options.onSession(session, now);
    return null;
  }

  /** Something of the responder's has opened under the session. */
  confirm(session: InitiatorSession, now: number): void {
    const { peer } = session;
    session.confirm();
    peer.openFailed = false;
    if (session.handshakeRtt !== null) peer.rtt.sample(session.handshakeRtt);
    this.#handshakeOver(session);
    if (peer.unconfirmed === session) peer.unconfirmed = null;
    if (!replaces(session, peer.current)) {
      this.#retire(session, now);
      return;
    }
    this.#retire(peer.current, now);
    peer.current = session;
    if (!peer.configured.some((known) => sameAddress(known, session.address)))
      remember(peer, session.address);
    // The others look for what is found now.
    if (session.isDirect) for (const trial of peer.trials) this.#drop(trial, now);
  }

  /** Ends a trial, and the session that it may have led to. */
  #drop(trial: Handshake, now: number): void {
    this.#retire(trial.session, now);
    this.#abandon(trial);
  }

  #handshakeOver(session: InitiatorSession): void {
    const { handshake, trials } = session.peer;
    if (handshake?.session === session) this.#abandon(handshake);
    for (const trial of trials) if (trial.session === session) this.#abandon(trial);
  }

  /** The session is gone. */
  forget(session: InitiatorSession): void {
    const { peer } = session;
    if (peer.current === session) peer.current = null;
    if (peer.unconfirmed === session) peer.unconfirmed = null;
    this.#handshakeOver(session);
  }

  /** Who is asked by the HELLO that this datagram says it answers. */
  peerOf(datagram: Uint8Array): Peer | undefined {
    return this.#waiting(datagram)?.peer;
  }

  /** The handshake whose HELLO this datagram answers, unless it was answered already. */
  #waiting(datagram: Uint8Array): Handshake | undefined {
    const handshake = this.#handshakes.get(receiverOf(datagram));
    return handshake?.session === null ? handshake : undefined;
  }

  /** Sends HELLO (again), or lets an OPEN be sent again, or gives up. */
  #try(handshake: Handshake, now: number): void {
    if (handshake.session === null) this.#tryHello(handshake, now);
    else this.#tryOpen(handshake, handshake.session, now);
  }

  #tryHello(handshake: Handshake, now: number): void {
    const { peer, trial } = handshake;
    const isOver = trial === null ? now >= peer.wantedUntil : handshake.tries >= MAX_TRIAL_TRIES;
    if (handshake.tries > 0 && isOver) {
      this.#abandon(handshake);
    } else if (now - handshake.startedAt >= HELLO_LIFETIME_MS) {
      this.#restart(handshake, now);
    } else {
      // That nobody is where a trial looks says nothing of the path there is.
      if (handshake.tries > 0 && trial === null) peer.rtt.timedOut(handshake.doublings);
      for (const to of handshake.addresses) this.#options.transmit(handshake.hello, to, peer);
      this.#schedule(handshake, now);
      handshake.tries++;
    }
  }

  #tryOpen(handshake: Handshake, session: InitiatorSession, now: number): void {
    const { peer, trial } = handshake;
    handshake.tries++;
    if (trial === null) peer.rtt.timedOut(handshake.doublings);
    if (handshake.tries < MAX_OPEN_TRIES) {
      this.#options.sendOpen(session);
      this.#schedule(handshake, now);
      return;
    }
    this.#abandon(handshake);
    this.#retire(session, now);
    if (peer.unconfirmed === session) peer.unconfirmed = null;
    if (trial === null) peer.openFailed = true;
    if (trial === null && now < peer.wantedUntil) this.start(peer, now);
  }

  /** Replaced: it still receives for a while. */
  #retire(session: InitiatorSession | null, now: number): void {
    if (session !== null) session.expiresAt = Math.min(session.expiresAt, now + RETIRED_SESSION_MS);
  }

  #schedule(handshake: Handshake, now: number): void {
    const { rtt } = handshake.peer;
    const spread = 1 + this.#fraction() / 2;
    if (handshake.trial !== null) {
      handshake.nextTryAt = now + TRIAL_INTERVAL_MS * 2 ** handshake.tries * spread;
      return;
    }
    // What was sent once and answered ends the doublings of before; of a CHALLENGE, for its own OPENs alone, and only
    // until some are in vain: it was sealed with the static keys alone (PROTOCOL §5.4).
    const { peer, session, tries } = handshake;
    const fresh = peer.openFailed ? null : (session?.handshakeRtt ?? null);
    handshake.doublings = fresh === null ? rtt.doublings(tries) : tries;
    const wait = rtt.rto(handshake.doublings, (fresh ?? 0) * 2 ** (tries + 1));
    handshake.nextTryAt = now + wait * spread;
  }

  /** Uniform in [0, 1), for jitter. */
  #fraction(): number {
    const [a, b] = this.#options.random(2) as unknown as [number, number];
    return (a * 256 + b) / 65_536;
  }
}

type Standing = Pick<InitiatorSession, 'isDirect' | 'createdAt' | 'begunAt'>;

/**
 * Whether to send on this session from now on. A session that was replaced before it was confirmed receives, and is not
 * sent on again; but one without a relay is not replaced by one with a relay whose handshake had begun before.
 */
export function replaces(session: Standing, current: Standing | null): boolean {
  if (current === null) return true;
  if (session.isDirect === current.isDirect) return session.createdAt >= current.createdAt;
  return session.isDirect ? session.createdAt >= current.begunAt : current.createdAt < session.begunAt;
}

/** Where the peer was found; the sessions that follow are looked for there too. */
function remember(peer: Peer, address: Address): void {
  const others = peer.found.filter((known) => !sameAddress(known, address));
  peer.found = [address, ...others].slice(0, MAX_FOUND_ADDRESSES);
}
