/** A responder on a socket: epoch, cookies, requests. PROTOCOL.md §5.2, §5.3, §8, §9.2. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { bigEndian, fields, hex, join } from './bytes.ts';
import { encode, type Value } from './cbor.ts';
import {
  chainKey,
  challenge,
  FULL,
  HEADER,
  helloFields,
  openedBox1,
  type SessionKeys,
  sessionKeys,
  TYPE,
} from './handshake.ts';
import { random } from './initiator.ts';
import { box, hash, type KeyPair, keyPair, type PairKeys, pairKeys, unbox } from './keys.ts';
import { type Message, T } from './messages.ts';
import { counterOf, Session } from './session.ts';

const LOOPBACK = '127.0.0.1';
/** What fits into one datagram, encoded (§8). */
const ONE_MESSAGE = 1190;
const PART = 1152;
/** A DATA of streams may be that long (§8.6). */
const LARGEST = 16_384;

type Source = { readonly address: string; readonly port: number };
type Send = (datagram: Uint8Array) => void;

export type Commands = Readonly<Record<string, (args: readonly Value[]) => Value>>;

/** What a responder draws at random; given, so that the worked example comes out. */
export interface Drawn {
  readonly boot: Uint8Array;
  readonly epochKey: Uint8Array;
  readonly epochSecret: Uint8Array;
  readonly firstSid: Uint8Array;
  readonly kem?: Uint8Array;
  readonly rest: () => Uint8Array;
}

const drawn = (): Drawn => ({
  boot: random(6),
  epochKey: random(32),
  epochSecret: random(32),
  firstSid: join([0], random(7)), // room to count up
  rest: () => random(15),
});

export class Responder {
  /** What became of each datagram, by the reasons of §11 or "ok". */
  readonly results: string[] = [];
  /** Each datagram in and out, as somebody on the path would record it. */
  readonly recorded: Uint8Array[] = [];
  closedByPeer = false;
  readonly pair: PairKeys;
  /** Messages that came, in order. */
  readonly messages: Message[] = [];
  readonly #own: KeyPair;
  readonly #commands: Commands;
  readonly #socket = createSocket('udp4');
  readonly #drawn: Drawn;
  readonly #epoch: KeyPair;
  readonly #challenges = new Map<string, Uint8Array>();
  readonly #consumed = new Set<string>();
  readonly #sessions = new Map<
    string,
    { readonly session: Session; readonly answers: Map<string, Message[]> }
  >();
  #nextSid: bigint;

  constructor(own: KeyPair, peer: Uint8Array, commands: Commands, psk?: Uint8Array, given = drawn()) {
    this.#own = own;
    this.#commands = commands;
    this.#drawn = given;
    this.#epoch = keyPair(given.epochSecret);
    this.#nextSid = BigInt(`0x${hex(given.firstSid)}`);
    this.pair = pairKeys(own, peer, 'responder', psk);
  }

  /** Of every session that began, for those who read what was recorded. */
  readonly sessionKeys: SessionKeys[] = [];

  async listen(): Promise<number> {
    this.#socket.on('message', (bytes, from) => {
      const datagram = Uint8Array.from(bytes);
      this.recorded.push(datagram);
      this.results.push(
        this.take(datagram, from, (answer) => {
          this.recorded.push(answer);
          this.#socket.send(answer, from.port, from.address);
        }),
      );
    });
    this.#socket.bind(0, LOOPBACK);
    await once(this.#socket, 'listening');
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }

  /** What becomes of a datagram: "ok", or why it is dropped. */
  take(datagram: Uint8Array, from: Source, send: Send): string {
    const [type = 0] = datagram;
    if (datagram.length < 41) return 'too-short';
    if (datagram.length > (type === TYPE.data ? LARGEST : FULL)) return 'too-long';
    const receiver = hex(datagram.subarray(1, 9));
    if (type === TYPE.hello) return this.#hello(datagram, receiver, from, send);
    if (type === TYPE.open || type === TYPE.data) {
      if (type === TYPE.open && datagram.length < 160) return 'bad-length';
      if (counterOf(datagram) === undefined) return 'bad-header';
      const live = this.#sessions.get(receiver);
      if (live) return this.#within(receiver, live.session.receive(datagram), send);
      return type === TYPE.open ? this.#open(datagram, receiver, send) : 'unknown-session';
    }
    if (type !== TYPE.retry && type !== TYPE.challenge) return 'unknown-type';
    return datagram.length === (type === TYPE.retry ? 46 : FULL) ? 'unknown-hello' : 'bad-length';
  }

  #hello(datagram: Uint8Array, receiver: string, from: Source, send: Send): string {
    if (datagram.length !== FULL) return 'bad-length';
    if (receiver !== hex(this.pair.tag)) return 'unknown-tag';
    const known = hex(hash(256, datagram));
    const again = this.#challenges.get(known);
    if (again) {
      send(again);
      return 'ok';
    }
    const inner = helloFields(this.pair, datagram);
    if (inner === undefined) return 'bad-box';
    let encapsulated: ReturnType<typeof ml_kem768.encapsulate>;
    try {
      encapsulated = ml_kem768.encapsulate(inner[1], this.#drawn.kem);
    } catch {
      return 'bad-key';
    }
    const sid = bigEndian(this.#nextSid++, 8);
    const parts = {
      boot: this.#drawn.boot,
      eS: this.#epoch.public,
      kemCiphertext: encapsulated.cipherText,
      sid,
    };
    const ck = chainKey(
      this.pair,
      datagram,
      { ...parts, cookie: new Uint8Array() },
      encapsulated.sharedSecret,
    );
    const sealed = box(
      this.#drawn.epochKey,
      join(sid, new Uint8Array(16)),
      join(ck, bigEndian(0, 4), this.#address(from)),
    );
    const answer = challenge(this.pair, datagram, this.#drawn.rest(), { ...parts, cookie: sealed });
    this.#challenges.set(known, answer);
    send(answer);
    return 'ok';
  }

  #address({ address, port }: Source): Uint8Array {
    return hash(256, join('address', `${address}:${port}`), this.#drawn.epochKey).slice(0, 3);
  }

  #open(datagram: Uint8Array, receiver: string, send: Send): string {
    if (this.#consumed.has(receiver)) return 'consumed';
    const sid = datagram.slice(1, 9);
    const cookie = unbox(this.#drawn.epochKey, join(sid, new Uint8Array(16)), datagram.subarray(HEADER, 79));
    const cut = cookie && fields(cookie, 32, 4, 3);
    if (!cut) return 'bad-cookie';
    const [ck] = cut;
    const eC = openedBox1(ck, datagram);
    if (eC === undefined) return 'bad-box';
    this.#consumed.add(receiver);
    const keys = sessionKeys(this.pair, 'responder', this.#own, this.#epoch, eC, ck, sid);
    if (keys === undefined) return 'bad-key';
    const session = new Session('responder', keys);
    const received = session.receive(datagram);
    if ('dropped' in received) return received.dropped;
    if (received.messages[0]?.[0] !== T.instance) return 'bad-envelope';
    this.sessionKeys.push(keys);
    this.#sessions.set(receiver, { session, answers: new Map() });
    return this.#within(receiver, received, send);
  }

  #within(sid: string, received: ReturnType<Session['receive']>, send: Send): string {
    if ('dropped' in received) return received.dropped;
    const live = this.#sessions.get(sid);
    for (const message of received.messages) {
      this.messages.push(message);
      if (message[0] === T.close) {
        this.#sessions.delete(sid);
        this.closedByPeer = true;
        break;
      }
      const answers = live ? this.#answers(live.answers, message) : [];
      for (const answer of answers) if (live) send(live.session.data([answer]));
    }
    return 'ok';
  }

  #answers(done: Map<string, Message[]>, [type, ...rest]: Message): readonly Message[] {
    if (type === T.ping) return [[T.pong, rest[0]]];
    const key = `${rest[0]} ${rest[1]}`;
    if (type === T.more) {
      const have = rest[2] as Uint8Array;
      const lacks = ([kind, , , index]: Message): boolean =>
        kind !== T.part || !((have[Number(index) >> 3] ?? 0) & (0x80 >> (Number(index) & 7)));
      return done.get(key)?.filter(lacks) ?? [[T.error, rest[0], rest[1], 'answer-gone', '']];
    }
    if (type !== T.request) return [];
    const answers = done.get(key) ?? this.#execute(rest);
    done.set(key, answers);
    return answers;
  }

  #execute([lane, id, , name, args]: readonly Value[]): Message[] {
    const run = this.#commands[String(name)];
    if (!run) return [[T.error, lane, id, 'unknown-command', `there is no ${name}`]];
    const value = run(args as readonly Value[]);
    if (encode([T.response, lane, id, value]).length <= ONE_MESSAGE) return [[T.response, lane, id, value]];
    const whole = encode(value);
    const count = Math.ceil(whole.length / PART);
    return Array.from({ length: count }, (_, i) => [
      T.part,
      lane,
      id,
      i,
      count,
      whole.slice(i * PART, (i + 1) * PART),
    ]);
  }
}
