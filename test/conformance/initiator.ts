/** An initiator on a socket: handshake, requests, answers in parts. PROTOCOL.md §5.4, §8, §9. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { hex, join, same } from './bytes.ts';
import { decode, type Value } from './cbor.ts';
import {
  type ChallengeFields,
  chainKey,
  challengeFields,
  hello,
  NO_TOKEN,
  sessionKeys,
  TYPE,
} from './handshake.ts';
import { hash, type KeyPair, keyPair, type PairKeys, pairKeys } from './keys.ts';
import { type Message, T } from './messages.ts';
import { counterOf, Session } from './session.ts';
import { ackOf } from './streams.ts';

const LOOPBACK = '127.0.0.1';
/** As §9.1 has it before the first sample; this peer takes none. */
const TIME_OUT_MS = 500;

export const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

export type Outcome =
  | { readonly value: Value; readonly parts: number }
  | { readonly error: string; readonly text: string };

interface Options {
  readonly own: KeyPair;
  readonly peer: Uint8Array;
  readonly psk?: Uint8Array;
  readonly port: number;
}

/** What a datagram of the other side led to; a test reads it. */
export type Event = { readonly datagram: Uint8Array; readonly result: string };

export class Initiator {
  readonly pair: PairKeys;
  readonly sent: Uint8Array[] = [];
  readonly events: Event[] = [];
  readonly #own: KeyPair;
  readonly #port: number;
  readonly #instance = random(8);
  readonly #waiting = new Set<(message: Message, socket: Socket) => void>();
  #socket: Socket | undefined;
  #hello:
    | { readonly datagram: Uint8Array; readonly kemSecret: Uint8Array; readonly token: boolean }
    | undefined;
  #session: Session | undefined;
  #challenged: (() => void) | undefined;
  #opening: { readonly cookie: Uint8Array; readonly ck: Uint8Array; readonly eC: Uint8Array } | undefined;
  #boot = new Uint8Array(6);
  #lastId = 0;
  /** Of this session's datagrams that came. */
  readonly #counters = new Set<number>();

  constructor({ own, peer, psk, port }: Options) {
    this.#own = own;
    this.#port = port;
    this.pair = pairKeys(own, peer, 'initiator', psk);
  }

  get session(): Session {
    if (this.#session === undefined) throw new Error('no session');
    return this.#session;
  }

  get boot(): Uint8Array {
    return this.#boot;
  }

  /** Another socket, so another source address; the session stays. */
  async move(): Promise<void> {
    const before = this.#socket;
    const socket = createSocket('udp4');
    socket.on('message', (datagram) => this.#receive(Uint8Array.from(datagram), socket));
    socket.bind(0, LOOPBACK);
    await once(socket, 'listening');
    this.#socket = socket;
    before?.close();
  }

  /** HELLO and CHALLENGE: then there is a session, that the other side does not know yet. */
  async handshake(): Promise<void> {
    if (this.#socket === undefined) await this.move();
    this.#newHello(NO_TOKEN);
    const challenged = new Promise<void>((done) => {
      this.#challenged = done;
    });
    await this.#repeat(challenged, () => this.send(this.#hello?.datagram ?? new Uint8Array()));
  }

  send(datagram: Uint8Array): void {
    this.sent.push(datagram);
    this.#socket?.send(datagram, this.#port, LOOPBACK);
  }

  /** In an OPEN until the session is confirmed, then in a DATA. */
  say(...messages: Message[]): void {
    this.send(
      this.#opening
        ? this.session.open(this.#opening, [[T.instance, this.#instance], ...messages])
        : this.session.data(messages),
    );
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
    await this.#repeat(
      this.next(([type, number]) => type === T.pong && number === n),
      () => this.say([T.ping, n]),
    );
  }

  async request(command: string, args: readonly Value[] = [], { boot = this.#boot } = {}): Promise<Outcome> {
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
    return this.#repeat(outcome, () => {
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

  /** Sends, and sends again after each time-out, until what is waited for is there. */
  async #repeat<V>(until: Promise<V>, send: () => void): Promise<V> {
    send();
    const timer = setInterval(send, TIME_OUT_MS);
    return until.finally(() => clearInterval(timer));
  }

  #newHello(token: Uint8Array): void {
    const { publicKey, secretKey } = ml_kem768.keygen();
    const datagram = hello(this.pair, random(15), token, publicKey);
    this.#hello = { datagram, kemSecret: secretKey, token: token !== NO_TOKEN };
  }

  #receive(datagram: Uint8Array, socket: Socket): void {
    this.events.push({ datagram, result: this.#take(datagram, socket) });
  }

  #take(datagram: Uint8Array, socket: Socket): string {
    const receiver = datagram.subarray(1, 9);
    if (datagram[0] === TYPE.challenge) {
      if (!this.#hello || !same(receiver, hash(256, this.#hello.datagram).subarray(0, 8)))
        return 'unknown-hello';
      const inner = challengeFields(this.pair, datagram);
      return inner ? this.#accept(inner) : 'bad-box';
    }
    if (datagram[0] !== TYPE.data) return 'unknown-type';
    if (!this.#session || hex(receiver) !== hex(this.#session.keys.csid)) return 'unknown-session';
    const received = this.#session.receive(datagram);
    if ('dropped' in received) return received.dropped;
    this.#opening = undefined;
    this.#counters.add(counterOf(datagram) ?? 0);
    if (received.messages.some(([type]) => Number(type) >= T.ask && Number(type) <= T.stop)) {
      const { largest, runs } = ackOf(this.#counters);
      this.say([T.ack, largest, 0, runs]);
    }
    for (const message of received.messages) {
      if (message[0] === T.pathChallenge) this.say([T.pathResponse, message[1]]);
      for (const look of [...this.#waiting]) look(message, socket);
    }
    return received.messages.map(([type]) => type).join();
  }

  #accept(inner: ChallengeFields): string {
    if (this.#hello === undefined) return 'unknown-hello';
    const kemSecret = ml_kem768.decapsulate(inner.kemCiphertext, this.#hello.kemSecret);
    const ck = chainKey(this.pair, this.#hello.datagram, inner, kemSecret);
    const ephemeral = keyPair(random(32));
    const keys = sessionKeys(this.pair, 'initiator', this.#own, ephemeral, inner.eS, ck, inner.sid);
    if (keys === undefined) return 'bad-key';
    this.#hello = undefined;
    this.#counters.clear();
    this.#session = new Session('initiator', keys);
    this.#opening = { cookie: inner.cookie, ck, eC: ephemeral.public };
    this.#boot = Uint8Array.from(inner.boot);
    this.#challenged?.();
    return 'challenge';
  }
}
