/** A responder on a socket: epochs, cookies, RETRY, paths, requests. PROTOCOL.md §5.2, §5.3, §6.3, §8, §9.2. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { hex, join, random, same } from './bytes.ts';
import { encode, type Value } from './cbor.ts';
import { type Address, Bucket, Epoch } from './epoch.ts';
import {
  chainKey,
  challenge,
  helloFields,
  openedBox1,
  retry,
  type SessionKeys,
  sessionKeys,
  TYPE,
} from './handshake.ts';
import { type KeyPair, type PairKeys, pairKeys } from './keys.ts';
import { type Message, T } from './messages.ts';
import { Paths } from './paths.ts';
import { type Received, refusedBySight, Session } from './session.ts';

const LOOPBACK = '127.0.0.1';
/** What fits into one datagram, encoded (§8). */
const ONE_MESSAGE = 1190;
const PART = 1152;
/** Sessions of a peer as initiator. */
const SESSIONS = 64;
/** New HELLOs at once, and a second: those without a token, and again those with one. */
const HANDSHAKES = { burst: 16, perSecond: 4 };

type Source = { readonly address: string; readonly port: number };
type Send = (datagram: Uint8Array) => void;

export type Commands = Readonly<Record<string, (args: readonly Value[]) => Value>>;

/** What a responder draws at random for its first epoch; given, so that the worked example comes out. */
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

interface Live {
  readonly session: Session;
  readonly instance: string;
  readonly paths: Paths;
}

export class Responder {
  /** What became of each datagram, by the reasons of §11 or "ok". */
  readonly results: string[] = [];
  /** Each datagram in and out, as somebody on the path would record it. */
  readonly recorded: Uint8Array[] = [];
  closedByPeer = false;
  readonly pair: PairKeys;
  /** Messages that came, in order. */
  readonly messages: Message[] = [];
  /** Of every session that began, for those who read what was recorded. */
  readonly sessionKeys: SessionKeys[] = [];
  readonly epochs: Epoch[] = [];
  readonly #own: KeyPair;
  readonly #commands: Commands;
  readonly #socket = createSocket('udp4');
  #timer: NodeJS.Timeout | undefined;
  readonly #drawn: Drawn;
  readonly #fresh: Bucket;
  readonly #withToken = new Bucket(HANDSHAKES.burst, HANDSHAKES.perSecond);
  readonly #sessions = new Map<string, Live>();
  /** By instance, lane and id. */
  readonly #answers = new Map<string, readonly Message[]>();

  /** `burst`: HELLOs without a token that are answered at once. */
  constructor(
    own: KeyPair,
    peer: Uint8Array,
    commands: Commands,
    psk?: Uint8Array,
    given = drawn(),
    burst = HANDSHAKES.burst,
  ) {
    this.#own = own;
    this.#commands = commands;
    this.#drawn = given;
    this.#fresh = new Bucket(burst, HANDSHAKES.perSecond);
    this.pair = pairKeys(own, peer, 'responder', psk);
  }

  async listen(): Promise<number> {
    this.#socket.on('message', (bytes, from) => {
      const datagram = Uint8Array.from(bytes);
      const send = (answer: Uint8Array): void => {
        this.recorded.push(answer);
        this.#socket.send(answer, from.port, from.address);
      };
      this.recorded.push(datagram);
      this.results.push(this.take(datagram, from, send, performance.now()));
    });
    this.#timer = setInterval(() => this.expire(performance.now()), 1_000);
    this.#socket.bind(0, LOOPBACK);
    await once(this.#socket, 'listening');
    return this.#socket.address().port;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }

  /** Epochs that are over are erased, also where nothing arrives. */
  expire(now: number): void {
    while (this.epochs[0]?.lives(now) === false) this.epochs.shift()?.erase();
  }

  /** What becomes of a datagram: "ok", or why it is dropped. `send` sends to where it came from. */
  take(datagram: Uint8Array, source: Source, send: Send, now: number): string {
    this.expire(now);
    const from: Address = `${source.address}:${source.port}`;
    const refused = refusedBySight(datagram, source.port);
    if (refused) return refused;
    const type = datagram[0];
    const receiver = hex(datagram.subarray(1, 9));
    if (type === TYPE.hello) return this.#hello(datagram, receiver, from, send, now);
    if (type !== TYPE.open && type !== TYPE.data) return 'unknown-hello';
    const live = this.#sessions.get(receiver);
    if (live) {
      const received = live.session.receive(datagram, now);
      return this.#within(live, received, datagram.length, from, send, now);
    }
    return type === TYPE.open ? this.#open(datagram, receiver, from, send, now) : 'unknown-session';
  }

  #epoch(now: number): Epoch {
    const newest = this.epochs.at(-1);
    if (newest?.issues(now)) return newest;
    const epoch = new Epoch(newest ? drawn() : this.#drawn, now);
    this.epochs.push(epoch);
    return epoch;
  }

  #hello(datagram: Uint8Array, receiver: string, from: Address, send: Send, now: number): string {
    if (receiver !== hex(this.pair.tag)) return 'unknown-tag';
    const again = this.epochs.map((epoch) => epoch.again(datagram, from)).find((one) => one);
    if (again) {
      send(again);
      return 'ok';
    }
    const inner = helloFields(this.pair, datagram);
    if (inner === undefined) return 'bad-box';
    const [token, kemPublic] = inner;
    const epoch = this.#epoch(now);
    const rest = this.#drawn.rest();
    if (!this.#fresh.take(now)) {
      const current = epoch.token(this.pair.initiator);
      if (!same(token, current)) {
        send(retry(this.pair, datagram, rest, current));
        return 'ok';
      }
      if (!this.#withToken.take(now)) return 'rate-limited';
    }
    let encapsulated: ReturnType<typeof ml_kem768.encapsulate>;
    try {
      encapsulated = ml_kem768.encapsulate(kemPublic, this.#drawn.kem);
    } catch {
      return 'bad-key';
    }
    const { boot } = this.#drawn;
    const sid = epoch.newSid();
    const half = { boot, eS: epoch.ephemeral.public, kemCiphertext: encapsulated.cipherText };
    const ck = chainKey(this.pair, datagram, half, encapsulated.sharedSecret);
    const cookie = epoch.cookie(sid, ck, from);
    const answer = challenge(this.pair, datagram, rest, { ...half, sid, cookie });
    epoch.remember(datagram, answer, sid, from);
    send(answer);
    return 'ok';
  }

  #open(datagram: Uint8Array, receiver: string, from: Address, send: Send, now: number): string {
    if (this.epochs.some(({ consumed }) => consumed.has(receiver))) return 'consumed';
    for (const epoch of this.epochs) {
      const cookie = epoch.openCookie(datagram, from);
      if (cookie) return this.#begin(epoch, cookie, datagram, receiver, from, send, now);
    }
    return 'bad-cookie';
  }

  #begin(
    epoch: Epoch,
    { ck, proves }: { readonly ck: Uint8Array; readonly proves: boolean },
    datagram: Uint8Array,
    receiver: string,
    from: Address,
    send: Send,
    now: number,
  ): string {
    const eC = openedBox1(ck, datagram);
    if (eC === undefined) return 'bad-box';
    epoch.consumed.add(receiver);
    const sid = datagram.slice(1, 9);
    const keys = sessionKeys(this.pair, 'responder', this.#own, epoch.ephemeral, eC, ck, sid);
    if (keys === undefined) return 'bad-key';
    const session = new Session('responder', keys, now);
    const received = session.receive(datagram, now);
    if ('dropped' in received) return received.dropped;
    const [first, instance] = received.messages[0] ?? [];
    if (first !== T.instance) return 'bad-envelope';
    this.sessionKeys.push(keys);
    const live: Live = { session, instance: hex(instance as Uint8Array), paths: new Paths() };
    live.paths.came(from, 0);
    if (proves) live.paths.validate(from);
    this.#makeRoom();
    this.#sessions.set(receiver, live);
    return this.#within(live, received, datagram.length, from, send, now);
  }

  #makeRoom(): void {
    if (this.#sessions.size < SESSIONS) return;
    const [idlest] = [...this.#sessions].sort(([, a], [, b]) => a.session.heardAt - b.session.heardAt);
    if (idlest) this.#sessions.delete(idlest[0]);
  }

  #within(live: Live, received: Received, bytes: number, from: Address, send: Send, now: number): string {
    if ('dropped' in received) return received.dropped;
    const { session, paths } = live;
    paths.came(from, bytes);
    const say = (message: Message): void => {
      const datagram = session.data([message]);
      if (paths.spend(from, datagram.length)) send(datagram);
    };
    const data = received.newest && paths.challenge(from, now);
    if (data) say([T.pathChallenge, data]);
    for (const message of received.messages) {
      this.messages.push(message);
      if (message[0] === T.close) {
        this.#sessions.delete(hex(session.keys.sid));
        this.closedByPeer = true;
        break;
      }
      if (message[0] === T.pathResponse) paths.validate(from, message[1] as Uint8Array);
      for (const answer of this.#answersTo(live.instance, message)) say(answer);
    }
    return 'ok';
  }

  #answersTo(instance: string, [type, ...rest]: Message): readonly Message[] {
    if (type === T.ping) return [[T.pong, rest[0]]];
    const [lane, id] = rest;
    const key = `${instance} ${lane} ${id}`;
    const known = this.#answers.get(key);
    if (type === T.more) {
      const have = rest[2] as Uint8Array;
      const lacks = ([kind, , , index]: Message): boolean =>
        kind !== T.part || !((have[Number(index) >> 3] ?? 0) & (0x80 >> (Number(index) & 7)));
      return known?.filter(lacks) ?? [[T.error, lane, id, 'answer-gone', '']];
    }
    if (type !== T.request) return [];
    const answers = known ?? this.#execute(rest);
    this.#answers.set(key, answers);
    return answers;
  }

  #execute([lane, id, boot, name, args]: readonly Value[]): Message[] {
    if (!same(boot as Uint8Array, this.#drawn.boot))
      return [[T.error, lane, id, 'outcome-unknown', 'restarted']];
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
