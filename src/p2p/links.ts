/**
 * What a relay carries: sealed datagrams between two processes that were introduced, over their sessions with this
 * machine, within a rate (PROTOCOL §10.4). What is in them, it cannot read.
 */
import { idAt } from '../bytes.ts';
import type { Endpoint } from '../session/endpoint.ts';
import type { Peer } from '../session/peer.ts';
import type { ResponderSession } from '../session/session.ts';
import { encodeMessage, MessageType, type Relay } from '../wire/messages.ts';
import { LINK_ACTIVE_MS, LINK_IDLE_MS, MAX_LINKS, MAX_LINKS_PER_PEER, RELAY_BURST_MS } from './constants.ts';

/** One process of a peer. */
export interface LinkEnd {
  readonly peer: Peer;
  readonly instance: bigint;
}

interface Link {
  readonly ends: readonly [LinkEnd, LinkEnd];
  usedAt: number;
}

/** Of what is relayed, that of two peers, over however many links. */
interface Share {
  usedAt: number;
  /** Bytes that may go at once. */
  credit: number;
}

export interface LinksOptions {
  readonly endpoint: Endpoint;
  readonly random: (length: number) => Uint8Array;
  /** Of all links together; 0 for none. */
  readonly bytesPerSecond: number;
}

/** What went over the links. */
export interface RelayTraffic {
  readonly datagrams: number;
  readonly bytes: number;
  /** Beyond the rate, or for somebody who is gone. */
  readonly dropped: number;
}

export class Links {
  readonly bytesPerSecond: number;
  readonly traffic: { -readonly [Count in keyof RelayTraffic]: number } = {
    datagrams: 0,
    bytes: 0,
    dropped: 0,
  };
  readonly #endpoint: Endpoint;
  readonly #links = new Map<number, Link>();
  /** By {@link pairOf}. */
  readonly #shares = new Map<string, Share>();
  #nextNumber: number;

  constructor({ endpoint, random, bytesPerSecond }: LinksOptions) {
    this.#endpoint = endpoint;
    this.bytesPerSecond = bytesPerSecond;
    // Those of an earlier run mean nothing any more.
    this.#nextNumber = Number(idAt(random(8)) & 0xffff_ffffn);
  }

  /** A number for a link; `taken` are those that were given and are not open yet. */
  next(taken: (number: number) => boolean): number {
    do this.#nextNumber = (this.#nextNumber + 1) % 2 ** 32;
    while (this.#links.has(this.#nextNumber) || taken(this.#nextNumber));
    return this.#nextNumber;
  }

  open(number: number, ends: Link['ends'], now: number): void {
    for (const { peer } of ends) {
      const ofPeer = [...this.#links].filter(([, link]) => link.ends.some((end) => end.peer === peer));
      if (ofPeer.length >= MAX_LINKS_PER_PEER) this.#closeIdlest(ofPeer);
    }
    if (this.#links.size >= MAX_LINKS) this.#closeIdlest([...this.#links]);
    this.#links.set(number, { ends, usedAt: now });
  }

  /** Takes a RELAY of a peer, and hands it to the other end of its link. */
  forward(session: ResponderSession, { link: number, datagram }: Relay, now: number): void {
    const link = this.#links.get(number);
    const other = link === undefined ? null : otherEnd(link, session);
    if (link === undefined || other === null) return;
    const to = this.sessionOf(other, now);
    if (to !== null) link.usedAt = now;
    if (to === null || !this.#mayCarry(link, datagram.length, now)) {
      this.traffic.dropped++;
      return;
    }
    this.traffic.datagrams++;
    this.traffic.bytes += datagram.length;
    this.#endpoint.send(to, encodeMessage({ type: MessageType.RELAY, link: number, datagram }));
  }

  /** The session over which that process was heard last; null where there is none without a relay between. */
  sessionOf({ peer, instance }: LinkEnd, now: number): ResponderSession | null {
    let newest: ResponderSession | null = null;
    for (const session of peer.inbound) {
      if (session.instance !== instance || !session.isDirect || !session.isAlive(now)) continue;
      if (newest === null || session.idleSince() >= newest.idleSince()) newest = session;
    }
    return newest;
  }

  removePeer(peer: Peer): void {
    for (const [number, { ends }] of this.#links) {
      if (ends.some((end) => end.peer === peer)) this.#links.delete(number);
    }
  }

  nextTimeout(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { usedAt } of this.#links.values()) next = Math.min(next, usedAt + LINK_IDLE_MS);
    return next;
  }

  timeout(now: number): void {
    for (const [number, { usedAt }] of this.#links) {
      if (usedAt + LINK_IDLE_MS <= now) this.#links.delete(number);
    }
    for (const [pair, { usedAt }] of this.#shares) {
      if (usedAt + LINK_IDLE_MS <= now) this.#shares.delete(pair);
    }
  }

  /** A token bucket whose rate is the share of two peers: of the only ones, all; of several, as much for each. */
  #mayCarry({ ends }: Link, bytes: number, now: number): boolean {
    const pair = pairOf(ends);
    let share = this.#shares.get(pair);
    if (share === undefined)
      this.#shares.set(pair, (share = { usedAt: Number.NEGATIVE_INFINITY, credit: 0 }));
    const elapsed = now - share.usedAt;
    share.usedAt = now;
    let active = 0;
    for (const { usedAt } of this.#shares.values()) if (now - usedAt < LINK_ACTIVE_MS) active++;
    const rate = this.bytesPerSecond / active / 1000;
    const burst = Math.max(rate * RELAY_BURST_MS, bytes);
    share.credit = Math.min(burst, share.credit + elapsed * rate);
    if (share.credit < bytes) return false;
    share.credit -= bytes;
    return true;
  }

  #closeIdlest(links: [number, Link][]): void {
    const [idlest] = links.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    if (idlest !== undefined) this.#links.delete(idlest[0]);
  }
}

function pairOf([a, b]: Link['ends']): string {
  return [a.peer.index, b.peer.index].sort().join();
}

function otherEnd({ ends: [a, b] }: Link, { peer, instance }: ResponderSession): LinkEnd | null {
  const isEnd = (end: LinkEnd): boolean => end.peer === peer && end.instance === instance;
  return isEnd(a) ? b : isEnd(b) ? a : null;
}
