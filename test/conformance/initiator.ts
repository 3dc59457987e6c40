/** An initiator on a socket: handshake, RETRY, rekeying, requests, answers in parts. PROTOCOL.md §5.4, §6.2, §8, §9. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { hex, join, random, same } from './bytes.ts';
import { decode, type Value } from './cbor.ts';
import {
  answerTo,
  type ChallengeFields,
  chainKey,
  challengeFields,
  hello,
  NO_TOKEN,
  type OpenParts,
  retryToken,
  sessionKeys,
  TYPE,
} from './handshake.ts';
import { type KeyPair, keyPair, type PairKeys, pairKeys } from './keys.ts';
import { type Message, T } from './messages.ts';
import { counterOf, refusedBySight, Session } from './session.ts';
import { ackOf } from './streams.ts';

export { random };

const LOOPBACK = '127.0.0.1';
/** As §9.1 has it before the first sample; this peer takes none. */
const TIME_OUT_MS = 500;
/** A session that was replaced still receives for so long. */
const REPLACED_MS = 10_000;

export type Outcome =
  | { readonly value: Value; readonly parts: number }
  | { readonly error: string; readonly text: string };

/** What an initiator draws at random; given, so that the worked example comes out. */
interface Drawn {
  readonly instance: Uint8Array;
  readonly kem: () => Uint8Array;
  readonly rest: () => Uint8Array;
  readonly ephemeral: () => Uint8Array;
}

const drawn = (): Drawn => ({
  instance: random(8),
  kem: () => random(64),
  rest: () => random(15),
  ephemeral: () => random(32),
});

interface Options {
  readonly own: KeyPair;
  readonly peer: Uint8Array;
  readonly psk?: Uint8Array;
  readonly port: number;
  readonly drawn?: Drawn;
}

/** What a datagram of the other side led to: a reason of §11, or what was taken. A test reads it. */
export type Event = { readonly datagram: Uint8Array; readonly result: string };

type Say = (...messages: Message[]) => void;

interface Live {
  readonly session: Session;
  readonly boot: Uint8Array;
  /** What its OPENs begin with; undefined once it is confirmed. */
  opening: Omit<OpenParts, 'keys'> | undefined;
  /** Of its datagrams that came. */
  readonly counters: Set<number>;
}

interface Hello {
  readonly datagram: Uint8Array;
  readonly kemSecret: Uint8Array;
  readonly token: boolean;
  /** How often it was sent. */
  sent: number;
}

export class Initiator {
  readonly pair: PairKeys;
  readonly sent: Uint8Array[] = [];
  readonly events: Event[] = [];
  readonly #own: KeyPair;
  readonly #port: number;
  readonly #drawn: Drawn;
  readonly #waiting = new Set<(message: Message) => void>();
  #socket: Socket | undefined;
  #hello: Hello | undefined;
  #onChallenge: (say: Say) => void = () => {};
  #onConfirmed: () => void = () => {};
  /** By csid. */
  readonly #sessions = new Map<string, Live>();
  /** The one to send on. */
  #current: Live | undefined;
  /** One that is not confirmed, beside the current one. */
  #candidate: Live | undefined;
  #lastId = 0;

  constructor({ own, peer, psk, port, drawn: given = drawn() }: Options) {
    this.#own = own;
    this.#port = port;
    this.#drawn = given;
    this.pair = pairKeys(own, peer, 'initiator', psk);
  }

  get #live(): Live {
    const live = this.#current ?? this.#candidate;
    if (live === undefined) throw new Error('no session');
    return live;
  }

  get session(): Session {
    return this.#live.session;
  }

  get boot(): Uint8Array {
    return this.#live.boot;
  }

  /** Another socket, so another source address; the session stays. */
  async move(): Promise<void> {
    const before = this.#socket;
    const socket = createSocket('udp4');
    socket.on('message', (bytes, { port }) => {
      const datagram = Uint8Array.from(bytes);
      this.events.push({ datagram, result: this.take(datagram, port, performance.now()) });
    });
    socket.bind(0, LOOPBACK);
    await once(socket, 'listening');
    this.#socket = socket;
    before?.close();
  }

  /** HELLO; once CHALLENGE came, `then` says something in the session that is new. */
  begin(then: (say: Say) => void): void {
    this.#onChallenge = then;
    this.#newHello(NO_TOKEN);
    this.#sendHello();
  }

  /** HELLO and CHALLENGE: then there is a session, that the other side does not know yet. */
  async handshake(): Promise<void> {
    if (this.#socket === undefined) await this.move();
    const challenged = new Promise<void>((done) => this.begin(() => done()));
    await repeat(challenged, () => this.#sendHello(), false);
  }

  /** A second handshake while the session goes on, which the new one replaces. */
  async rekey(): Promise<void> {
    await this.handshake();
    const replaced = new Promise<void>((done) => {
      this.#onConfirmed = done;
    });
    await repeat(replaced, () => this.#candidate && this.#sayIn(this.#candidate, [[T.ping, 0]]));
  }

  send(datagram: Uint8Array): void {
    this.sent.push(datagram);
    this.#socket?.send(datagram, this.#port, LOOPBACK);
  }

  /** In an OPEN until the session is confirmed, then in a DATA. */
  say(...messages: Message[]): void {
    const live = this.#live;
    this.#sayIn(live, messages);
    if (messages.some(([type]) => type === T.close)) this.#end(live);
  }

  #sayIn({ session, opening }: Live, messages: readonly Message[]): void {
    const instance: Message = [T.instance, this.#drawn.instance];
    this.send(opening ? session.open(opening, [instance, ...messages]) : session.data(messages));
  }

  /** The first message of the other side that `wanted` takes. */
  next(wanted: (message: Message) => boolean): Promise<Message> {
    return new Promise((done) => {
      const look = (message: Message): void => {
        if (!wanted(message)) return;
        this.#waiting.delete(look);
        done(message);
      };
      this.#waiting.add(look);
    });
  }

  async ping(n: number): Promise<void> {
    await repeat(
      this.next(([type, number]) => type === T.pong && number === n),
      () => this.say([T.ping, n]),
    );
  }

  async request(command: string, args: readonly Value[] = [], { boot = this.boot } = {}): Promise<Outcome> {
    const id = ++this.#lastId;
    const parts = new Map<number, Uint8Array>();
    let count = 0;
    const outcome = new Promise<Outcome>((done) => {
      const look = ([type, lane, of, ...rest]: Message): void => {
        if (lane !== 0 || of !== id) return;
        if (type === T.response) done({ value: rest[0], parts: 1 });
        else if (type === T.error) done({ error: String(rest[0]), text: String(rest[1]) });
        else if (type === T.part) {
          if (rest[1] !== count) parts.clear();
          count = Number(rest[1]);
          parts.set(Number(rest[0]), rest[2] as Uint8Array);
          if (parts.size < count) return;
          const all = [...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
          done({ value: decode(join(...all), 6), parts: count });
        } else return;
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
    });
    return repeat(outcome, () => {
      if (parts.size === 0) return this.say([T.request, 0, id, boot, command, args]);
      const have = new Uint8Array(8);
      for (const index of parts.keys()) have[index >> 3] = (have[index >> 3] ?? 0) | (0x80 >> (index & 7));
      this.say([T.more, 0, id, have]);
    });
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  #newHello(token: Uint8Array): void {
    const { publicKey, secretKey } = ml_kem768.keygen(this.#drawn.kem());
    const datagram = hello(this.pair, this.#drawn.rest(), token, publicKey);
    this.#hello = { datagram, kemSecret: secretKey, token: token !== NO_TOKEN, sent: 0 };
  }

  #sendHello(): void {
    if (this.#hello === undefined) return;
    this.#hello.sent++;
    this.send(this.#hello.datagram);
  }

  /** A reason of §11, or what was taken. */
  take(datagram: Uint8Array, fromPort: number, now: number): string {
    const refused = refusedBySight(datagram, fromPort);
    if (refused) return refused;
    const type = datagram[0];
    const receiver = datagram.subarray(1, 9);
    const live = this.#sessions.get(hex(receiver));
    if (type === TYPE.hello) return 'unknown-tag'; // it is nobody's responder
    if (type === TYPE.open) return live ? 'unknown-session' : 'bad-cookie';
    if (type === TYPE.data) return live ? this.#data(live, datagram, now) : 'unknown-session';
    if (!this.#hello || !same(receiver, answerTo(this.#hello.datagram))) return 'unknown-hello';
    return type === TYPE.retry
      ? this.#retry(this.#hello, datagram)
      : this.#challenge(this.#hello, datagram, now);
  }

  #retry(to: Hello, datagram: Uint8Array): string {
    const token = retryToken(this.pair, datagram);
    if (token === undefined) return 'bad-box';
    if (to.token && to.sent < 2) return 'retry ignored';
    this.#newHello(token);
    this.#sendHello();
    return 'retry';
  }

  #challenge(to: Hello, datagram: Uint8Array, now: number): string {
    const inner = challengeFields(this.pair, datagram);
    if (inner === undefined) return 'bad-box';
    const ck = chainKey(
      this.pair,
      to.datagram,
      inner,
      ml_kem768.decapsulate(inner.kemCiphertext, to.kemSecret),
    );
    const live = this.#newSession(inner, ck, now);
    if (live === undefined) return 'bad-key';
    this.#hello = undefined;
    const csid = hex(live.session.keys.csid);
    if (this.#sessions.has(csid)) {
      this.begin(this.#onChallenge);
      return 'challenge';
    }
    this.#sessions.set(csid, live);
    this.#candidate = live;
    this.#onChallenge((...messages) => this.#sayIn(live, messages));
    return 'challenge';
  }

  #newSession(inner: ChallengeFields, ck: Uint8Array, now: number): Live | undefined {
    const ephemeral = keyPair(this.#drawn.ephemeral());
    const keys = sessionKeys(this.pair, 'initiator', this.#own, ephemeral, inner.eS, ck, inner.sid);
    return (
      keys && {
        session: new Session('initiator', keys, now),
        boot: inner.boot,
        opening: { cookie: inner.cookie, ck, eC: ephemeral.public },
        counters: new Set(),
      }
    );
  }

  #data(live: Live, datagram: Uint8Array, now: number): string {
    const received = live.session.receive(datagram, now);
    if ('dropped' in received) return received.dropped;
    if (live.opening) this.#confirm(live, now);
    live.counters.add(counterOf(datagram) ?? 0);
    if (received.messages.some(([type]) => Number(type) >= T.ask && Number(type) <= T.stop)) {
      const { largest, runs } = ackOf(live.counters);
      this.#sayIn(live, [[T.ack, largest, 0, runs]]);
    }
    for (const message of received.messages) {
      if (message[0] === T.close) {
        this.#end(live);
        break;
      }
      if (message[0] === T.ping) this.#sayIn(live, [[T.pong, message[1]]]);
      if (message[0] === T.pathChallenge) this.#sayIn(live, [[T.pathResponse, message[1]]]);
      for (const look of [...this.#waiting]) look(message);
    }
    return received.messages.map(([type]) => type).join();
  }

  #confirm(live: Live, now: number): void {
    live.opening = undefined;
    this.#current?.session.endAt(now + REPLACED_MS);
    this.#current = live;
    this.#candidate = undefined;
    this.#onConfirmed();
  }

  #end(live: Live): void {
    this.#sessions.delete(hex(live.session.keys.csid));
    if (this.#current === live) this.#current = undefined;
  }
}

/** Sends, and sends again after each time-out, until what is waited for is there. */
async function repeat<V>(until: Promise<V>, send: () => void, atOnce = true): Promise<V> {
  if (atOnce) send();
  const timer = setInterval(send, TIME_OUT_MS);
  return until.finally(() => clearInterval(timer));
}
