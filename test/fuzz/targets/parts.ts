/**
 * Requests whose answers come in parts (PROTOCOL §8.5, §9): an asking and an answering side, and between them a network
 * and peers that lie. There are no datagrams: what each side says are messages in a queue, taken out in any order.
 */
import { equalBytes } from '../../../src/bytes.ts';
import { PublicKey } from '../../../src/crypto/keys.ts';
import { type Command, defineCommand } from '../../../src/rpc/command.ts';
import type { Outcome } from '../../../src/rpc/outcome.ts';
import { type PendingRequest, RequestClient } from '../../../src/rpc/request-client.ts';
import { type CommandResult, RequestServer } from '../../../src/rpc/request-server.ts';
import type { Address } from '../../../src/session/address.ts';
import type { Endpoint } from '../../../src/session/endpoint.ts';
import type { Peer } from '../../../src/session/peer.ts';
import { RttEstimator } from '../../../src/session/rtt.ts';
import type { InitiatorSession, ResponderSession } from '../../../src/session/session.ts';
import { decodeCbor } from '../../../src/wire/cbor.ts';
import {
  encodeMessage,
  type Message,
  MessageType,
  parseMessage,
  type RequestRef,
} from '../../../src/wire/messages.ts';
import { Prng } from '../../support/prng.ts';
import { block, check, Input, same, type Target } from '../target.ts';
import { messages } from './envelope.ts';

const PEER_ADDRESS: Address = { ip: '192.168.2.3', port: 9999 };
const KEY = PublicKey.fromBytes(new Uint8Array(32).fill(9));
const PART_BYTES = 1152;
const MAX_MESSAGE_BYTES = 1190;
const MAX_PARTS = 57;
const MAX_ACTIONS = 64;
const MAX_REQUESTS = 16;
/** It may not run twice; takes its time; is as long as a request may be. */
const [ONCE, SLOW, LONG] = [1, 2, 4];
const REQUEST_MS = 100_000;
/** Long enough on a network that loses nothing. */
const HEALED_MS = 40_000;
const DAY_MS = 24 * 3_600_000;
const MAX_TIMEOUTS = 3_000;
/** Of answers: one message; two parts, the last of them of one byte; more; as many as there may be; too many. */
const SIZES = [9, 1100, 1180, 2 * PART_BYTES - 3, PART_BYTES - 2, 5_000, 20_000, 65_533, 65_534];

/** By the first byte of each action modulo their number. */
const Action = {
  ASK: 0,
  /** All that was said arrives. */
  CARRY: 1,
  /** One message arrives, and may arrive again. */
  DELIVER: 2,
  LOSE: 3,
  WAIT: 4,
  /** A command that runs comes to its end. */
  FINISH: 5,
  RESTART: 6,
  CONNECT: 7,
  /** The peer that answers lies: in a part, and in a message of any kind. */
  LIE_PART: 8,
  LIE: 9,
  /** The peer that asks lies. */
  LIE_TO_SERVER: 10,
  CANCEL: 11,
} as const;
const ACTIONS = Object.keys(Action).length;

export const parts: Target = {
  name: 'parts',
  seeds: () => [
    Uint8Array.of(Action.ASK, 6, 0, Action.CARRY, Action.CARRY),
    // One part is lost; another one comes twice.
    Uint8Array.of(
      ...[Action.ASK, 5, 0, Action.DELIVER, 0, 0, Action.LOSE, 1, 1],
      ...[Action.DELIVER, 1, 0x80, Action.CARRY, Action.WAIT, 20, Action.CARRY],
    ),
    // Parts of two runs of the server.
    Uint8Array.of(
      ...[Action.ASK, 3, 0, Action.DELIVER, 0, 0, Action.RESTART, Action.CONNECT, Action.DELIVER, 0, 0],
      ...[Action.DELIVER, 1, 3, Action.DELIVER, 1, 0, Action.CARRY, Action.CARRY],
    ),
    // One that may not run twice, and takes its time.
    Uint8Array.of(
      ...[Action.ASK, 6, ONCE | SLOW, Action.CARRY, Action.WAIT, 60, Action.CARRY, Action.FINISH, 0],
      ...[Action.LOSE, 1, 2, Action.CARRY, Action.RESTART, Action.CONNECT, Action.WAIT, 60, Action.CARRY],
    ),
    Uint8Array.of(
      ...[Action.ASK, 8, 0, Action.CARRY, Action.LIE_PART, 0, 0, 1, 9, Action.LIE_PART, 0, 1, 1, 9],
      ...[Action.CANCEL, 0, Action.ASK, 0, 0, Action.CARRY, Action.CARRY],
    ),
    // More than may be on the way at once.
    Uint8Array.of(
      ...new Array<number[]>(12).fill([Action.ASK, 0, LONG]).flat(),
      Action.WAIT,
      80,
      Action.CARRY,
    ),
    ...messages()
      .slice(5, 12)
      .flatMap((message) =>
        [Action.LIE, Action.LIE_TO_SERVER].map((lie) =>
          Uint8Array.of(Action.ASK, 6, 0, Action.CARRY, lie, ...block(message), Action.CARRY, Action.CARRY),
        ),
      ),
  ],
  words: () => [
    ...messages().slice(5, 12),
    ...[0, 3, 5, 6, 8].map((size) => Uint8Array.of(Action.ASK, size, 0, Action.CARRY)),
    Uint8Array.of(Action.RESTART, Action.CONNECT),
    Uint8Array.of(Action.WAIT, 60, Action.CARRY),
  ],
  maxBytes: 1024,
  work: { base: 600_000, perByte: 30_000 },
  memory: { base: 4 * 1024 * 1024, perByte: 100_000 },
  run(input) {
    const scene = new Scene();
    scene.play(new Input(input));
    scene.heal();
    scene.end();
  },
};

interface Asked {
  readonly request: PendingRequest;
  outcome: Outcome | null;
  isCancelled: boolean;
  /** The parts that came of the answer that comes. */
  came: { readonly boot: Uint8Array; readonly count: number; readonly parts: Set<number> } | null;
}

interface Said {
  readonly session: InitiatorSession;
  readonly bytes: Uint8Array;
}

interface Running {
  readonly size: number;
  readonly name: string;
  readonly done: (result: CommandResult) => void;
}

class Scene {
  readonly #peer = { publicKey: KEY, addresses: [PEER_ADDRESS], rtt: new RttEstimator() } as unknown as Peer;
  readonly #client: RequestClient;
  readonly #asked: Asked[] = [];
  readonly #running: Running[] = [];
  readonly #commands: ReadonlyMap<string, Command>;
  #toServer: Said[] = [];
  #toClient: Said[] = [];
  #session: InitiatorSession | null = null;
  #server!: RequestServer;
  #boot = new Uint8Array(6);
  /** The sessions of this run of the server. */
  #inbound = new Map<InitiatorSession, ResponderSession>();
  /** Messages that the server says to one of the client's. */
  #replies: Uint8Array[] = [];
  /** By the name of the request: what was ever made of it, and how often it was executed. */
  readonly #answers = new Map<string, Uint8Array[]>();
  readonly #executed = new Map<string, number>();
  /** What the server is told now. */
  #told = '';
  #executions = 0;
  #runs = 0;
  #isWanted = false;
  #isClientLiedTo = false;
  #isServerLiedTo = false;
  #now = 1_000;

  constructor() {
    const commands = [false, true].map((idempotent) =>
      defineCommand({
        name: idempotent ? 'read' : 'launch',
        summary: '',
        args: [
          { name: 'size', type: 'integer', summary: '' },
          { name: 'slow', type: 'integer', summary: '' },
          { name: 'text', type: 'text', summary: '' },
        ],
        idempotent,
        run: () => null,
      }),
    );
    this.#commands = new Map(commands.map((command) => [command.name, command]));
    const endpoint = {
      sessionsTo: () => (this.#session === null ? [] : [this.#session]),
      send: (session: InitiatorSession, bytes: Uint8Array) => this.#onClientSays(session, bytes.slice()),
      want: () => (this.#isWanted = true),
      unwant: () => (this.#isWanted = false),
      suspect: () => (this.#isWanted = true),
    } as unknown as Endpoint;
    this.#client = new RequestClient(endpoint, new Prng(1).bytes);
    this.#startServer();
    this.#connect();
  }

  play(input: Input): void {
    for (let i = 0; i < MAX_ACTIONS && !input.isEmpty; i++) this.#act(input.below(ACTIONS), input);
  }

  /** From now on nothing is lost, and nobody lies: so everything that was asked has an outcome. */
  heal(): void {
    const until = this.#now + HEALED_MS;
    for (let round = 0; this.#now < until; round++) {
      check(round < MAX_TIMEOUTS, 'there is no end of timeouts');
      if (this.#isWanted && this.#session?.boot !== this.#boot) this.#connect();
      this.#carry();
      while (this.#running.length > 0) this.#finish(0);
      if (this.#toClient.length > 0) continue;
      this.#now = Math.min(until, Math.max(this.#now + 1, this.#client.nextTimeout()));
      this.#client.timeout(this.#now);
      this.#client.release(this.#now);
    }
    for (const { outcome, isCancelled } of this.#asked)
      check(outcome !== null || isCancelled, 'a request has no outcome');
  }

  /** A day without a word: nothing is left; and the next request goes at once. */
  end(): void {
    this.#session = null;
    for (const session of this.#inbound.values()) this.#server.onClosed(session, false, this.#now);
    const until = this.#now + DAY_MS;
    for (const one of [this.#client, this.#server]) {
      let now = this.#now;
      for (let i = 0; one.nextTimeout() <= until; i++) {
        check(i < MAX_TIMEOUTS, 'there is no end of timeouts');
        now = Math.max(now, one.nextTimeout());
        one.timeout(now);
        check(one.nextTimeout() > now, 'a timeout is due at once again');
      }
      check(one.nextTimeout() === Number.POSITIVE_INFINITY, 'something is waited for after a day');
    }
    check(this.#client.pendingCount === 0, 'a request is waited for after a day');
    check(!this.#isWanted, 'a session is wanted that nobody needs');
    this.#now = until;
    this.#connect();
    this.#toServer = [];
    this.#ask(0, LONG);
    check(this.#toServer.length === 1, 'a request waits for those that are over');
  }

  #act(action: number, input: Input): void {
    switch (action) {
      case Action.ASK: {
        const size = SIZES[input.below(SIZES.length)] as number;
        const how = input.byte();
        if (this.#asked.length < MAX_REQUESTS) this.#ask(size, how);
        break;
      }
      case Action.CARRY:
        this.#carry();
        break;
      case Action.DELIVER:
      case Action.LOSE: {
        const isToClient = input.below(2) === 1;
        const queue = isToClient ? this.#toClient : this.#toServer;
        const which = input.byte();
        const at = (which & 0x7f) % Math.max(1, queue.length);
        const said = queue[at];
        const isAgain = action === Action.DELIVER && (which & 0x80) !== 0;
        if (!isAgain) queue.splice(at, 1);
        if (said === undefined || action === Action.LOSE) break;
        if (isToClient) this.#tellClient(said);
        else this.#tellServer(said);
        break;
      }
      case Action.WAIT: {
        // From a millisecond to some seventeen minutes.
        this.#now += 1 + Math.floor(input.byte() ** 2.5);
        this.#client.timeout(this.#now);
        this.#server.timeout(this.#now);
        this.#client.release(this.#now);
        break;
      }
      case Action.FINISH:
        this.#finish(input.byte());
        break;
      case Action.RESTART:
        this.#running.length = 0;
        this.#startServer();
        break;
      case Action.CONNECT:
        this.#connect();
        break;
      case Action.LIE_PART: {
        const asked = this.#asked[input.byte() % Math.max(1, this.#asked.length)];
        const index = input.byte() % MAX_PARTS;
        const count = Math.min(MAX_PARTS, index + 1 + input.below(4));
        const isLast = index === count - 1;
        const bytes = new Uint8Array(isLast ? 1 + input.byte() : PART_BYTES).fill(0x80);
        if (asked === undefined || this.#session === null || count < 2) break;
        const { lane, id } = asked.request;
        const lie = encodeMessage({ type: MessageType.PART, lane, id, index, count, bytes });
        this.#isClientLiedTo = true;
        this.#tellClient({ session: this.#session, bytes: lie });
        break;
      }
      case Action.LIE: {
        const bytes = input.block();
        if (this.#session === null || parsed(bytes) === null) break;
        this.#isClientLiedTo = true;
        this.#tellClient({ session: this.#session, bytes });
        break;
      }
      case Action.LIE_TO_SERVER: {
        const bytes = input.block();
        if (this.#session === null || parsed(bytes) === null) break;
        this.#isServerLiedTo = true;
        this.#tellServer({ session: this.#session, bytes });
        break;
      }
      case Action.CANCEL: {
        const asked = this.#asked[input.byte() % Math.max(1, this.#asked.length)];
        if (asked === undefined || asked.outcome !== null) break;
        asked.isCancelled = true;
        this.#client.cancel(asked.request);
        break;
      }
    }
  }

  /** @param how with {@link ONCE}, {@link SLOW} or {@link LONG} in it */
  #ask(size: number, how: number): void {
    const request = this.#client.request(
      {
        peer: this.#peer,
        command: (how & ONCE) === 0 ? 'read' : 'launch',
        args: [size, (how & SLOW) === 0 ? 0 : 1, 'x'.repeat((how & LONG) === 0 ? 0 : 900)],
        timeoutMs: REQUEST_MS,
        settle: (outcome) => this.#onSettled(asked, outcome),
      },
      this.#now,
    );
    const asked: Asked = { request, outcome: null, isCancelled: false, came: null };
    this.#asked.push(asked);
  }

  #onSettled(asked: Asked, outcome: Outcome): void {
    check(asked.outcome === null, 'a request is settled twice');
    check(!asked.isCancelled, 'a request is settled that was given up');
    asked.outcome = outcome;
    if (this.#isClientLiedTo) return;
    if (!outcome.ok) {
      check(outcome.error.code !== 'failed', `an answer makes no sense: ${outcome.error.message}`);
      return;
    }
    const answers = this.#answers.get(nameOf(asked.request)) ?? [];
    const { value } = outcome;
    check(
      value instanceof Uint8Array && answers.some((answer) => equalBytes(answer, value)),
      'an answer is one that the server never gave',
    );
  }

  #startServer(): void {
    this.#boot = new Uint8Array(6).fill(++this.#runs);
    this.#inbound = new Map();
    const endpoint = {
      boot: this.#boot,
      send: (_session: ResponderSession, bytes: Uint8Array) => this.#replies.push(bytes.slice()),
    } as unknown as Endpoint;
    this.#server = new RequestServer({
      endpoint,
      command: (_peer, name) => this.#commands.get(name),
      execute: ({ command, args }, done) =>
        this.#onRun(command, args as { size: number; slow: number }, done),
    });
  }

  #connect(): void {
    const session = {
      role: 'initiator',
      peer: this.#peer,
      boot: this.#boot,
      handshakeRtt: 20,
    } as InitiatorSession;
    const inbound = { role: 'responder', peer: this.#peer, instance: 1n } as ResponderSession;
    this.#inbound.set(session, inbound);
    this.#server.onOpened(inbound);
    this.#session = session;
    this.#client.onReady(session, this.#now);
    this.#client.onConfirmed(session);
    this.#client.release(this.#now);
  }

  #onRun(command: Command, { size, slow }: { size: number; slow: number }, done: Running['done']): void {
    const name = this.#told;
    // Whoever lies may say that he asks anew.
    const which = command.idempotent || this.#isServerLiedTo ? `${this.#runs} ${name}` : name;
    const count = (this.#executed.get(which) ?? 0) + 1;
    this.#executed.set(which, count);
    check(count === 1, 'a request is executed twice');
    if (slow === 1) this.#running.push({ size, name, done });
    else this.#complete({ size, name, done });
  }

  #complete({ size, name, done }: Running): void {
    // Another one each time, in every part of it.
    const value = new Uint8Array(Math.min(Math.max(size, 0), 70_000)).fill(++this.#executions);
    this.#answers.set(name, [...(this.#answers.get(name) ?? []), value]);
    done({ ok: true, value });
  }

  #finish(which: number): void {
    const at = which % Math.max(1, this.#running.length);
    const [running] = this.#running.splice(at, 1);
    if (running === undefined) return;
    this.#replies = [];
    this.#complete(running);
    this.#send(this.#session, this.#replies);
  }

  #carry(): void {
    const toServer = this.#toServer.splice(0);
    for (const said of toServer) this.#tellServer(said);
    const toClient = this.#toClient.splice(0);
    for (const said of toClient) this.#tellClient(said);
    this.#client.release(this.#now);
    this.#now += 1;
  }

  #tellServer({ session, bytes }: Said): void {
    const inbound = this.#inbound.get(session);
    const message = parsed(bytes);
    if (inbound === undefined || message === null) return;
    this.#told = 'id' in message ? nameOf(message) : '';
    this.#replies = [];
    this.#server.onMessage(inbound, message, PEER_ADDRESS, this.#now);
    this.#expectReplies(message, this.#replies);
    this.#send(session, this.#replies);
  }

  /** What the server says to one message. */
  #expectReplies(message: Message, replies: readonly Uint8Array[]): void {
    check(replies.length <= MAX_PARTS, 'a message is answered with too many');
    const indices = new Set<number>();
    for (const bytes of replies) {
      check(bytes.length <= MAX_MESSAGE_BYTES, 'a message does not fit into a datagram');
      const reply = parsed(bytes);
      check(reply !== null && 'id' in reply && 'id' in message, 'a reply is none');
      check(reply.id === message.id && reply.lane === message.lane, 'a reply is to another request');
      if (reply.type !== MessageType.PART) {
        check(replies.length === 1, 'several replies are no parts');
        continue;
      }
      check(!indices.has(reply.index), 'a part is sent twice at once');
      indices.add(reply.index);
      if (message.type === MessageType.MORE)
        check(!hasBit(message.have, reply.index), 'a part is sent that is there');
    }
    if (indices.size > 0 && message.type === MessageType.REQUEST) {
      const last = parsed(replies.at(-1) as Uint8Array);
      check(last?.type === MessageType.PART && last.count === indices.size, 'parts are missing of an answer');
    }
  }

  #find(ref: RequestRef): Asked | undefined {
    return this.#asked.find(({ request }) => nameOf(request) === nameOf(ref));
  }

  #send(session: InitiatorSession | null, replies: readonly Uint8Array[]): void {
    if (session !== null) for (const bytes of replies) this.#toClient.push({ session, bytes });
  }

  #tellClient({ session, bytes }: Said): void {
    const message = parsed(bytes);
    if (message === null) return;
    const asked = 'id' in message ? this.#find(message) : undefined;
    if (asked !== undefined && message.type === MessageType.PART) {
      const { boot } = session;
      const { came } = asked;
      if (came?.boot !== boot || came.count !== message.count)
        asked.came = { boot, count: message.count, parts: new Set() };
      asked.came?.parts.add(message.index);
    }
    if (asked !== undefined && message.type === MessageType.ERROR && message.code === 'answer-gone')
      asked.came = null;
    this.#client.onMessage(session, message, this.#now);
    if (asked?.came != null && asked.came.parts.size === asked.came.count)
      check(asked.outcome !== null || asked.isCancelled, 'all parts came, and there is no outcome');
  }

  #onClientSays(session: InitiatorSession, bytes: Uint8Array): void {
    check(bytes.length <= MAX_MESSAGE_BYTES, 'a message does not fit into a datagram');
    const message = parsed(bytes);
    check(
      message?.type === MessageType.REQUEST || message?.type === MessageType.MORE,
      'what is asked is no question',
    );
    if (message.type === MessageType.MORE) {
      const asked = this.#find(message);
      const have = new Uint8Array(8);
      for (const index of asked?.came?.parts ?? [])
        have[index >> 3] = (have[index >> 3] as number) | (0x80 >> (index & 7));
      same(message.have, have, 'others are asked for than are missing');
    }
    this.#toServer.push({ session, bytes });
  }
}

function nameOf({ lane, id }: RequestRef): string {
  return `${lane}/${id}`;
}

function parsed(bytes: Uint8Array): Message | null {
  const decoded = decodeCbor(bytes);
  return decoded.ok ? parseMessage(decoded.value) : null;
}

function hasBit(have: Uint8Array, index: number): boolean {
  return ((have[index >> 3] as number) & (0x80 >> (index & 7))) !== 0;
}
