/** Waits at introducers to be found, and takes their invitations (PROTOCOL §10.4). */

import type { Outcome } from '../rpc/outcome.ts';
import type { PendingRequest, RequestClient } from '../rpc/request-client.ts';
import type { Address } from '../session/address.ts';
import type { Endpoint } from '../session/endpoint.ts';
import type { Peer } from '../session/peer.ts';
import { TokenBucket } from '../session/token-bucket.ts';
import {
  FIRST_POLL_PAUSE_MS,
  INVITATION_BURST,
  INVITATIONS_PER_SECOND,
  MAX_INVITATIONS,
  MAX_POLL_PAUSE_MS,
  MEET_MS,
  REFUSED_PAUSE_MS,
} from './constants.ts';
import { encodeMeet, type Invitation, MEET, parseInvitation } from './introduction.ts';

/** An answer that says nothing and came sooner than this was no long poll. */
const SHORTEST_POLL_MS = 1_000;
const POLL_TIMEOUT_MS = MEET_MS + 10_000;

/** At one introducer. */
interface Post {
  poll: PendingRequest | null;
  askedAt: number;
  nextAt: number;
  failures: number;
  /** Links whose invitation was taken, to be told with the next poll. */
  accepted: number[];
  /** What each peer had the introducer invite. */
  readonly meters: Map<Peer, TokenBucket>;
}

export interface ReachableOptions {
  readonly endpoint: Endpoint;
  readonly client: RequestClient;
  readonly ownAddresses: () => readonly Address[];
  /** Somebody whom we trust wants to reach us. */
  readonly onInvitation: (peer: Peer, introducer: Peer, invitation: Invitation) => void;
  /** The time of the call that is under way. */
  readonly now: () => number;
}

export class Reachable {
  readonly #options: ReachableOptions;
  readonly #posts = new Map<Peer, Post>();
  #isOn = false;

  constructor(options: ReachableOptions) {
    this.#options = options;
  }

  /** Waits at every peer that has an address now. */
  start(now: number): void {
    this.#isOn = true;
    for (const peer of this.#options.endpoint.peers) {
      if (peer.configured.length === 0 || this.#posts.has(peer)) continue;
      this.#posts.set(peer, {
        poll: null,
        askedAt: 0,
        nextAt: now,
        failures: 0,
        accepted: [],
        meters: new Map(),
      });
    }
  }

  stop(): void {
    this.#isOn = false;
    for (const { poll } of this.#posts.values()) if (poll !== null) this.#options.client.cancel(poll);
    this.#posts.clear();
  }

  removePeer(peer: Peer): void {
    this.#posts.delete(peer);
    for (const { meters } of this.#posts.values()) meters.delete(peer);
  }

  nextTimeout(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { poll, nextAt } of this.#posts.values()) if (poll === null) next = Math.min(next, nextAt);
    return next;
  }

  timeout(now: number): void {
    for (const [peer, post] of this.#posts) {
      if (post.poll === null && post.nextAt <= now) this.#ask(peer, post, now);
    }
  }

  #ask(peer: Peer, post: Post, now: number): void {
    const { client, ownAddresses } = this.#options;
    const accepted = post.accepted.splice(0);
    post.askedAt = now;
    try {
      post.poll = client.request(
        {
          peer,
          command: MEET,
          args: encodeMeet({ addresses: ownAddresses(), accepted }),
          timeoutMs: POLL_TIMEOUT_MS,
          settle: (outcome) => this.#onAnswer(peer, post, outcome),
        },
        now,
      );
    } catch {
      this.#pause(post, now); // too much is asked of that peer already
    }
  }

  #onAnswer(introducer: Peer, post: Post, outcome: Outcome): void {
    post.poll = null;
    if (!this.#isOn || this.#posts.get(introducer) !== post) return;
    const now = this.#options.now();
    if (!outcome.ok) {
      if (outcome.error.code === 'unknown-command') post.nextAt = now + REFUSED_PAUSE_MS;
      else this.#pause(post, now);
      return;
    }
    const invitation = parseInvitation(outcome.value);
    const wasPoll = now - post.askedAt >= SHORTEST_POLL_MS;
    if (invitation === undefined || (invitation === null && !wasPoll)) {
      this.#pause(post, now);
      return;
    }
    post.failures = 0;
    post.nextAt = now;
    if (invitation === null) return;
    const peer = this.#options.endpoint.peerWith(invitation.publicKey);
    // Somebody whom we do not trust hears nothing of us, nor does who asks too often; and the introducer waits a little.
    if (peer === undefined || peer === introducer || !this.#meterOf(post, peer).take(now)) {
      this.#pause(post, now);
      return;
    }
    if (post.accepted.length < MAX_INVITATIONS) post.accepted.push(invitation.link);
    this.#options.onInvitation(peer, introducer, invitation);
  }

  #pause(post: Post, now: number): void {
    post.nextAt = now + Math.min(MAX_POLL_PAUSE_MS, FIRST_POLL_PAUSE_MS * 2 ** post.failures++);
  }

  #meterOf({ meters }: Post, peer: Peer): TokenBucket {
    let meter = meters.get(peer);
    if (meter === undefined) {
      meter = new TokenBucket(INVITATIONS_PER_SECOND, INVITATION_BURST);
      meters.set(peer, meter);
    }
    return meter;
  }
}
