/**
 * The protocol machine: many peers and sessions on one socket, initiating and responding, without a socket, a clock,
 * a timer or randomness of its own (PROTOCOL §4 to §8).
 *
 * Put in: `receive`, `send`, `timeout`, each with the time in milliseconds of a monotonic clock. Take out: events
 * from `takeEvents`, datagrams from `drain`, and from `nextTimeout` when to call `timeout`.
 */
import { idAt } from '../bytes.ts';
import type { KeyPair, PresharedKey, PublicKey } from '../crypto/keys.ts';
import {
  counterOf,
  DatagramType,
  HEADER_BYTES,
  MAX_BULK_DATAGRAM_BYTES,
  MAX_DATAGRAM_BYTES,
  receiverOf,
} from '../wire/header.ts';
import {
  BOOT_BYTES,
  encodeMessage,
  INSTANCE_BYTES,
  type Message,
  MessageType,
  PATH_DATA_BYTES,
} from '../wire/messages.ts';
import { elicitsAck } from '../wire/stream-messages.ts';
import { type Address, sameAddress, type Transmit } from './address.ts';
import { MAX_ADDRESSES_PER_PEER, MAX_SESSIONS_PER_PEER, SWEEP_INTERVAL_MS } from './constants.ts';
import { DROP_REASONS, type DropReason } from './drop-reason.ts';
import {
  CHALLENGE_BYTES,
  DATA_OVERHEAD_BYTES,
  HELLO_BYTES,
  MIN_DATA_BYTES,
  MIN_OPEN_BYTES,
  OPEN_BOX_OFFSET,
  RETRY_BYTES,
} from './handshake-datagrams.ts';
import { Initiator } from './initiator.ts';
import type { Peer } from './peer.ts';
import { PeerTable } from './peer-table.ts';
import { Responder } from './responder.ts';
import { Sender } from './sender.ts';
import type { InitiatorSession, ResponderSession, Session } from './session.ts';
import type { WorkerIds } from './session-ids.ts';
import { type Contents, contentsOf, startOf, type Tap } from './tap.ts';

export type EndpointEvent =
  /** An authentic message for the layer above. An answer goes to `from`. */
  | {
      readonly type: 'message';
      readonly session: Session;
      readonly message: Message;
      readonly from: Address;
    }
  /** A datagram of a session that has streams, or begins to have them; its messages follow. */
  | {
      readonly type: 'datagram';
      readonly session: Session;
      readonly counter: number;
      /** Whether it is to be acknowledged. */
      readonly elicitsAck: boolean;
    }
  /** A session that can be sent on, though not confirmed yet: time to send what waits. */
  | { readonly type: 'ready'; readonly session: InitiatorSession }
  | { readonly type: 'confirmed'; readonly session: InitiatorSession }
  /** A client's session began; `session.instance` says which client's. */
  | { readonly type: 'opened'; readonly session: ResponderSession }
  /** No message of this session follows; `byPeer` when the peer said that it forgets everything. */
  | { readonly type: 'closed'; readonly session: Session; readonly byPeer: boolean };

export interface EndpointOptions {
  readonly keyPair: KeyPair;
  /** Uniform random bytes from a cryptographic source. */
  readonly random: (length: number) => Uint8Array;
  /** Asked before a peer may open another session; by default it may. */
  readonly admits?: (peer: Peer) => boolean;
  /** The endpoints that share this one's port, each in a process of its own. */
  readonly group?: EndpointGroup;
  /** Told of every datagram that arrives; of one that leaves, by whoever sends what `drain` gives. */
  readonly tap?: Tap;
}

export interface EndpointGroup {
  readonly ids: WorkerIds;
  /**
   * Takes a datagram for a session, or a session to be, of the worker `owner`, for its `receiveHandedOn`.
   * @returns whether it is on its way
   */
  readonly onStray: (owner: number, datagram: Uint8Array, from: Address) => boolean;
}

/** A datagram that came. */
interface Arrival {
  readonly datagram: Uint8Array;
  readonly from: Address;
  readonly now: number;
  /** To whose other endpoints it may be handed on. */
  readonly group: EndpointGroup | undefined;
}

export class Endpoint {
  readonly boot: Uint8Array;
  /** Datagrams dropped, by reason. */
  readonly drops: Record<DropReason, number>;
  readonly #random: (length: number) => Uint8Array;
  readonly #group: EndpointGroup | undefined;
  readonly #initiator: Initiator;
  readonly #responder: Responder;
  readonly #peers: PeerTable;
  readonly #sessions = new Map<bigint, Session>();
  readonly #sender: Sender;
  readonly #tap: Tap | undefined;
  /** Of the datagram that is being received, where somebody looks. */
  #opened: Contents | undefined;
  #events: EndpointEvent[] = [];
  #sweepAt = Number.POSITIVE_INFINITY;

  constructor(options: EndpointOptions) {
    this.#peers = new PeerTable(options.keyPair);
    this.#random = options.random;
    this.#group = options.group;
    this.#tap = options.tap;
    this.boot = options.random(BOOT_BYTES);
    const instance = options.random(INSTANCE_BYTES);
    this.#sender = new Sender(encodeMessage({ type: MessageType.INSTANCE, instance }), options.tap);
    this.drops = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<DropReason, number>;
    this.#initiator = new Initiator({
      own: options.keyPair,
      random: options.random,
      trusts: (peer) => this.trusts(peer),
      idTaken: (id) => this.#sessions.has(id),
      transmit: (datagram, to, peer) => this.#sender.push(datagram, to, peer),
      onSession: (session, now) => {
        this.#addSession(session, now);
        // A trial carries nothing before it is confirmed.
        if (session.peer.unconfirmed === session) this.#events.push({ type: 'ready', session });
        this.#sender.wants(session); // an OPEN must follow even if there is nothing to say
      },
      sendOpen: (session) => this.#sender.wants(session),
    });
    this.#responder = new Responder({
      own: options.keyPair,
      boot: this.boot,
      random: options.random,
      peerByTag: (tag) => this.#peers.byTag(tag),
      peerByIndex: (index) => this.#peers.byIndex(index),
      idTaken: (id) => this.#sessions.has(id),
      admits: options.admits ?? (() => true),
      ...(options.group && { ids: options.group.ids }),
    });
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Bytes of messages that wait for `drain`. */
  get waitingBytes(): number {
    return this.#sender.waitingBytes;
  }

  // Peers

  /** @throws UdpToolError `bad-key` for our own key, one of low order, or one that is there already. */
  addPeer(publicKey: PublicKey, psk: PresharedKey | null = null): Peer {
    return this.#peers.add(publicKey, psk);
  }

  /** Trusts the peer no longer: its sessions end at once. */
  removePeer(peer: Peer): void {
    this.#peers.remove(peer);
    this.#initiator.abandonAll(peer);
    this.#responder.forget(peer);
    for (const session of this.#sessions.values()) if (session.peer === peer) this.#drop(session, false);
    peer.wipe();
  }

  trusts(peer: Peer): boolean {
    return this.#peers.has(peer);
  }

  setAddresses(peer: Peer, addresses: readonly Address[]): void {
    const before = peer.configured;
    peer.configured = addresses.slice(0, MAX_ADDRESSES_PER_PEER);
    const isElsewhere = peer.configured.some((one) => !before.some((known) => sameAddress(known, one)));
    if (isElsewhere) this.#initiator.hurry(peer);
  }

  // Sending

  /** Wants a session with the peer until then: starts a handshake if there is none, and keeps trying. */
  want(peer: Peer, until: number, now: number): void {
    this.#initiator.want(peer, until, now);
  }

  /** Nothing waits for the peer any more. */
  unwant(peer: Peer): void {
    peer.wantedUntil = 0;
  }

  /** The peer does not answer: it may have restarted, so a handshake starts beside the session. */
  suspect(peer: Peer, now: number): void {
    this.#initiator.start(peer, now);
  }

  /**
   * The sessions to send on: the confirmed one, and beside it one that waits to be confirmed, since either may be the
   * one that works. Empty until a handshake got its CHALLENGE.
   */
  sessionsTo(peer: Peer, now: number): InitiatorSession[] {
    return this.#initiator.sessionsTo(peer, now);
  }

  /**
   * Tries whether the peer is at one of these addresses: a handshake of its own, a few HELLOs to each of them, beside
   * whatever goes on. The session replaces the one there is once it is confirmed, and not before (PROTOCOL §10.4).
   */
  tryPath(peer: Peer, addresses: readonly Address[], now: number): void {
    this.#initiator.tryPath(peer, addresses, now);
  }

  /**
   * The sessions with a peer that are known to work, in either role. The best first: those without a relay, of them the
   * one that this side began, then the newest. A peer may have several processes, each with sessions of its own.
   */
  sessionsWith(peer: Peer, now: number): Session[] {
    const inbound = [...peer.inbound].sort((a, b) => b.createdAt - a.createdAt);
    const sessions = peer.current === null ? inbound : [peer.current, ...inbound];
    return sessions
      .filter((session) => session.isAlive(now))
      .sort((a, b) => Number(b.isDirect) - Number(a.isDirect));
  }

  get peers(): Iterable<Peer> {
    return this.#peers;
  }

  /** The peer that we trust by that key. */
  peerWith(publicKey: Uint8Array): Peer | undefined {
    return this.#peers.byKey(publicKey);
  }

  peerAt(index: number): Peer | undefined {
    return this.#peers.byIndex(index);
  }

  /** Queues an encoded message; `to` is where its answer is awaited, for a responder's session. */
  send(session: Session, message: Uint8Array, to?: Address): void {
    if (!this.#sessions.has(session.localId)) return;
    const isResponder = session.role === 'responder';
    this.#sender.queue(session, message, (isResponder ? to : undefined) ?? session.remote);
  }

  /**
   * Sends one datagram of messages now, ahead of what waits: for streams, which keep account of each datagram.
   * @param count how many messages these are, where some are of several parts
   * @param maxBytes of the datagram
   * @returns its length; 0 where it may not go
   */
  sendNow(session: Session, messages: readonly Uint8Array[], count: number, maxBytes: number): number {
    if (!this.#sessions.has(session.localId)) return 0;
    return this.#sender.transmit(session, messages, session.remote, maxBytes - DATA_OVERHEAD_BYTES, count);
  }

  /** Everything that is to be sent now, messages of one session together in as few datagrams as fit. */
  drain(now: number): Transmit[] {
    return this.#sender.drain(now);
  }

  takeEvents(): EndpointEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Tells every live session that this side forgets everything; the datagrams come from one more `drain`. */
  close(now: number): Transmit[] {
    const goodbye = encodeMessage({ type: MessageType.CLOSE });
    for (const session of this.#sessions.values()) {
      if (session.isAlive(now) && (session.role === 'responder' || session.confirmed))
        this.send(session, goodbye);
    }
    const transmits = this.drain(now);
    for (const peer of this.#peers) this.#initiator.abandonAll(peer);
    for (const session of this.#sessions.values()) this.#drop(session, false);
    for (const peer of this.#peers) peer.wipe();
    this.#peers.clear();
    this.#responder.close();
    return transmits;
  }

  // Time

  nextTimeout(): number {
    return Math.min(this.#responder.nextTimeout(), this.#initiator.nextTimeout(), this.#sweepAt);
  }

  timeout(now: number): void {
    this.#responder.expire(now);
    this.#initiator.timeout(now);
    if (this.#sweepAt <= now) {
      for (const session of this.#sessions.values()) if (!session.isAlive(now)) this.#drop(session, false);
      this.#sweepAt = this.#sessions.size > 0 ? now + SWEEP_INTERVAL_MS : Number.POSITIVE_INFINITY;
    }
  }

  // Receiving

  /**
   * Takes a datagram from the network; its bytes are not kept.
   * @returns why it was dropped, or null
   */
  receive(datagram: Uint8Array, from: Address, now: number): DropReason | null {
    return this.#take({ datagram, from, now, group: this.#group });
  }

  /** Takes what another endpoint of the group got for this one: it goes no further. */
  receiveHandedOn(datagram: Uint8Array, from: Address, now: number): DropReason | null {
    return this.#take({ datagram, from, now, group: undefined });
  }

  #take(arrival: Arrival): DropReason | null {
    const dropped = this.#tap?.isOpen ? this.#receiveSeen(this.#tap, arrival) : this.#receive(arrival);
    if (dropped !== null) this.drops[dropped]++;
    return dropped;
  }

  #receiveSeen(tap: Tap, arrival: Arrival): DropReason | null {
    const { datagram, from } = arrival;
    // Both before anything is done with it: its bytes may change, and an answered HELLO is forgotten.
    const start = startOf(datagram);
    const claimed = this.#claimedBy(datagram);
    this.#opened = undefined;
    const dropped = this.#receive(arrival);
    const contents = this.#opened ?? (claimed && contentsOf(claimed, []));
    this.#opened = undefined;
    tap.received({
      start,
      length: datagram.length,
      from,
      contents: dropped === null ? contents : undefined,
      dropped,
    });
    return dropped;
  }

  /** Whose datagram of a handshake it says that it is. */
  #claimedBy(datagram: Uint8Array): Peer | undefined {
    switch (datagram[0]) {
      case DatagramType.HELLO:
        return this.#peers.byTag(receiverOf(datagram));
      case DatagramType.RETRY:
      case DatagramType.CHALLENGE:
        return this.#initiator.peerOf(datagram);
      default:
        return undefined;
    }
  }

  #receive(arrival: Arrival): DropReason | null {
    const { datagram, from, now } = arrival;
    this.#responder.expire(now);
    if (from.port === 0) return 'bad-source';
    if (datagram.length < MIN_DATA_BYTES) return 'too-short';
    const isBulk = datagram[0] === DatagramType.DATA;
    if (datagram.length > (isBulk ? MAX_BULK_DATAGRAM_BYTES : MAX_DATAGRAM_BYTES)) return 'too-long';
    switch (datagram[0]) {
      case DatagramType.HELLO:
        return datagram.length === HELLO_BYTES ? this.#receiveHello(arrival) : 'bad-length';
      case DatagramType.RETRY:
        return datagram.length === RETRY_BYTES ? this.#initiator.retry(datagram, now) : 'bad-length';
      case DatagramType.CHALLENGE:
        return datagram.length === CHALLENGE_BYTES
          ? this.#initiator.challenge(datagram, from, now)
          : 'bad-length';
      case DatagramType.OPEN:
        return datagram.length >= MIN_OPEN_BYTES ? this.#receiveOpen(arrival) : 'bad-length';
      case DatagramType.DATA:
        return this.#receiveData(arrival);
      default:
        return 'unknown-type';
    }
  }

  #receiveHello({ datagram, from, now }: Arrival): DropReason | null {
    const answer = this.#responder.hello(datagram, from, now);
    if (typeof answer === 'string') return answer;
    this.#sender.push(answer, from, this.#claimedBy(datagram));
    return null;
  }

  #receiveOpen(arrival: Arrival): DropReason | null {
    const { datagram, from, now, group } = arrival;
    const counter = counterOf(datagram);
    if (counter === null) return 'bad-header';
    const id = receiverOf(datagram);
    const live = this.#sessions.get(id);
    if (live !== undefined) {
      // Its cookie and first box are ignored: the replay window of the session judges.
      return live.role === 'responder'
        ? this.#receiveFrom(live, OPEN_BOX_OFFSET, counter, arrival)
        : 'unknown-session';
    }
    if (group !== undefined) {
      // Before the cookie is tried: its keys are the owner's alone, and to open a box costs more than a hash.
      const owner = group.ids.ownerOf(id);
      if (owner !== group.ids.own) return handOn(group, owner, datagram, from) ? null : 'bad-cookie';
    }
    const session = this.#responder.open(datagram, from, now);
    if (typeof session === 'string') return session;
    const { peer } = session;
    this.#addSession(session, now);
    peer.inbound.add(session);
    const reason = this.#receiveFirst(session, counter, arrival);
    if (reason !== null) {
      this.#drop(session, false);
      return reason;
    }
    if (peer.inbound.size > MAX_SESSIONS_PER_PEER) this.#drop(idlest(peer.inbound, session), false);
    return null;
  }

  #receiveData(arrival: Arrival): DropReason | null {
    const { datagram, from, group } = arrival;
    const counter = counterOf(datagram);
    if (counter === null) return 'bad-header';
    const id = receiverOf(datagram);
    const session = this.#sessions.get(id);
    if (session === undefined) {
      const handedOn = group !== undefined && handOn(group, group.ids.ownerOf(id), datagram, from);
      return handedOn ? null : 'unknown-session';
    }
    return this.#receiveFrom(session, HEADER_BYTES, counter, arrival);
  }

  /** The OPEN that begins a session must say first which client it is of. */
  #receiveFirst(session: ResponderSession, counter: number, arrival: Arrival): DropReason | null {
    const received = session.receive(arrival.datagram, OPEN_BOX_OFFSET, counter, arrival.now);
    if (!received.ok) return received.reason;
    const [first] = received.messages;
    if (first?.type !== MessageType.INSTANCE) return 'bad-envelope';
    session.instance = idAt(first.instance);
    this.#events.push({ type: 'opened', session });
    this.#handleAll(session, received, counter, arrival);
    return null;
  }

  #receiveFrom(session: Session, boxOffset: number, counter: number, arrival: Arrival): DropReason | null {
    const received = session.receive(arrival.datagram, boxOffset, counter, arrival.now);
    if (!received.ok) return received.reason;
    this.#handleAll(session, received, counter, arrival);
    return null;
  }

  #handleAll(
    session: Session,
    { messages, newest }: { messages: readonly Message[]; newest: boolean },
    counter: number,
    { datagram, from, now }: Arrival,
  ): void {
    if (this.#tap?.isOpen) this.#opened = contentsOf(session.peer, messages);
    if (session.role === 'initiator') {
      if (!session.confirmed) {
        const isFirstToSendOn = session.peer.current === null && session.peer.unconfirmed !== session;
        this.#initiator.confirm(session, now);
        this.#events.push({ type: 'confirmed', session });
        if (isFirstToSendOn) this.#events.push({ type: 'ready', session });
      }
    } else if (session.paths.received(from, datagram.length, newest, now)) {
      this.#challengePath(session, from, now);
    }
    const isToAck = messages.some(elicitsAck);
    if (isToAck || session.hasStreams)
      this.#events.push({ type: 'datagram', session, counter, elicitsAck: isToAck });
    for (const message of messages) {
      this.#handle(session, message, from);
      if (!this.#sessions.has(session.localId)) return; // a CLOSE: nothing after it counts
    }
  }

  #handle(session: Session, message: Message, from: Address): void {
    switch (message.type) {
      case MessageType.PING:
        this.send(session, encodeMessage({ type: MessageType.PONG, number: message.number }), from);
        return;
      case MessageType.CLOSE:
        this.#drop(session, true);
        return;
      case MessageType.PATH_CHALLENGE:
        if (session.role === 'initiator') {
          this.send(session, encodeMessage({ type: MessageType.PATH_RESPONSE, data: message.data }));
        }
        return;
      case MessageType.PATH_RESPONSE:
        if (session.role === 'responder') session.paths.respond(from, message.data);
        return;
      case MessageType.INSTANCE:
        return; // it was heard when the session began
      default:
        this.#events.push({ type: 'message', session, message, from });
    }
  }

  // Sessions

  #addSession(session: Session, now: number): void {
    this.#sessions.set(session.localId, session);
    this.#sweepAt = Math.min(this.#sweepAt, now + SWEEP_INTERVAL_MS);
  }

  #drop(session: Session, byPeer: boolean): void {
    const { peer } = session;
    this.#sessions.delete(session.localId);
    if (session.role === 'responder') {
      peer.inbound.delete(session);
    } else {
      this.#initiator.forget(session);
    }
    session.wipe();
    this.#events.push({ type: 'closed', session, byPeer });
  }

  #challengePath(session: ResponderSession, to: Address, now: number): void {
    const data = session.paths.challenge(to, this.#random(PATH_DATA_BYTES), now);
    // In a datagram of its own: behind a large answer, the limit of the path would hold it back.
    this.#sender.transmit(session, [encodeMessage({ type: MessageType.PATH_CHALLENGE, data })], to);
  }
}

/** Whether a datagram is on its way to the other worker that gave its session's id; nobody gave an invented one. */
function handOn(group: EndpointGroup, owner: number | null, datagram: Uint8Array, from: Address): boolean {
  return owner !== null && owner !== group.ids.own && group.onStray(owner, datagram, from);
}

function idlest(sessions: Set<ResponderSession>, except: ResponderSession): ResponderSession {
  let found: ResponderSession | null = null;
  for (const session of sessions) {
    if (session !== except && (found === null || session.idleSince() < found.idleSince())) found = session;
  }
  return found ?? except;
}
