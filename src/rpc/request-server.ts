/** The answering side: executes each request at most once, and answers it as often as it is asked (PROTOCOL §9.2). */
import { equalBytes, idAt } from '../bytes.ts';
import { UdpToolError } from '../errors.ts';
import type { Address } from '../session/address.ts';
import type { Endpoint } from '../session/endpoint.ts';
import type { Peer } from '../session/peer.ts';
import type { ResponderSession, Session } from '../session/session.ts';
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
  MAX_INSTANCES_PER_PEER,
  MAX_KEPT_ANSWER_BYTES,
  MAX_REQUEST_MS,
  MAX_RUNNING_PER_PEER,
  REQUEST_WINDOW,
} from './constants.ts';

export type CommandResult =
  | { readonly ok: true; readonly value: CborValue }
  | { readonly ok: false; readonly error: UdpToolError };

/** A request to execute, its arguments checked. */
export interface Call {
  readonly peer: Peer;
  readonly command: Command;
  readonly args: Record<string, CborValue>;
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
interface Entry {
  /** The encoded answer; null while it is in execution, and once memory ran short. */
  answer: readonly Uint8Array[] | null;
  running: boolean;
  /** Where the answer goes: where its request last came from. */
  session: Session;
  from: Address;
}

/** One client instance. */
interface Instance {
  readonly entries: Map<number, Entry>;
  highestId: number;
  /** Live sessions that carried it. */
  readonly sessions: Set<Session>;
  /** When to forget it, once no session is left. */
  expiresAt: number;
  /** The client said that it sends no more. */
  final: boolean;
}

interface PeerRecord {
  readonly instances: Map<bigint, Instance>;
  /** Entries with an answer, the oldest first. */
  readonly answered: Set<Entry>;
  answerBytes: number;
  running: number;
}

export class RequestServer {
  readonly #options: RequestServerOptions;
  readonly #records = new Map<Peer, PeerRecord>();
  #nextTimeout = Number.POSITIVE_INFINITY;

  constructor(options: RequestServerOptions) {
    this.#options = options;
  }

  /** Whether the peer may open another session. */
  admits(peer: Peer): boolean {
    return (this.#records.get(peer)?.instances.size ?? 0) < MAX_INSTANCES_PER_PEER;
  }

  forgetPeer(peer: Peer): void {
    this.#records.delete(peer);
  }

  onMessage(session: Session, message: Message, from: Address): void {
    if (session.role === 'initiator') return;
    if (message.type === MessageType.REQUEST) this.#onRequest(session, message, from);
    else if (message.type === MessageType.MORE) this.#onMore(session, message, from);
  }

  onClosed(session: Session, byPeer: boolean, now: number): void {
    const record = this.#records.get(session.peer);
    if (record === undefined) return;
    for (const [key, instance] of record.instances) {
      if (!instance.sessions.delete(session)) continue;
      instance.final ||= byPeer;
      if (instance.sessions.size > 0) continue;
      if (instance.final) {
        this.#forget(record, key, instance);
      } else {
        instance.expiresAt = now + MAX_REQUEST_MS;
        this.#nextTimeout = Math.min(this.#nextTimeout, instance.expiresAt);
      }
    }
  }

  nextTimeout(): number {
    return this.#nextTimeout;
  }

  timeout(now: number): void {
    if (now < this.#nextTimeout) return;
    this.#nextTimeout = Number.POSITIVE_INFINITY;
    for (const record of this.#records.values()) {
      for (const [key, instance] of record.instances) {
        if (instance.sessions.size > 0) continue;
        if (instance.expiresAt <= now) this.#forget(record, key, instance);
        else this.#nextTimeout = Math.min(this.#nextTimeout, instance.expiresAt);
      }
    }
  }

  #onRequest(session: ResponderSession, request: Request, from: Address): void {
    const { endpoint } = this.#options;
    const { peer } = session;
    const record = this.#recordOf(peer);
    const instance = this.#instanceOf(record, request.instance);
    if (instance === null) {
      endpoint.send(session, errorMessage(request, 'busy', 'Too many clients of this peer.'), from);
      return;
    }
    instance.sessions.add(session);
    const known = instance.entries.get(request.id);
    if (known !== undefined) {
      known.session = session;
      known.from = from;
      this.#answerAgain(request, known);
      return;
    }
    if (request.id <= instance.highestId - REQUEST_WINDOW) {
      endpoint.send(session, unknownOutcome(request), from);
      return;
    }
    const entry: Entry = { answer: null, running: false, session, from };
    this.#remember(record, instance, request.id, entry);
    this.#execute(record, request, entry, peer);
  }

  #execute(record: PeerRecord, request: Request, entry: Entry, peer: Peer): void {
    const { endpoint, execute, onRequest } = this.#options;
    const finish = (result: CommandResult): void => {
      const messages = encodeResult(request, result);
      this.#keep(record, entry, messages);
      for (const message of messages) endpoint.send(entry.session, message, entry.from);
      onRequest?.(peer, request.command, result);
    };
    const refuse = (error: UdpToolError): void => finish({ ok: false, error });

    const command = this.#options.command(peer, request.command);
    if (command === undefined) {
      refuse(
        new UdpToolError('unknown-command', `There is no command "${request.command}" here. Try "help".`),
      );
      return;
    }
    if (!command.idempotent && !equalBytes(request.boot, endpoint.boot)) {
      refuse(new UdpToolError('outcome-unknown', RESTARTED));
      return;
    }
    if (record.running >= MAX_RUNNING_PER_PEER) {
      refuse(new UdpToolError('busy', 'Too many commands of this peer are running.'));
      return;
    }
    let args: Record<string, CborValue>;
    try {
      args = parseArguments(command, request.args);
    } catch (error) {
      refuse(error instanceof UdpToolError ? error : new UdpToolError('failed', 'failed', { cause: error }));
      return;
    }
    record.running++;
    entry.running = true;
    execute({ peer, command, args }, (result) => {
      record.running--;
      entry.running = false;
      finish(result);
    });
  }

  #answerAgain(request: RequestRef, entry: Entry, have?: Uint8Array): void {
    const { endpoint } = this.#options;
    const send = (message: Uint8Array): void => endpoint.send(entry.session, message, entry.from);
    if (entry.running) send(encodeMessage({ type: MessageType.PENDING, ...refOf(request) }));
    else if (entry.answer === null) send(unknownOutcome(request));
    else for (const message of have ? missingParts(entry.answer, have) : entry.answer) send(message);
  }

  #onMore(session: ResponderSession, request: More, from: Address): void {
    const entry = this.#records
      .get(session.peer)
      ?.instances.get(idAt(request.instance))
      ?.entries.get(request.id);
    if (entry === undefined) {
      const gone = errorMessage(request, ANSWER_GONE, 'Nothing is known of that request: ask anew.');
      this.#options.endpoint.send(session, gone, from);
      return;
    }
    entry.session = session;
    entry.from = from;
    this.#answerAgain(request, entry, request.have);
  }

  #recordOf(peer: Peer): PeerRecord {
    let record = this.#records.get(peer);
    if (record === undefined) {
      record = { instances: new Map(), answered: new Set(), answerBytes: 0, running: 0 };
      this.#records.set(peer, record);
    }
    return record;
  }

  #instanceOf(record: PeerRecord, id: Uint8Array): Instance | null {
    const key = idAt(id);
    let instance = record.instances.get(key);
    if (instance === undefined) {
      if (record.instances.size >= MAX_INSTANCES_PER_PEER) return null;
      instance = { entries: new Map(), highestId: 0, sessions: new Set(), expiresAt: 0, final: false };
      record.instances.set(key, instance);
    }
    return instance;
  }

  /** Remembers an id, and forgets those that fell out of the window. */
  #remember(record: PeerRecord, instance: Instance, id: number, entry: Entry): void {
    instance.entries.set(id, entry);
    if (id <= instance.highestId) return;
    const floor = id - REQUEST_WINDOW;
    const from = Math.max(1, instance.highestId - REQUEST_WINDOW + 1);
    for (let old = from; old <= Math.min(floor, instance.highestId); old++) {
      const dropped = instance.entries.get(old);
      if (dropped !== undefined) this.#release(record, dropped);
      instance.entries.delete(old);
    }
    instance.highestId = id;
  }

  #keep(record: PeerRecord, entry: Entry, answer: readonly Uint8Array[]): void {
    entry.answer = answer;
    record.answered.add(entry);
    record.answerBytes += bytesOf(answer);
    for (const oldest of record.answered) {
      if (record.answerBytes <= MAX_KEPT_ANSWER_BYTES) return;
      this.#release(record, oldest);
    }
  }

  /** Forgets an answer, not that there was one. */
  #release(record: PeerRecord, entry: Entry): void {
    if (!record.answered.delete(entry) || entry.answer === null) return;
    record.answerBytes -= bytesOf(entry.answer);
    entry.answer = null;
  }

  #forget(record: PeerRecord, key: bigint, instance: Instance): void {
    for (const entry of instance.entries.values()) this.#release(record, entry);
    record.instances.delete(key);
  }
}

const RESTARTED =
  'The other side restarted while this request was under way: it may or may not have been executed.';

function refOf({ instance, id }: RequestRef): RequestRef {
  return { instance, id };
}

function encodeResult(request: Request, result: CommandResult): Uint8Array[] {
  if (!result.ok) return [errorMessage(request, result.error.code, result.error.message)];
  try {
    return answerMessages(request, result.value);
  } catch (error) {
    const code = error instanceof UdpToolError && error.code === 'too-large' ? 'too-large' : 'command-failed';
    return [errorMessage(request, code, error instanceof Error ? error.message : String(error))];
  }
}

function errorMessage(request: RequestRef, code: string, text: string): Uint8Array {
  return encodeMessage({ type: MessageType.ERROR, ...refOf(request), code, text });
}

function unknownOutcome(request: RequestRef): Uint8Array {
  return errorMessage(request, 'outcome-unknown', RESTARTED);
}

function bytesOf(messages: readonly Uint8Array[]): number {
  return messages.reduce((sum, message) => sum + message.length, 0);
}
