/**
 * Finds a way to a peer: its own addresses at once, an introduction when no session is there soon, a relay when the
 * introduction punches no hole; and a better one while a relay is used (PROTOCOL §10.4).
 */
import type { Outcome } from '../rpc/outcome.ts';
import type { PendingRequest, RequestClient } from '../rpc/request-client.ts';
import { type Address, relayAddress, sameAddress } from '../session/address.ts';
import type { Endpoint } from '../session/endpoint.ts';
import type { Peer } from '../session/peer.ts';
import type { ResponderSession, Session } from '../session/session.ts';
import { encodeMessage, MessageType } from '../wire/messages.ts';
import { usableCandidates } from './candidates.ts';
import {
  FRESH_MS,
  IN_USE_MS,
  INTRODUCE_AFTER_MS,
  INTRODUCE_AGAIN_MS,
  INVITATION_MS,
  KEEPALIVE_MS,
  MAX_CANDIDATES,
  MAX_INTRODUCERS,
  NOBODY_PAUSE_MS,
  OWN_SESSION_MS,
  REFLEXIVE_MS,
  REFUSED_PAUSE_MS,
  RELAY_AFTER_MS,
  UPGRADE_MS,
} from './constants.ts';
import { encodeIntroduce, INTRODUCE, type Invitation, parseIntroduction } from './introduction.ts';
import type { OwnLinks } from './own-links.ts';
import type { Path, PathKind, PathNotes } from './path-notes.ts';
import { TrialBudget } from './trial-budget.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** For an invitation to be accepted, and both ways to the introducer. */
const INTRODUCE_TIMEOUT_MS = INVITATION_MS + 3_000;
/** Where an introducer is far away, the other side does not wait longer before it sends. */
const MAX_HEAD_START_MS = 1_000;

interface Waiter {
  readonly until: number;
  /** @param path null when there is none in time */
  readonly settle: (path: Path | null) => void;
}

/** What goes on for one peer that somebody wants to reach, or has reached over a path that needs looking after. */
interface Search {
  readonly waiters: Set<Waiter>;
  readonly asked: Map<Peer, PendingRequest>;
  relays: Address[];
  /** Somebody introduced us. */
  isIntroduced: boolean;
  introduceAt: number;
  relayAt: number;
  /** When a session that the other side began is taken for all there will be. */
  settleAt: number;
  /** When to look after the path; none is there before. */
  tendAt: number;
  /** Of its session at that time, and when something of others had gone over it last. */
  sent: number;
  usedAt: number;
}

export interface PathFinderOptions {
  readonly endpoint: Endpoint;
  readonly client: RequestClient;
  readonly links: OwnLinks;
  readonly notes: PathNotes;
  readonly ownAddresses: () => readonly Address[];
  /** The time of the call that is under way. */
  readonly now: () => number;
}

export class PathFinder {
  readonly #options: PathFinderOptions;
  readonly #endpoint: Endpoint;
  readonly #searches = new Map<Peer, Search>();
  /** Where else to look for a peer. */
  readonly #hints = new Map<Peer, Address[]>();
  /** Peers that do not introduce, until then. */
  readonly #refusing = new Map<Peer, number>();
  /** After an introduction: until then, another address that the peer shows is tried. */
  readonly #introducedUntil = new Map<Peer, number>();
  readonly #budget = new TrialBudget();
  /** What is tried a little later, so that both sides send at once. */
  #later: { readonly at: number; readonly peer: Peer; readonly addresses: readonly Address[] }[] = [];

  constructor(options: PathFinderOptions) {
    this.#options = options;
    this.#endpoint = options.endpoint;
  }

  /** @returns what gives it up */
  reach(peer: Peer, timeoutMs: number, settle: Waiter['settle'], now: number): () => void {
    const session = this.#freshSession(peer, now);
    const isToBeAskedBack = session?.role === 'responder' && peer.addresses.length === 0;
    if (session !== null && !isToBeAskedBack) {
      settle(this.#options.notes.describe(session));
      return () => {};
    }
    const waiter: Waiter = { until: now + timeoutMs, settle };
    const search = this.#searches.get(peer) ?? this.#begin(peer, now);
    search.waiters.add(waiter);
    if (isToBeAskedBack) {
      this.#askBack(search, session, now);
      return this.#giveUp(peer, search, waiter);
    }
    search.introduceAt = Math.min(search.introduceAt, now + INTRODUCE_AFTER_MS);
    this.#endpoint.want(peer, waiter.until, now);
    if (peer.current !== null) this.#endpoint.suspect(peer, now); // it is there, and silent
    return this.#giveUp(peer, search, waiter);
  }

  #giveUp(peer: Peer, search: Search, waiter: Waiter): () => void {
    return () => {
      search.waiters.delete(waiter);
      if (search.waiters.size === 0 && search.tendAt === NEVER) this.#end(peer, search);
    };
  }

  /** The peer may be at these addresses too. */
  suggest(peer: Peer, kind: PathKind, addresses: readonly Address[], now: number): void {
    const known = this.#hints.get(peer) ?? [];
    const fresh = addresses.filter((one) => !known.some((other) => sameAddress(one, other)));
    if (fresh.length === 0) return;
    for (const address of fresh) this.#options.notes.add(peer, address, kind);
    this.#hints.set(peer, [...fresh, ...known].slice(0, MAX_CANDIDATES));
    if (this.#searches.has(peer)) this.#endpoint.tryPath(peer, fresh, now);
  }

  /** The way to the peer, as far as is known. */
  pathTo(peer: Peer, now: number): Path | null {
    const [session] = this.#endpoint.sessionsWith(peer, now);
    return session === undefined ? null : this.#options.notes.describe(session);
  }

  /** Somebody whom we trust wants to reach us, and says by an introducer where he is. */
  onInvitation(peer: Peer, introducer: Peer, { link, addresses }: Invitation): void {
    const now = this.#options.now();
    const candidates = this.#introduced(peer, introducer, link, addresses, now);
    // He hears of it a round trip later. What arrives before a NAT has let something out may spoil the hole.
    const headStart = Math.min(MAX_HEAD_START_MS, introducer.rtt.smoothed ?? 0);
    this.#later.push({ at: now + headStart, peer, addresses: candidates });
  }

  /** A session was confirmed, or opened by the peer. */
  onSession(session: Session, now: number): void {
    const { peer, remote } = session;
    const isIntroduced = (this.#introducedUntil.get(peer) ?? 0) > now;
    if (session.role === 'responder' && isIntroduced && session.isDirect && session.paths.currentValidated) {
      const introducer = this.#introducerOf(peer);
      if (introducer !== undefined) this.#options.notes.addIntroduced(peer, remote, introducer);
      if (peer.current === null || !peer.current.isDirect) this.#endpoint.tryPath(peer, [remote], now);
    }
    const search = this.#searches.get(peer);
    if (search === undefined) return;
    if (session.role === 'responder' && !peer.current?.isAlive(now)) {
      search.introduceAt = NEVER;
      this.#askBack(search, session, now);
    } else {
      this.#settle(peer, search, now);
    }
  }

  /** Requests need a session of our own: where the peer came from, it is there in a moment, if at all. */
  #askBack(search: Search, { peer, remote, paths }: ResponderSession, now: number): void {
    search.settleAt = Math.min(search.settleAt, now + OWN_SESSION_MS);
    if (peer.addresses.length > 0 || !paths.currentValidated) return;
    const isTried = [...peer.trials].some(({ addresses }) =>
      addresses.some((one) => sameAddress(one, remote)),
    );
    if (!isTried) this.#endpoint.tryPath(peer, [remote], now);
  }

  #settle(peer: Peer, search: Search, now: number): void {
    const [session] = this.#endpoint.sessionsWith(peer, now);
    if (session === undefined) return;
    const path = this.#options.notes.describe(session);
    search.settleAt = NEVER;
    search.introduceAt = NEVER;
    search.relayAt = NEVER;
    search.relays = [];
    // A session that nobody waits for is no use of the path: it came of looking for a better one.
    if (search.waiters.size > 0) search.usedAt = now;
    for (const waiter of search.waiters) waiter.settle(path);
    search.waiters.clear();
    search.sent = session.sent;
    if (path.kind === 'direct') this.#end(peer, search);
    else search.tendAt = now + (path.kind === 'relayed' ? UPGRADE_MS : KEEPALIVE_MS);
  }

  removePeer(peer: Peer): void {
    const search = this.#searches.get(peer);
    if (search !== undefined) {
      for (const waiter of search.waiters) waiter.settle(null);
      this.#end(peer, search);
    }
    for (const map of [this.#hints, this.#refusing, this.#introducedUntil]) map.delete(peer);
    this.#later = this.#later.filter((one) => one.peer !== peer);
    this.#options.links.removePeer(peer);
  }

  /** Gives everything up. */
  close(): void {
    for (const peer of [...this.#searches.keys()]) this.removePeer(peer);
    this.#later = [];
  }

  nextTimeout(): number {
    let next = NEVER;
    for (const { at } of this.#later) next = Math.min(next, at);
    for (const { introduceAt, relayAt, settleAt, tendAt, waiters } of this.#searches.values()) {
      next = Math.min(next, introduceAt, relayAt, settleAt, tendAt);
      for (const { until } of waiters) next = Math.min(next, until);
    }
    return next;
  }

  timeout(now: number): void {
    const due = this.#later.filter(({ at }) => at <= now);
    if (due.length > 0) this.#later = this.#later.filter(({ at }) => at > now);
    for (const { peer, addresses } of due) this.#endpoint.tryPath(peer, addresses, now);
    for (const [peer, search] of this.#searches) {
      if (search.introduceAt <= now) this.#introduce(peer, search, now);
      if (search.relayAt <= now) this.#relay(peer, search, now);
      if (search.settleAt <= now) this.#settleInbound(peer, search, now);
      if (search.tendAt <= now) this.#tend(peer, search, now);
      for (const waiter of search.waiters) {
        if (waiter.until > now) continue;
        search.waiters.delete(waiter);
        waiter.settle(null);
      }
      if (search.waiters.size === 0 && search.tendAt === NEVER) this.#end(peer, search);
    }
  }

  #settleInbound(peer: Peer, search: Search, now: number): void {
    search.settleAt = NEVER;
    if (this.#endpoint.sessionsWith(peer, now).length > 0) this.#settle(peer, search, now);
    else search.introduceAt = now;
  }

  #begin(peer: Peer, now: number): Search {
    const search: Search = {
      waiters: new Set(),
      asked: new Map(),
      relays: [],
      isIntroduced: false,
      introduceAt: NEVER,
      relayAt: NEVER,
      settleAt: NEVER,
      tendAt: NEVER,
      sent: 0,
      usedAt: now,
    };
    this.#searches.set(peer, search);
    const elsewhere = (this.#hints.get(peer) ?? []).filter(
      (hint) => !peer.addresses.some((one) => sameAddress(one, hint)),
    );
    this.#endpoint.tryPath(peer, elsewhere, now);
    return search;
  }

  #end(peer: Peer, search: Search): void {
    for (const request of search.asked.values()) this.#options.client.cancel(request);
    if (this.#searches.get(peer) === search) this.#searches.delete(peer);
  }

  #introduce(peer: Peer, search: Search, now: number): void {
    search.introduceAt = search.waiters.size > 0 ? now + INTRODUCE_AGAIN_MS : NEVER;
    for (const { until } of search.waiters) this.#endpoint.want(peer, until, now);
    for (const introducer of this.#introducers(peer, search, now)) {
      const args = encodeIntroduce({
        publicKey: peer.publicKey.bytes,
        addresses: this.#options.ownAddresses(),
      });
      const settle = (outcome: Outcome): void => this.#onIntroduction(peer, search, introducer, outcome);
      const timeoutMs = INTRODUCE_TIMEOUT_MS;
      try {
        const request = this.#options.client.request(
          { peer: introducer, command: INTRODUCE, args, timeoutMs, settle },
          now,
        );
        search.asked.set(introducer, request);
      } catch {
        // Too much is asked of that one already.
      }
    }
  }

  /** Peers that may know the other one too, those first that we have a session with. */
  #introducers(peer: Peer, search: Search, now: number): Peer[] {
    const hasSession = (one: Peer): boolean => one.current?.isDirect === true && one.current.isAlive(now);
    return [...this.#endpoint.peers]
      .filter((one) => one !== peer && (one.configured.length > 0 || hasSession(one)))
      .filter((one) => !search.asked.has(one) && (this.#refusing.get(one) ?? 0) <= now)
      .sort((a, b) => Number(hasSession(b)) - Number(hasSession(a)))
      .slice(0, MAX_INTRODUCERS);
  }

  #onIntroduction(peer: Peer, search: Search, introducer: Peer, outcome: Outcome): void {
    const now = this.#options.now();
    search.asked.delete(introducer);
    if (!outcome.ok) {
      if (outcome.error.code === 'unknown-command') this.#refusing.set(introducer, now + REFUSED_PAUSE_MS);
      return;
    }
    const introduction = parseIntroduction(outcome.value);
    if (introduction === undefined || this.#searches.get(peer) !== search) return;
    if (introduction === null) {
      // It may be just starting.
      if (!search.isIntroduced) search.introduceAt = Math.min(search.introduceAt, now + NOBODY_PAUSE_MS);
      return;
    }
    search.isIntroduced = true;
    const { link, relayBytesPerSecond, addresses } = introduction;
    const candidates = this.#introduced(peer, introducer, link, addresses, now);
    this.#endpoint.tryPath(peer, candidates, now);
    if (relayBytesPerSecond === 0) return;
    search.relays.push(relayAddress({ relay: introducer.index, link }));
    search.relayAt = Math.min(search.relayAt, now + (candidates.length > 0 ? RELAY_AFTER_MS : 0));
  }

  /** Notes what an introducer says, and that it is heard; returns the addresses that may be tried. */
  #introduced(
    peer: Peer,
    introducer: Peer,
    link: number,
    addresses: readonly Address[],
    now: number,
  ): Address[] {
    const { links, notes } = this.#options;
    links.add({ relay: introducer.index, link }, peer);
    this.#introducedUntil.set(peer, now + REFLEXIVE_MS);
    const heardAt = introducer.current?.address;
    const usable = heardAt === undefined ? [] : usableCandidates(addresses, heardAt);
    const candidates = this.#budget.take(usable, now);
    for (const address of candidates) notes.addIntroduced(peer, address, introducer);
    return candidates;
  }

  #relay(peer: Peer, search: Search, now: number): void {
    search.relayAt = NEVER;
    const relays = search.relays.splice(0, MAX_CANDIDATES);
    if (this.#freshSession(peer, now) === null) this.#endpoint.tryPath(peer, relays, now);
  }

  /** Keeps a hole open, or looks for a better path than a relay, while somebody uses it. */
  #tend(peer: Peer, search: Search, now: number): void {
    const [session] = this.#endpoint.sessionsWith(peer, now);
    if (session !== undefined && session.sent > search.sent) search.usedAt = now;
    if (session === undefined || now - search.usedAt >= IN_USE_MS) {
      search.tendAt = NEVER;
      return;
    }
    if (session.isDirect) {
      this.#endpoint.send(session, encodeMessage({ type: MessageType.PING, number: 0 }));
      search.sent = session.sent + 1;
      search.tendAt = now + KEEPALIVE_MS;
    } else {
      search.sent = session.sent;
      search.tendAt = now + UPGRADE_MS;
      this.#introduce(peer, search, now);
    }
  }

  #freshSession(peer: Peer, now: number): Session | null {
    const [session] = this.#endpoint.sessionsWith(peer, now);
    return session !== undefined && now - session.idleSince() < FRESH_MS ? session : null;
  }

  #introducerOf(peer: Peer): Peer | undefined {
    const link = this.#options.links.linkTo(peer);
    return link === undefined ? undefined : this.#endpoint.peerAt(link.relay);
  }
}
