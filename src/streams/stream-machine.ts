/**
 * Streams over an endpoint: bytes that one side asks for and the other gives, in either role of a session, as one
 * protocol machine without clock or sockets. What waits for a session, and how much memory a peer takes, is here; the
 * streams of one session are in `session-streams.ts`.
 */
import type { Address } from '../session/address.ts';
import type { Endpoint } from '../session/endpoint.ts';
import { DATA_OVERHEAD_BYTES } from '../session/handshake-datagrams.ts';
import type { Peer } from '../session/peer.ts';
import type { Session } from '../session/session.ts';
import { encodeAck, type StreamMessage, type StreamSubject } from '../wire/stream-messages.ts';
import type { AskedStream, AskSpec } from './asked-stream.ts';
import {
  MAX_ANSWER_BYTES_PER_PEER,
  MAX_ANSWERS_IN_THE_MAKING,
  SUSPECT_AFTER_PROBES,
  TURN_BYTES,
} from './constants.ts';
import { DatagramSize } from './datagram-size.ts';
import type { CongestionController } from './recovery/congestion-controller.ts';
import { Recovery } from './recovery/recovery.ts';
import { type Content, type IncomingAsk, SessionStreams } from './session-streams.ts';

/** Something that a peer asks for. It is answered once, at any time; nothing happens where nobody waits any more. */
export interface StreamAsk {
  readonly peer: Peer;
  readonly subject: StreamSubject;
  /** Through which the other side can be asked in turn. */
  readonly session: Session;
  answer(bytes: Uint8Array): void;
  refuse(code: string): void;
}

/** Whom to ask: a peer by the best session there is, or by those of one of its clients. */
export interface AskTarget {
  readonly peer: Peer;
  /** The process of the peer that is meant, as its sessions tell it; null for any. */
  readonly process: bigint | null;
}

export interface StreamMachineOptions {
  readonly endpoint: Endpoint;
  readonly controller: () => CongestionController;
  readonly onAsk: (ask: StreamAsk) => void;
}

export interface PendingAsk {
  readonly target: AskTarget;
  readonly spec: AskSpec;
  /** When it is lost where no session could be had. */
  readonly deadline: number;
  streams: SessionStreams | null;
  asked: AskedStream | null;
}

/** The streams of a session, with what its path is like. */
interface Lane {
  readonly streams: SessionStreams;
  address: Address;
  /** Asks that wait until there is memory for their answers, in order. */
  readonly queue: Map<number, IncomingAsk>;
  sendAt: number;
}

export class StreamMachine {
  readonly #options: StreamMachineOptions;
  readonly #lanes = new Map<Session, Lane>();
  /** Those with anything going on. */
  readonly #active = new Set<Lane>();
  /** Without a session so far. */
  readonly #pending = new Set<PendingAsk>();
  /** Of answers to a peer. */
  readonly #answerBytes = new Map<Peer, number>();
  /** How many answers to a peer are being made. */
  readonly #making = new Map<Peer, number>();

  constructor(options: StreamMachineOptions) {
    this.#options = options;
  }

  /** Bytes of answers in memory. */
  get answerBytes(): number {
    let sum = 0;
    for (const bytes of this.#answerBytes.values()) sum += bytes;
    return sum;
  }

  // Asking

  /** Asks; `patienceMs` is how long to wait for a session. */
  ask(target: AskTarget, spec: AskSpec, patienceMs: number, now: number): PendingAsk {
    const pending: PendingAsk = { target, spec, deadline: now + patienceMs, streams: null, asked: null };
    if (!this.#assign(pending, now)) {
      this.#pending.add(pending);
      if (target.process === null) this.#options.endpoint.want(target.peer, pending.deadline, now);
    }
    return pending;
  }

  /** It is wanted no more; nothing is settled. */
  stop(pending: PendingAsk): void {
    this.#pending.delete(pending);
    const { streams, asked } = pending;
    if (streams === null || asked === null) return;
    streams.stop(asked);
    this.#wake(streams.session);
  }

  // Events of the endpoint

  /** An authentic datagram; its messages follow. */
  onDatagram(session: Session, counter: number, elicitsAck: boolean, now: number): void {
    this.#laneOf(session, now).streams.received.add(counter, now, elicitsAck);
  }

  onMessage(session: Session, message: StreamMessage, now: number): void {
    this.#laneOf(session, now).streams.onMessage(message, now);
  }

  /** A session can be asked on. */
  onSession(session: Session, now: number): void {
    for (const other of this.#active) {
      // It may be the reason for the new one: what is asked there is better asked anew.
      const isReplaced = other.streams.session.peer === session.peer && other.streams.session !== session;
      if (isReplaced && other.streams.recovery.ptoCount > 0 && other.streams.session.role === session.role)
        this.#giveUp(other, now);
    }
    for (const pending of this.#pending) {
      if (pending.target.peer === session.peer && this.#assign(pending, now)) this.#pending.delete(pending);
    }
  }

  onClosed(session: Session, now: number): void {
    const lane = this.#lanes.get(session);
    if (lane === undefined) return;
    this.#lanes.delete(session);
    this.#active.delete(lane);
    this.#giveUp(lane, now);
  }

  /** Nothing is asked or answered any more. */
  close(now: number): void {
    for (const lane of this.#lanes.values()) this.#giveUp(lane, now);
    this.#lanes.clear();
    this.#active.clear();
    for (const { spec } of this.#pending) spec.settle({ ok: false, reason: 'lost' });
    this.#pending.clear();
  }

  // Time

  nextTimeout(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { streams, sendAt } of this.#active) {
      const { expiresAt } = streams.session;
      next = Math.min(next, streams.nextTimeout(), streams.received.ackDueAt, sendAt, expiresAt);
    }
    for (const { deadline } of this.#pending) next = Math.min(next, deadline);
    return next;
  }

  timeout(now: number): void {
    for (const lane of this.#active) {
      const { streams } = lane;
      const { session } = streams;
      if (session.expiresAt <= now) {
        // It was replaced: what is wanted still is asked on the new one.
        this.#giveUp(lane, now);
        this.#active.delete(lane);
        continue;
      }
      if (streams.nextTimeout() > now) continue;
      streams.timeout(now);
      // Who only answers leaves it to whoever asks.
      const isAsking = session.role === 'initiator' || streams.askedCount > 0;
      if (streams.recovery.ptoCount >= SUSPECT_AFTER_PROBES && isAsking) this.#suspect(session.peer, now);
      if (streams.isSilent) {
        this.#giveUp(lane, now);
        this.#active.delete(lane);
      }
    }
    for (const pending of this.#pending) {
      if (pending.deadline > now) continue;
      this.#pending.delete(pending);
      pending.spec.settle({ ok: false, reason: 'lost' });
    }
  }

  /** Hands to the endpoint what may go now. */
  drain(now: number): void {
    if (this.#active.size === 0) return;
    const sent = new Map<Peer, number>();
    for (const lane of [...this.#active]) {
      this.#answerWaiting(lane);
      this.#sendAck(lane, now);
      this.#sendStreams(lane, now, sent);
      if (lane.sendAt === now) {
        // The peer's other sessions come before it next time.
        this.#active.delete(lane);
        this.#active.add(lane);
      }
      if (lane.streams.isIdle) this.#active.delete(lane);
    }
  }

  #suspect(peer: Peer, now: number): void {
    this.#options.endpoint.want(peer, now + SUSPICION_MS, now);
    this.#options.endpoint.suspect(peer, now);
  }

  #assign(pending: PendingAsk, now: number): boolean {
    const { peer, process } = pending.target;
    const session = this.#options.endpoint
      .sessionsWith(peer, now)
      .find((one) => process === null || one.process === process);
    if (session === undefined) return false;
    // Rekeying waits for something to send (PROTOCOL §6.2).
    if (session.role === 'initiator' && session.rekeyDue(now)) this.#options.endpoint.suspect(peer, now);
    const { streams } = this.#laneOf(session, now);
    pending.streams = streams;
    pending.asked = streams.ask(pending.spec, now);
    return true;
  }

  #wake(session: Session): void {
    const lane = this.#lanes.get(session);
    if (lane !== undefined) this.#active.add(lane);
  }

  #laneOf(session: Session, now: number): Lane {
    let lane = this.#lanes.get(session);
    if (lane === undefined) {
      lane = this.#newLane(session, now);
      session.hasStreams = true;
      this.#lanes.set(session, lane);
    }
    this.#active.add(lane);
    return lane;
  }

  #newLane(session: Session, now: number): Lane {
    const size = new DatagramSize(session.maxDatagramBytes);
    const recovery = new Recovery<Content>({
      controller: this.#options.controller(),
      maxDatagramBytes: size.bytes,
      ...(session.peer.rtt.smoothed !== null && { initialRttMs: session.peer.rtt.smoothed }),
    });
    const lane: Lane = {
      streams: new SessionStreams(
        {
          session,
          recovery,
          size,
          onAsk: (ask) => lane.queue.set(ask.id, ask),
          onStop: (id) => lane.queue.delete(id),
          onAnswered: (bytes) => addTo(this.#answerBytes, session.peer, -bytes),
        },
        now,
      ),
      address: session.remote,
      queue: new Map(),
      sendAt: Number.POSITIVE_INFINITY,
    };
    return lane;
  }

  #giveUp(lane: Lane, now: number): void {
    lane.queue.clear();
    lane.streams.giveUp(now);
    lane.streams.size.reset(lane.streams.session.maxDatagramBytes);
  }

  // Answering

  /** Has answers made as far as there is memory for them. */
  #answerWaiting(lane: Lane): void {
    const { queue } = lane;
    const { session } = lane.streams;
    const { peer } = session;
    for (const ask of queue.values()) {
      if ((this.#making.get(peer) ?? 0) >= MAX_ANSWERS_IN_THE_MAKING) return;
      if ((this.#answerBytes.get(peer) ?? 0) >= MAX_ANSWER_BYTES_PER_PEER) return;
      queue.delete(ask.id);
      addTo(this.#making, peer, 1);
      let isOpen = true;
      const once = (action: () => void): void => {
        if (!isOpen) return;
        isOpen = false;
        addTo(this.#making, peer, -1);
        action();
        if (this.#lanes.get(session) === lane) this.#active.add(lane);
      };
      this.#options.onAsk({
        peer,
        subject: ask.subject,
        session,
        answer: (bytes) =>
          once(() => {
            if (lane.streams.answer(ask.id, bytes)) addTo(this.#answerBytes, peer, bytes.length);
          }),
        refuse: (code) => once(() => lane.streams.refuse(ask.id, code)),
      });
    }
  }

  // Sending

  #sendAck({ streams }: Lane, now: number): void {
    const ack = streams.received.take(now);
    if (ack !== null) this.#options.endpoint.send(streams.session, encodeAck(ack.delayMs * 1000, ack.ranges));
  }

  /** @param sent in this turn, by peer */
  #sendStreams(lane: Lane, now: number, sent: Map<Peer, number>): void {
    const { streams } = lane;
    const { session, recovery, size } = streams;
    lane.sendAt = Number.POSITIVE_INFINITY;
    if (!session.isAlive(now) || (session.role === 'responder' && !session.paths.currentValidated)) return;
    const address = session.remote;
    if (address !== lane.address) {
      lane.address = address;
      recovery.onPathChange(now);
      size.reset(session.maxDatagramBytes);
    }
    while (streams.hasSomethingToSend) {
      if (!recovery.maySend(size.bytes, now)) {
        lane.sendAt = recovery.nextSendAt(size.bytes, now);
        return;
      }
      if ((sent.get(session.peer) ?? 0) >= TURN_BYTES) {
        lane.sendAt = now;
        return;
      }
      const bytes = recovery.ptoCount > 0 ? size.smallest : size.next();
      const filling = streams.fill(bytes - DATA_OVERHEAD_BYTES);
      if (filling === null) break;
      const counter = session.sent;
      const { parts, content } = filling;
      content.bytes = this.#options.endpoint.sendNow(session, parts, content.frames.length, bytes);
      recovery.onSent(counter, content.bytes, content, now);
      addTo(sent, session.peer, content.bytes);
    }
    recovery.onApplicationLimited();
  }
}

function addTo(sums: Map<Peer, number>, peer: Peer, amount: number): void {
  const sum = (sums.get(peer) ?? 0) + amount;
  if (sum > 0) sums.set(peer, sum);
  else sums.delete(peer);
}

/** How long a handshake is tried beside a session that is silent. */
const SUSPICION_MS = 10_000;
