/** A responder on a socket: epoch, cookies, requests. PROTOCOL.md §5.2, §5.3, §8, §9.2. */
import { createSocket, type RemoteInfo } from 'node:dgram';
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

export type Commands = Readonly<Record<string, (args: readonly Value[]) => Value>>;

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
  readonly #boot = random(6);
  readonly #epochKey = random(32);
  readonly #epoch = keyPair(random(32));
  readonly #challenges = new Map<string, Uint8Array>();
  readonly #consumed = new Set<string>();
  readonly #sessions = new Map<
    string,
    { readonly session: Session; readonly answers: Map<string, Message[]> }
  >();
  #nextSid = Buffer.from(random(8)).readBigUInt64BE() / 2n;

  constructor(own: KeyPair, peer: Uint8Array, commands: Commands, psk?: Uint8Array) {
    this.#own = own;
    this.#commands = commands;
    this.pair = pairKeys(own, peer, 'responder', psk);
  }

  /** Of every session that began, for those who read what was recorded. */
  readonly sessionKeys: SessionKeys[] = [];

  async listen(): Promise<number> {
    this.#socket.on('message', (bytes, from) => {
      const datagram = Uint8Array.from(bytes);
      this.recorded.push(datagram);
      this.results.push(this.#take(datagram, from));
    });
    this.#socket.bind(0, LOOPBACK);
    await once(this.#socket, 'listening');
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }

  #send(datagram: Uint8Array, to: RemoteInfo): void {
    this.recorded.push(datagram);
    this.#socket.send(datagram, to.port, to.address);
  }

  #take(datagram: Uint8Array, from: RemoteInfo): string {
    if (datagram.length > FULL) return 'too-long';
    if (datagram.length < HEADER) return 'too-short';
    const receiver = hex(datagram.subarray(1, 9));
    if (datagram[0] === TYPE.hello) return this.#hello(datagram, receiver, from);
    if (datagram[0] === TYPE.open || datagram[0] === TYPE.data) {
      if (datagram.length < (datagram[0] === TYPE.open ? 160 : 41)) return 'bad-length';
      if (counterOf(datagram) === undefined) return 'bad-header';
      const live = this.#sessions.get(receiver);
      if (live) return this.#within(receiver, live.session.receive(datagram), from);
      return datagram[0] === TYPE.open ? this.#open(datagram, receiver, from) : 'unknown-session';
    }
    return datagram[0] === TYPE.retry || datagram[0] === TYPE.challenge ? 'unknown-hello' : 'unknown-type';
  }

  #hello(datagram: Uint8Array, receiver: string, from: RemoteInfo): string {
    if (datagram.length !== FULL) return 'bad-length';
    if (receiver !== hex(this.pair.tag)) return 'unknown-tag';
    const known = hex(hash(256, datagram));
    const again = this.#challenges.get(known);
    if (again) {
      this.#send(again, from);
      return 'ok';
    }
    const inner = helloFields(this.pair, datagram);
    if (inner === undefined) return 'bad-box';
    let encapsulated: ReturnType<typeof ml_kem768.encapsulate>;
    try {
      encapsulated = ml_kem768.encapsulate(inner[1]);
    } catch {
      return 'bad-key';
    }
    const sid = bigEndian(this.#nextSid++, 8);
    const parts = {
      boot: this.#boot,
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
      this.#epochKey,
      join(sid, new Uint8Array(16)),
      join(ck, bigEndian(0, 4), this.#address(from)),
    );
    const answer = challenge(this.pair, datagram, random(15), { ...parts, cookie: sealed });
    this.#challenges.set(known, answer);
    this.#send(answer, from);
    return 'ok';
  }

  #address({ address, port }: RemoteInfo): Uint8Array {
    return hash(256, join('address', `${address}:${port}`), this.#epochKey).slice(0, 3);
  }

  #open(datagram: Uint8Array, receiver: string, from: RemoteInfo): string {
    if (this.#consumed.has(receiver)) return 'consumed';
    const sid = datagram.slice(1, 9);
    const cookie = unbox(this.#epochKey, join(sid, new Uint8Array(16)), datagram.subarray(HEADER, 79));
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
    return this.#within(receiver, received, from);
  }

  #within(sid: string, received: ReturnType<Session['receive']>, from: RemoteInfo): string {
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
      for (const answer of answers) if (live) this.#send(live.session.data([answer]), from);
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
