/** The answering side: executes each request at most once, and answers it as often as it is asked (PROTOCOL §9.2). */
import { equalBytes } from '../bytes.ts';
import { errorForPeer, UdpToolError, withoutStacks } from '../errors.ts';
import type { Address } from '../session/address.ts';
import type { Endpoint } from '../session/endpoint.ts';
import type { Peer } from '../session/peer.ts';
import type { ResponderSession, Session } from '../session/session.ts';
import { TokenBucket } from '../session/token-bucket.ts';
import type { CborValue } from '../wire/cbor.ts';
import {
  encodeMessage,
  type Message,
  MessageType,
  type More,
  type Request,
  type RequestRef,
} from '../wire/messages.ts';
import { ANSWER_GONE, answerMessages, missingParts } from './answer.ts';
import { type Command, parseArguments } from './command.ts';
import {
  CLOSED_INSTANCE_MEMORY_MS,
  FORGET_INTERVAL_MS,
  INSTANCE_MEMORY_MS,
  MAX_INSTANCES_PER_PEER,
  MAX_KEPT_ANSWER_BYTES,
  MAX_LANES_PER_PEER,
  MAX_RUNNING_PER_PEER,
  REPEAT_INTERVAL_MS,
  REPEATED_BYTES_AT_ONCE,
  REPEATED_BYTES_PER_SECOND,
  REQUEST_WINDOW,
} from './constants.ts';
import { IdWindow } from './id-window.ts';
import { type Answered, KeptAnswers } from './kept-answers.ts';

export type CommandResult =
  | { readonly ok: true; readonly value: CborValue }
  | { readonly ok: false; readonly error: UdpToolError };

/** A request to execute, its arguments checked. */
export interface Call {
  readonly peer: Peer;
  readonly command: Command;
  readonly args: Record<string, CborValue>;
  /** That it first came by. */
  readonly session: ResponderSession;
}

export interface RequestServerOptions {
  readonly endpoint: Endpoint;
  /** The command of that name that this peer may call. */
  readonly command: (peer: Peer, name: string) => Command | undefined;
  /** Runs a command and calls `done` once, at any time. */
  readonly execute: (call: Call, done: (result: CommandResult) => void) => void;
  /** Told of every request that was not seen before, with its outcome. */
  readonly onRequest?: (peer: Peer, command: string, result: CommandResult) => void;
}

/** What is remembered of one request. */
interface Entry extends Answered {
  readonly id: number;
  running: boolean;
  /** Where the answer goes, once there is one: where its request last came from. */
  waiting: { readonly session: ResponderSession; readonly from: Address } | null;
  answeredAt: number;
  /** Nobody can ask for it any more: its answer need not be kept. */
  forgotten: boolean;
}

interface Lane {
  readonly entries: IdWindow<Entry>;
  highestId: number;
}

/** One client: a process on the peer's machine. */
interface Instance {
  readonly lanes: Map<number, Lane>;
  /** Live sessions of this client. */
  readonly sessions: Set<Session>;
  /** When to forget it, once no session is left. */
  expiresAt: number;
  /** The client said that it sends no more. */
  final: boolean;
}

interface PeerRecord {
  readonly instances: Map<bigint, Instance>;
  lanes: number;
  readonly answers: KeptAnswers;
  /** Bytes of answers that it gets once more: a MORE of a few bytes asks for 65,536. */
  readonly repeats: TokenBucket;
  running: number;
}

export class RequestServer {
  readonly #options: RequestServerOptions;
  /** By public key: a peer that is removed and added again is still the one who asked. */
  readonly #records = new Map<string, PeerRecord>();
  #nextTimeout = Number.POSITIVE_INFINITY;

  constructor(options: RequestServerOptions) {
    this.#options = options;
  }

  /** Whether the peer may open another session. */
  admits(peer: Peer): boolean {
    return (this.#records.get(peer.publicKey.toString())?.instances.size ?? 0) < MAX_INSTANCES_PER_PEER;
  }

  onOpened(session: ResponderSession): void {
    const { instances } = this.#recordOf(session.peer);
    let instance = instances.get(session.instance);
    if (instance === undefined) {
      instance = { lanes: new Map(), sessions: new Set(), expiresAt: 0, final: false };
      instances.set(session.instance, instance);
    }
    instance.sessions.add(session);
  }

  onMessage(session: Session, message: Message, from: Address, now: number): void {
    if (session.role === 'initiator') return;
    const instance = this.#instanceOf(session);
    if (instance === undefined) return;
    if (message.type === MessageType.REQUEST) this.#onRequest(instance, session, message, from, now);
    else if (message.type === MessageType.MORE) this.#onMore(instance, session, message, from, now);
  }

  onClosed(session: Session, byPeer: boolean, now: number): void {
    if (session.role === 'initiator') return;
    const instance = this.#instanceOf(session);
    if (instance === undefined || !instance.sessions.delete(session)) return;
    instance.final ||= byPeer;
    if (instance.sessions.size > 0) return;
    instance.expiresAt = now + (instance.final ? CLOSED_INSTANCE_MEMORY_MS : INSTANCE_MEMORY_MS);
    this.#nextTimeout = Math.min(this.#nextTimeout, instance.expiresAt);
  }

  nextTimeout(): number {
    return this.#nextTimeout;
  }

  timeout(now: number): void {
    if (now < this.#nextTimeout) return;
    let next = Number.POSITIVE_INFINITY;
    for (const [key, record] of this.#records) {
      for (const [id, instance] of record.instances) {
        if (instance.sessions.size > 0) continue;
        if (instance.expiresAt <= now) this.#forget(record, id, instance);
        else next = Math.min(next, instance.expiresAt);
      }
      if (record.instances.size === 0 && record.running === 0) this.#records.delete(key);
    }
    // Of many that come and go, each would have all the others looked through.
    this.#nextTimeout = Math.max(next, now + FORGET_INTERVAL_MS);
  }

  #onRequest(
    instance: Instance,
    session: ResponderSession,
    request: Request,
    from: Address,
    now: number,
  ): void {
    const { endpoint } = this.#options;
    const record = this.#recordOf(session.peer);
    const lane = this.#laneOf(record, instance, request.lane);
    if (lane === null) {
      endpoint.send(session, errorMessage(request, 'busy', 'Too many requests of this peer.'), from);
      return;
    }
    const known = lane.entries.get(request.id);
    if (known !== undefined) {
      this.#answerAgain(request, known, session, from, now);
      return;
    }
    if (request.id <= lane.highestId - REQUEST_WINDOW) {
      endpoint.send(session, errorMessage(request, 'outcome-unknown', FORGOTTEN), from);
      return;
    }
    const entry: Entry = {
      id: request.id,
      answer: null,
      running: false,
      waiting: { session, from },
      answeredAt: now,
      forgotten: false,
    };
    this.#remember(record, lane, entry);
    this.#execute(record, request, entry, session);
  }

  #execute(record: PeerRecord, request: Request, entry: Entry, session: ResponderSession): void {
    const { endpoint, execute, onRequest } = this.#options;
    const { peer } = session;
    const finish = (result: CommandResult): void => {
      const messages = encodeResult(request, result);
      if (!entry.forgotten) record.answers.keep(entry, messages);
      const { waiting } = entry;
      if (waiting !== null)
        for (const message of messages) endpoint.send(waiting.session, message, waiting.from);
      entry.waiting = null;
      onRequest?.(peer, request.command, result);
    };
    const refuse = (error: UdpToolError): void => finish({ ok: false, error });

    const command = this.#options.command(peer, request.command);
    if (command === undefined) {
      refuse(errorForPeer('unknown-command', `There is no command "${request.command}" here. Try "help".`));
      return;
    }
    if (!command.idempotent && !equalBytes(request.boot, endpoint.boot)) {
      refuse(errorForPeer('outcome-unknown', RESTARTED));
      return;
    }
    if (record.running >= MAX_RUNNING_PER_PEER) {
      refuse(errorForPeer('busy', 'Too many commands of this peer are running.'));
      return;
    }
    let args: Record<string, CborValue>;
    try {
      args = command.parse?.(request.args) ?? parseArguments(command, request.args);
    } catch (error) {
      refuse(error instanceof UdpToolError ? error : errorForPeer('failed', 'failed', { cause: error }));
      return;
    }
    record.running++;
    entry.running = true;
    execute({ peer, command, args, session }, (result) => {
      if (!entry.running) return; // a command has one outcome
      record.running--;
      entry.running = false;
      finish(result);
      if (record.running === 0 && record.instances.size === 0)
        this.#records.delete(peer.publicKey.toString());
    });
  }

  #onMore(instance: Instance, session: ResponderSession, request: More, from: Address, now: number): void {
    const entry = instance.lanes.get(request.lane)?.entries.get(request.id);
    if (entry !== undefined) {
      this.#answerAgain(request, entry, session, from, now, request.have);
      return;
    }
    const gone = errorMessage(request, ANSWER_GONE, 'Nothing is known of that request: ask anew.');
    this.#options.endpoint.send(session, gone, from);
  }

  #answerAgain(
    request: RequestRef,
    entry: Entry,
    session: ResponderSession,
    from: Address,
    now: number,
    have?: Uint8Array,
  ): void {
    if (entry.running) entry.waiting = { session, from };
    if (now - entry.answeredAt < REPEAT_INTERVAL_MS) return;
    const messages = entry.running
      ? [encodeMessage({ type: MessageType.PENDING, ...refOf(request) })]
      : entry.answer === null
        ? [errorMessage(request, 'outcome-unknown', FORGOTTEN)]
        : remaining(entry.answer, have);
    const bytes = messages.reduce((sum, { length }) => sum + length, 0);
    if (!this.#recordOf(session.peer).repeats.take(now, bytes)) return; // the peer asks again
    entry.answeredAt = now;
    for (const message of messages) this.#options.endpoint.send(session, message, from);
  }

  #instanceOf({ peer, instance }: ResponderSession): Instance | undefined {
    return this.#records.get(peer.publicKey.toString())?.instances.get(instance);
  }

  #recordOf(peer: Peer): PeerRecord {
    const key = peer.publicKey.toString();
    let record = this.#records.get(key);
    if (record === undefined) {
      record = {
        instances: new Map(),
        lanes: 0,
        answers: new KeptAnswers(MAX_KEPT_ANSWER_BYTES),
        repeats: new TokenBucket(REPEATED_BYTES_PER_SECOND, REPEATED_BYTES_AT_ONCE),
        running: 0,
      };
      this.#records.set(key, record);
    }
    return record;
  }

  #laneOf(record: PeerRecord, instance: Instance, number: number): Lane | null {
    let lane = instance.lanes.get(number);
    if (lane === undefined) {
      if (record.lanes >= MAX_LANES_PER_PEER) return null;
      record.lanes++;
      lane = { entries: new IdWindow(), highestId: 0 };
      instance.lanes.set(number, lane);
    }
    return lane;
  }

  /** Remembers an id, and forgets those that fall out of the window. */
  #remember(record: PeerRecord, lane: Lane, entry: Entry): void {
    const floor = entry.id - REQUEST_WINDOW;
    const from = Math.max(1, lane.highestId - REQUEST_WINDOW + 1);
    for (let old = from; old <= Math.min(floor, lane.highestId); old++) {
      const dropped = lane.entries.delete(old);
      if (dropped !== undefined) forget(record, dropped);
    }
    lane.entries.add(entry);
    lane.highestId = Math.max(lane.highestId, entry.id);
  }

  #forget(record: PeerRecord, id: bigint, instance: Instance): void {
    for (const lane of instance.lanes.values()) {
      for (const entry of lane.entries.values()) forget(record, entry);
    }
    record.lanes -= instance.lanes.size;
    record.instances.delete(id);
  }
}

function forget(record: PeerRecord, entry: Entry): void {
  entry.forgotten = true;
  record.answers.release(entry);
}

const FORGOTTEN = 'That request is so old that its outcome was forgotten; it is not executed again.';
const RESTARTED =
  'The other side restarted while this request was under way: it may or may not have been executed.';

/** What a MORE asks for; of an answer that is one message, that one. */
function remaining(answer: readonly Uint8Array[], have: Uint8Array | undefined): readonly Uint8Array[] {
  return have !== undefined && answer.length > 1 ? missingParts(answer, have) : answer;
}

function refOf({ lane, id }: RequestRef): RequestRef {
  return { lane, id };
}

function encodeResult(request: Request, result: CommandResult): Uint8Array[] {
  if (!result.ok) return [errorMessage(request, result.error.code, result.error.message)];
  try {
    return withoutStacks(() => answerMessages(request, result.value));
  } catch (error) {
    const code = error instanceof UdpToolError && error.code === 'too-large' ? 'too-large' : 'command-failed';
    return [errorMessage(request, code, error instanceof Error ? error.message : String(error))];
  }
}

function errorMessage(request: RequestRef, code: string, text: string): Uint8Array {
  return encodeMessage({ type: MessageType.ERROR, ...refOf(request), code, text });
}
