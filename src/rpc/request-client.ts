/** The asking side: numbers requests, sends them again until they are answered, gives up at the deadline (PROTOCOL §9). */
import { equalBytes } from '../bytes.ts';
import { UdpToolError } from '../errors.ts';
import type { Endpoint } from '../session/endpoint.ts';
import { OPEN_CAPACITY } from '../session/handshake-datagrams.ts';
import type { Peer } from '../session/peer.ts';
import type { InitiatorSession, Session } from '../session/session.ts';
import type { CborValue } from '../wire/cbor.ts';
import { maxMessageBytes } from '../wire/envelope.ts';
import {
  BOOT_BYTES,
  COMMAND_NAME,
  type ErrorResponse,
  encodeMessage,
  MAX_LANES,
  type Message,
  MessageType,
  type Part,
  type RequestRef,
} from '../wire/messages.ts';
import { ANSWER_GONE, Assembly } from './answer.ts';
import { MAX_BYTES_IN_FLIGHT, MAX_REQUEST_MS, SUSPECT_AFTER_TRIES } from './constants.ts';
import { FlightWindow, type Flying } from './flight-window.ts';
import { IdWindow } from './id-window.ts';
import { errorCodeOf, noAnswer, type Outcome, type RequestProgress } from './outcome.ts';

export interface RequestSpec {
  readonly peer: Peer;
  readonly command: string;
  readonly args: readonly CborValue[];
  /** Milliseconds from now; 300,000 at most. */
  readonly timeoutMs: number;
  /** Called once. */
  readonly settle: (outcome: Outcome) => void;
}

/** A numbering of requests, of which the responder remembers the last 256 (PROTOCOL §9.2). */
interface Lane {
  readonly number: number;
  nextId: number;
  readonly pending: IdWindow<PendingRequest>;
}

/** A request without an outcome; also what {@link RequestClient.cancel} takes. */
export interface PendingRequest extends RequestRef, Flying {
  readonly spec: RequestSpec;
  readonly deadline: number;
  /** Of the responder, in what is encoded. It is the one under which it was first sent, and not changed afterwards. */
  boot: Uint8Array;
  encoded: Uint8Array;
  firstSentAt: number;
  tries: number;
  /** Tries since the last sign of life. */
  unanswered: number;
  nextTryAt: number;
  /** Of the time-out that runs. */
  doublings: number;
  acknowledged: boolean;
  assembly: Assembly | null;
}

const NO_BOOT = new Uint8Array(BOOT_BYTES);
/** [11, instance], which stands before it in an OPEN. */
const INSTANCE_MESSAGE_BYTES = 11;
const MAX_REQUEST_BYTES = maxMessageBytes(OPEN_CAPACITY) - INSTANCE_MESSAGE_BYTES;
/** Of messages in a drain; with fewer its datagram is a small one. */
const SMALL_BYTES = 400;
/** Below this, nothing is ever held. */
const MANY_PENDING = 8;
const MAX_ID = 2 ** 32 - 1;

export class RequestClient {
  readonly #endpoint: Endpoint;
  readonly #random: (length: number) => Uint8Array;
  /** By the peer's public key: a peer that is removed and added again must not see a number twice. */
  readonly #lanes = new Map<string, Lane[]>();
  /** Peers of whom nothing was heard for too long, and no clean sample since: their requests begin with a handshake. */
  readonly #silent = new WeakSet<Peer>();
  readonly #windows = new Map<Peer, FlightWindow<PendingRequest>>();
  #pendingCount = 0;
  /** The last that was put to what waits. */
  #newest: PendingRequest | null = null;
  /** The last in the last small datagram, while it is unanswered. */
  #small: PendingRequest | null = null;
  /** No later than the first deadline or retransmission. */
  #nextTimeout = Number.POSITIVE_INFINITY;

  constructor(endpoint: Endpoint, random: (length: number) => Uint8Array) {
    this.#endpoint = endpoint;
    this.#random = random;
  }

  /** @throws UdpToolError `bad-usage`, `not-cbor`, `too-large`, `no-address` or `busy`; anything later goes to `settle` */
  request(spec: RequestSpec, now: number): PendingRequest {
    const { peer, command } = spec;
    if (!COMMAND_NAME.test(command)) {
      throw new UdpToolError('bad-usage', `"${command}" cannot be the name of a command.`, {
        hint: 'Names have lower-case letters, digits, dots, dashes and underscores. See them with "help".',
      });
    }
    if (peer.addresses.length === 0) {
      throw new UdpToolError('no-address', 'This peer has no address to send to.');
    }
    const lane = this.#laneFor(peer);
    const [session] = this.#endpoint.sessionsTo(peer, now);
    const boot = session?.boot ?? NO_BOOT;
    const ref = { lane: lane.number, id: lane.nextId++ }; // taken first: a getter of the arguments may ask as well
    const encoded = encode(ref, spec, boot);
    if (encoded.length > MAX_REQUEST_BYTES) {
      throw new UdpToolError(
        'too-large',
        `The request has ${encoded.length} bytes; a request carries ${MAX_REQUEST_BYTES} at most.`,
      );
    }
    const request: PendingRequest = {
      spec,
      ...ref,
      deadline: now + Math.min(spec.timeoutMs, MAX_REQUEST_MS),
      boot,
      encoded,
      bytes: encoded.length,
      flight: 'none',
      firstSentAt: 0,
      tries: 0,
      unanswered: 0,
      nextTryAt: Number.POSITIVE_INFINITY,
      doublings: 0,
      acknowledged: false,
      assembly: null,
    };
    lane.pending.add(request);
    this.#pendingCount++;
    if (this.#silent.has(peer)) this.#suspect(request, now);
    this.#attempt(request, now);
    this.#nextTimeout = Math.min(this.#nextTimeout, request.deadline);
    return request;
  }

  /** Forgets a request; nothing is settled. */
  cancel(request: PendingRequest): void {
    this.#forget(request);
  }

  /** Settles every request with this error. */
  failAll(error: UdpToolError): void {
    for (const request of this.#pending()) this.#fail(request, error);
  }

  /** Settles every request to a peer that is trusted no longer. */
  failPeer(peer: Peer, error: UdpToolError): void {
    for (const request of this.#pendingOf(peer)) this.#fail(request, error);
    this.#windows.delete(peer);
  }

  /** A session can be sent on: everything that waits for its peer goes. */
  onReady(session: InitiatorSession, now: number): void {
    for (const request of this.#pendingOf(session.peer)) this.#attempt(request, now);
  }

  /** The peer is there; where its handshake went through at once, the round trip is known again too. */
  onConfirmed(session: InitiatorSession): void {
    if (session.handshakeRtt !== null) this.#silent.delete(session.peer);
  }

  /** A session is gone: what waits for an answer on it is tried again at once. */
  onClosed(session: Session, now: number): void {
    // One that was replaced, and is cleared away, concerns nobody.
    if (session.role === 'responder' || this.#endpoint.sessionsTo(session.peer, now).length > 0) return;
    for (const request of this.#pendingOf(session.peer)) this.#attempt(request, now);
  }

  onMessage(session: Session, message: Message, now: number): void {
    if (session.role === 'responder') return;
    if (!('id' in message)) return;
    const request = this.#lanesOf(session.peer)[message.lane]?.pending.get(message.id);
    if (request === undefined) return;
    request.unanswered = 0;
    if (request === this.#small) this.#small = null;
    switch (message.type) {
      case MessageType.RESPONSE:
        this.#succeed(request, message.value, now);
        return;
      case MessageType.PENDING:
        request.acknowledged = true;
        this.#windows.get(request.spec.peer)?.leave(request);
        return;
      case MessageType.PART:
        this.#onPart(request, message, session, now);
        return;
      case MessageType.ERROR:
        this.#onError(request, message, now);
        return;
      default:
    }
  }

  /** Requests without an outcome. */
  get pendingCount(): number {
    return this.#pendingCount;
  }

  /** Sends what had to wait until other requests were answered. */
  release(now: number): void {
    for (const window of this.#windows.values()) {
      for (const request of window.next()) this.#attempt(request, now);
    }
  }

  /** What waited, so many bytes of messages, is being sent. */
  onDrain(bytes: number): void {
    if (bytes === 0) return;
    // Null where no request of ours was in it: what it holds back is held once.
    if (bytes < SMALL_BYTES) this.#small = this.#newest;
    this.#newest = null;
  }

  /**
   * Whether to hold what waits: with many requests pending, one small datagram at a time is unanswered (Minshall's
   * variant of Nagle's rule, draft-minshall-nagle). Otherwise answers that trickle in one by one make requests that
   * leave one by one, and batches dissolve.
   */
  get expectsCompany(): boolean {
    return this.#small !== null && this.#pendingCount >= MANY_PENDING;
  }

  nextTimeout(): number {
    return this.#nextTimeout;
  }

  timeout(now: number): void {
    if (now < this.#nextTimeout) return;
    for (const request of this.#pending()) {
      if (request.deadline <= now) this.#expire(request);
      else if (request.nextTryAt <= now) this.#retry(request, now);
    }
    this.#nextTimeout = Number.POSITIVE_INFINITY;
    for (const { deadline, nextTryAt } of this.#pending()) {
      this.#nextTimeout = Math.min(this.#nextTimeout, deadline, nextTryAt);
    }
  }

  #retry(request: PendingRequest, now: number): void {
    const { peer } = request.spec;
    if (request.unanswered > 0) peer.rtt.timedOut(request.doublings);
    if (request.unanswered >= SUSPECT_AFTER_TRIES) this.#suspect(request, now);
    this.#attempt(request, now);
  }

  #expire(request: PendingRequest): void {
    // Where deadlines are shorter than two time-outs, no request by itself is tried often enough to tell.
    if (request.unanswered > 0) this.#silent.add(request.spec.peer);
    this.#fail(request, noAnswer(request.spec.command, progressOf(request)));
  }

  #suspect(request: PendingRequest, now: number): void {
    this.#silent.add(request.spec.peer);
    this.#endpoint.want(request.spec.peer, request.deadline, now);
    this.#endpoint.suspect(request.spec.peer, now);
  }

  /** Sends a request on whatever session there is; without one, wants one and waits. */
  #attempt(request: PendingRequest, now: number): void {
    const { peer } = request.spec;
    const sessions = this.#endpoint.sessionsTo(peer, now);
    const [first] = sessions;
    if (first === undefined) {
      request.nextTryAt = Number.POSITIVE_INFINITY;
      this.#endpoint.want(peer, request.deadline, now);
      return;
    }
    if (request.tries === 0) {
      if (!this.#windowOf(peer).enter(request)) {
        request.nextTryAt = Number.POSITIVE_INFINITY;
        return;
      }
      if (request.boot !== first.boot) {
        request.boot = first.boot;
        request.encoded = encode(request, request.spec, first.boot);
      }
      request.firstSentAt = now;
    }
    this.#newest = request;
    const message = request.assembly === null ? request.encoded : more(request, request.assembly);
    for (const session of sessions) this.#endpoint.send(session, message);
    const jitter = 1 + (this.#random(1)[0] as number) / 512;
    request.doublings = peer.rtt.doublings(request.tries);
    this.#schedule(request, now + peer.rtt.rto(request.doublings) * jitter);
    request.tries++;
    request.unanswered++;
  }

  #windowOf(peer: Peer): FlightWindow<PendingRequest> {
    let window = this.#windows.get(peer);
    if (window === undefined) this.#windows.set(peer, (window = new FlightWindow(MAX_BYTES_IN_FLIGHT)));
    return window;
  }

  #schedule(request: PendingRequest, at: number): void {
    request.nextTryAt = at;
    this.#nextTimeout = Math.min(this.#nextTimeout, at);
  }

  #onPart(request: PendingRequest, part: Part, session: InitiatorSession, now: number): void {
    const { assembly } = request;
    this.#windows.get(request.spec.peer)?.leave(request);
    if (assembly === null) this.#sample(request, now);
    if (assembly === null || !equalBytes(assembly.boot, session.boot) || !assembly.add(part)) {
      request.assembly = new Assembly(session.boot, part.count);
      request.assembly.add(part);
    }
    if (request.assembly?.complete) {
      const decoded = request.assembly.value();
      if (decoded.ok) this.#succeed(request, decoded.value, now);
      else this.#fail(request, new UdpToolError('failed', `The answer makes no sense: ${decoded.reason}.`));
      return;
    }
    // The rest may be on its way: ask for it a round trip after the last that came.
    const { rtt } = request.spec.peer;
    this.#schedule(request, now + rtt.rto(rtt.doublings(0)));
  }

  #onError(request: PendingRequest, message: ErrorResponse, now: number): void {
    if (message.code === ANSWER_GONE) {
      // The responder restarted between two parts. The request itself says under which boot it was sent, so that
      // asking anew is safe.
      if (request.assembly === null) return;
      request.assembly = null;
      this.#attempt(request, now);
      return;
    }
    const error = new UdpToolError(errorCodeOf(message.code), message.text);
    this.#fail(request, error, now - request.firstSentAt);
  }

  #succeed(request: PendingRequest, value: CborValue, now: number): void {
    const roundTripMs = now - request.firstSentAt;
    if (request.assembly === null) this.#sample(request, now);
    this.#forget(request);
    request.spec.settle({ ok: true, value, roundTripMs, tries: request.tries });
  }

  /** Takes the round trip of what was sent once, and not held up by a slow command. */
  #sample(request: PendingRequest, now: number): void {
    const { peer } = request.spec;
    if (request.tries !== 1 || request.acknowledged) return;
    peer.rtt.sample(now - request.firstSentAt);
    // Not before: until then the time-outs are those of the silence, and a peer that restarts meanwhile costs dear.
    this.#silent.delete(peer);
  }

  #fail(request: PendingRequest, error: UdpToolError, roundTripMs: number | null = null): void {
    const progress = progressOf(request);
    this.#forget(request);
    request.spec.settle({ ok: false, error, progress, tries: request.tries, roundTripMs });
  }

  #forget(request: PendingRequest): void {
    this.#windows.get(request.spec.peer)?.leave(request);
    if (request === this.#small) this.#small = null;
    if (request === this.#newest) this.#newest = null;
    const { peer } = request.spec;
    const lanes = this.#lanesOf(peer);
    if (lanes[request.lane]?.pending.delete(request.id) !== undefined) this.#pendingCount--;
    if (lanes.every(({ pending }) => pending.size === 0)) this.#endpoint.unwant(peer);
  }

  #laneFor(peer: Peer): Lane {
    const lanes = this.#lanesOf(peer);
    for (const lane of lanes) {
      // Every id is free that is within the window of the oldest pending one.
      if (lane.pending.isFree(lane.nextId) && lane.nextId <= MAX_ID) return lane;
    }
    if (lanes.length === MAX_LANES) {
      throw new UdpToolError('busy', 'Too many requests wait for an answer of this peer.');
    }
    const lane: Lane = { number: lanes.length, nextId: 1, pending: new IdWindow() };
    lanes.push(lane);
    return lane;
  }

  #lanesOf(peer: Peer): Lane[] {
    const key = peer.publicKey.toString();
    let lanes = this.#lanes.get(key);
    if (lanes === undefined) this.#lanes.set(key, (lanes = []));
    return lanes;
  }

  *#pendingOf(peer: Peer): Generator<PendingRequest, undefined> {
    for (const lane of this.#lanesOf(peer)) yield* lane.pending.values();
  }

  *#pending(): Generator<PendingRequest, undefined> {
    for (const lanes of this.#lanes.values()) for (const lane of lanes) yield* lane.pending.values();
  }
}

function encode({ lane, id }: RequestRef, { command, args }: RequestSpec, boot: Uint8Array): Uint8Array {
  return encodeMessage({ type: MessageType.REQUEST, lane, id, boot, command, args });
}

function more({ lane, id }: RequestRef, { have }: Assembly): Uint8Array {
  return encodeMessage({ type: MessageType.MORE, lane, id, have });
}

function progressOf(request: PendingRequest): RequestProgress {
  if (request.tries === 0) return request.flight === 'waiting' ? 'waiting' : 'no-handshake';
  if (request.assembly !== null) return 'partial';
  return request.acknowledged ? 'running' : 'no-answer';
}
