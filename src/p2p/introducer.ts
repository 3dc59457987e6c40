/** Tells two peers of this machine where the other one is, once both want it (PROTOCOL §10.4). */
import { errorForPeer } from '../errors.ts';
import type { CommandResult } from '../rpc/request-server.ts';
import type { Address } from '../session/address.ts';
import type { Endpoint } from '../session/endpoint.ts';
import type { Peer } from '../session/peer.ts';
import type { ResponderSession } from '../session/session.ts';
import { TokenBucket } from '../session/token-bucket.ts';
import type { CborValue } from '../wire/cbor.ts';
import {
  INTRODUCTION_BURST,
  INTRODUCTIONS_PER_SECOND,
  INVITATION_MS,
  MAX_CANDIDATES,
  MAX_INVITATIONS,
  MAX_WAITING_PER_PEER,
  MEET_MS,
  WAITING_MEMORY_MS,
} from './constants.ts';
import {
  encodeIntroduction,
  encodeInvitation,
  type IntroduceArguments,
  type MeetArguments,
} from './introduction.ts';
import type { LinkEnd, Links } from './links.ts';

type Done = (result: CommandResult) => void;

/** One process of a peer that waits to be found. */
interface Waiting {
  readonly end: LinkEnd;
  /** As it tells them. */
  addresses: readonly Address[];
  poll: { readonly done: Done; readonly endsAt: number } | null;
  /** It is forgotten then, unless it asks again. */
  until: number;
  readonly invitations: Invitation[];
}

/** An introduction that was asked for and is not decided. */
interface Invitation {
  readonly link: number;
  readonly asker: LinkEnd;
  readonly askerAddresses: readonly Address[];
  readonly invited: Waiting;
  readonly done: Done;
  readonly expiresAt: number;
}

export interface IntroducerOptions {
  readonly endpoint: Endpoint;
  readonly links: Links;
}

export class Introducer {
  readonly #endpoint: Endpoint;
  readonly #links: Links;
  readonly #waiting = new Map<Peer, Map<bigint, Waiting>>();
  readonly #invitations = new Map<number, Invitation>();
  readonly #meters = new WeakMap<Peer, TokenBucket>();

  constructor({ endpoint, links }: IntroducerOptions) {
    this.#endpoint = endpoint;
    this.#links = links;
  }

  meet(session: ResponderSession, { addresses, accepted }: MeetArguments, done: Done, now: number): void {
    const waiting = this.#waitingOf(session);
    if (waiting === null) {
      done(refusal('Too many of your processes wait here already.'));
      return;
    }
    waiting.addresses = addresses;
    waiting.until = now + MEET_MS + WAITING_MEMORY_MS;
    waiting.poll?.done(answer(encodeInvitation(null)));
    waiting.poll = { done, endsAt: now + MEET_MS };
    for (const link of accepted) {
      const invitation = this.#invitations.get(link);
      if (invitation?.invited === waiting) this.#accept(invitation, now);
    }
    this.#invite(waiting);
  }

  introduce(
    session: ResponderSession,
    { publicKey, addresses }: IntroduceArguments,
    done: Done,
    now: number,
  ): void {
    const { peer } = session;
    if (!this.#meterOf(peer).take(now)) {
      done(refusal('You ask for too many introductions.'));
      return;
    }
    const other = this.#endpoint.peerWith(publicKey);
    const waiting = other === undefined || other === peer ? [] : this.#waitingNow(other, now);
    // Whether it is unknown here, does not wait, or refuses, looks the same.
    const nobody = answer(encodeIntroduction(null));
    if (waiting.length === 0) {
      done(nobody);
      return;
    }
    const asker = endOf(session);
    let open = waiting.length;
    let isDone = false;
    const settle: Done = (result) => {
      open--;
      const isNobody = result.ok && result.value === null;
      if (isDone || (isNobody && open > 0)) return;
      isDone = true;
      done(result);
    };
    for (const one of waiting) {
      const link = this.#links.next((taken) => this.#invitations.has(taken));
      const invitation: Invitation = {
        link,
        asker,
        askerAddresses: this.#addressesOf(asker, addresses, now),
        invited: one,
        done: settle,
        expiresAt: now + INVITATION_MS,
      };
      this.#invitations.set(link, invitation);
      one.invitations.push(invitation);
      this.#invite(one);
    }
  }

  nextTimeout(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { expiresAt } of this.#invitations.values()) next = Math.min(next, expiresAt);
    for (const { poll, until } of this.#all()) next = Math.min(next, poll?.endsAt ?? until);
    return next;
  }

  timeout(now: number): void {
    for (const invitation of this.#invitations.values()) {
      if (invitation.expiresAt <= now) this.#end(invitation, answer(encodeIntroduction(null)));
    }
    for (const waiting of this.#all()) {
      if (waiting.poll !== null && waiting.poll.endsAt <= now) this.#answer(waiting, encodeInvitation(null));
      if (waiting.until <= now) this.#forget(waiting);
    }
  }

  /** The peer is trusted no longer. */
  removePeer(peer: Peer): void {
    for (const invitation of this.#invitations.values()) {
      if (invitation.asker.peer === peer) this.#end(invitation, answer(encodeIntroduction(null)));
    }
    for (const waiting of this.#waiting.get(peer)?.values() ?? []) this.#forget(waiting);
  }

  /** Hands the one who waits the oldest invitation that it has not seen. */
  #invite(waiting: Waiting): void {
    if (waiting.poll === null) return;
    const invitation = waiting.invitations.shift();
    if (invitation === undefined) return;
    const { link, asker, askerAddresses } = invitation;
    const publicKey = asker.peer.publicKey.bytes;
    this.#answer(waiting, encodeInvitation({ link, publicKey, addresses: askerAddresses }));
  }

  #answer(waiting: Waiting, value: CborValue): void {
    waiting.poll?.done(answer(value));
    waiting.poll = null;
  }

  #accept(invitation: Invitation, now: number): void {
    const { link, asker, invited } = invitation;
    const relayBytesPerSecond = this.#links.bytesPerSecond;
    if (relayBytesPerSecond > 0) this.#links.open(link, [asker, invited.end], now);
    const addresses = this.#addressesOf(invited.end, invited.addresses, now);
    this.#end(invitation, answer(encodeIntroduction({ link, relayBytesPerSecond, addresses })));
  }

  #end(invitation: Invitation, result: CommandResult): void {
    this.#invitations.delete(invitation.link);
    const { invitations } = invitation.invited;
    const place = invitations.indexOf(invitation);
    if (place >= 0) invitations.splice(place, 1);
    invitation.done(result);
  }

  /** Where this machine sees that process, if that is proved; and what it says itself. */
  #addressesOf(end: LinkEnd, told: readonly Address[], now: number): Address[] {
    const session = this.#links.sessionOf(end, now);
    const seen = session?.paths.currentValidated ? [session.paths.current] : [];
    return [...seen, ...told].slice(0, MAX_CANDIDATES);
  }

  #waitingOf(session: ResponderSession): Waiting | null {
    const { peer, instance } = session;
    let ofPeer = this.#waiting.get(peer);
    if (ofPeer === undefined) this.#waiting.set(peer, (ofPeer = new Map()));
    let waiting = ofPeer.get(instance);
    if (waiting === undefined) {
      if (ofPeer.size >= MAX_WAITING_PER_PEER) return null;
      waiting = { end: endOf(session), addresses: [], poll: null, until: 0, invitations: [] };
      ofPeer.set(instance, waiting);
    }
    return waiting;
  }

  /** Those who can take an invitation. */
  #waitingNow(peer: Peer, now: number): Waiting[] {
    return [...(this.#waiting.get(peer)?.values() ?? [])].filter(
      ({ end, invitations }) =>
        invitations.length < MAX_INVITATIONS && this.#links.sessionOf(end, now) !== null,
    );
  }

  *#all(): Iterable<Waiting> {
    for (const ofPeer of this.#waiting.values()) yield* ofPeer.values();
  }

  #forget(waiting: Waiting): void {
    const { peer, instance } = waiting.end;
    const ofPeer = this.#waiting.get(peer);
    ofPeer?.delete(instance);
    if (ofPeer?.size === 0) this.#waiting.delete(peer);
    this.#answer(waiting, encodeInvitation(null));
    for (const invitation of this.#invitations.values()) {
      if (invitation.invited === waiting) this.#end(invitation, answer(encodeIntroduction(null)));
    }
  }

  #meterOf(peer: Peer): TokenBucket {
    let meter = this.#meters.get(peer);
    if (meter === undefined) {
      meter = new TokenBucket(INTRODUCTIONS_PER_SECOND, INTRODUCTION_BURST);
      this.#meters.set(peer, meter);
    }
    return meter;
  }
}

function endOf({ peer, instance }: ResponderSession): LinkEnd {
  return { peer, instance };
}

function answer(value: CborValue): CommandResult {
  return { ok: true, value };
}

function refusal(text: string): CommandResult {
  return { ok: false, error: errorForPeer('busy', text) };
}
