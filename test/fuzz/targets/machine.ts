/**
 * A whole endpoint, with requests, streams and paths, against a peer that it trusts and a stranger that it does not know.
 * An input is a list of what they do. What the stranger does is done to one of two endpoints alone, and both must go on
 * alike to the last byte: so nothing of his left anything behind but a counter.
 */
import { concat, idAt, toHex } from '../../../src/bytes.ts';
import { sealBehind } from '../../../src/crypto/box.ts';
import { keyPairFromSecret, SecretKey } from '../../../src/crypto/keys.ts';
import { P2pMachine } from '../../../src/p2p/p2p-machine.ts';
import type { Address, Transmit } from '../../../src/session/address.ts';
import type { EndpointEvent } from '../../../src/session/endpoint.ts';
import { helloHash } from '../../../src/session/handshake-datagrams.ts';
import type { Peer } from '../../../src/session/peer.ts';
import type { CborValue } from '../../../src/wire/cbor.ts';
import { DatagramType, handshakeHeader, MAX_BULK_DATAGRAM_BYTES } from '../../../src/wire/header.ts';
import { encodeMessage, MessageType } from '../../../src/wire/messages.ts';
import { encodeAsk } from '../../../src/wire/stream-messages.ts';
import { blob, echo, launch } from '../../support/commands.ts';
import { Prng } from '../../support/prng.ts';
import { block, check, Input, type Target } from '../target.ts';
import { messages } from './envelope.ts';

const OWN: Address = { ip: '192.168.2.3', port: 9999 };
const PEER: Address = { ip: '192.168.2.1', port: 9999 };
const ELSEWHERE: Address = { ip: '203.0.113.7', port: 4000 };
const STRANGER: Address = { ip: '198.51.100.66', port: 666 };
const keyPairOf = (byte: number) => keyPairFromSecret(SecretKey.fromBytes(new Uint8Array(32).fill(byte)));
const KEYS = { own: keyPairOf(1), peer: keyPairOf(2), third: keyPairOf(3) };
const COMMANDS = new Map([echo, launch, blob].map((command) => [command.name, command]));
const MAX_ACTIONS = 24;
const MAX_ROUNDS = 6;
const REQUEST_MS = 2_000;
/** Longer than anything of a session is remembered. */
const DAY_MS = 24 * 3_600_000;
const MAX_TIMEOUTS = 3_000;

/** What can be done, by the first byte of each action modulo their number. */
const Action = {
  /** A block of messages, in a box of the peer's session. */
  SAY: 0,
  /** A block from somebody without any key. */
  STRANGER: 1,
  /** Something genuine, in which the stranger changes a byte. */
  TAMPER: 2,
  /** Something genuine once more. */
  REPLAY: 3,
  /** Time goes by. */
  WAIT: 4,
  /** The endpoint itself asks: a request, a stream, a path. */
  ASK: 5,
  /** What both have to say is carried. */
  CARRY: 6,
  /** What both have to say is lost. */
  LOSE: 7,
  /** A handshake datagram under the right key, with anything in it. */
  FORGE: 8,
} as const;
const ACTIONS = Object.keys(Action).length;
const PING = encodeMessage({ type: MessageType.PING, number: 1 });
/** What those do who have no key. */
const FOREIGN: readonly number[] = [Action.STRANGER, Action.TAMPER];

export const machine: Target = {
  name: 'machine',
  seeds: () => {
    const say = (...said: Uint8Array[]): Uint8Array =>
      concat(...said.map((bytes) => concat(Uint8Array.of(Action.SAY, 1), block(bytes)))).slice();
    const CARRY = Uint8Array.of(Action.CARRY);
    const boot = new Scene(false).boot;
    const request = (id: number, command: string, args: CborValue[]): Uint8Array =>
      encodeMessage({ type: MessageType.REQUEST, lane: 0, id, boot, command, args });
    return [
      say(...messages().slice(0, 10)),
      say(...messages().slice(10)),
      concat(
        say(request(1, 'launch', ['x']), request(1, 'launch', ['x']), request(2, 'blob', [5000])),
        CARRY,
      ).slice(),
      concat(
        say(encodeAsk(0, ['chunk', 3000]), encodeAsk(1, ['none'])),
        CARRY,
        Uint8Array.of(Action.WAIT, 10),
        CARRY,
      ).slice(),
      concat(
        Uint8Array.of(Action.ASK, 0, Action.CARRY, Action.ASK, 1, Action.CARRY, Action.WAIT, 50),
        CARRY,
      ).slice(),
      concat(Uint8Array.of(Action.ASK, 1, Action.LOSE, Action.WAIT, 30, Action.ASK, 2), CARRY, CARRY).slice(),
      // A HELLO of nobody, and then one of the endpoint's own.
      concat(
        Uint8Array.of(Action.STRANGER, 0),
        block(new Uint8Array(1232).fill(1)),
        Uint8Array.of(Action.TAMPER, 3, 0, 30, 1, Action.ASK, 0),
        CARRY,
      ).slice(),
      // Another counter for something genuine, and then something genuine.
      concat(say(PING), Uint8Array.of(Action.WAIT, 9, Action.TAMPER, 2, 0, 20, 1), say(PING), CARRY).slice(),
      Uint8Array.of(
        Action.TAMPER,
        0,
        0,
        100,
        1,
        Action.REPLAY,
        0,
        0,
        Action.REPLAY,
        1,
        1,
        Action.WAIT,
        255,
        Action.CARRY,
      ),
      ...[0, 1, 2].map((kind) =>
        concat(Uint8Array.of(Action.ASK, 0, Action.FORGE, kind), block(new Uint8Array(40))),
      ),
    ];
  },
  words: () => [new Scene(false).boot, ...messages(), ...[5, 6, 4].map((action) => Uint8Array.of(action, 0))],
  maxBytes: 4096,
  work: { base: 3_000_000, perByte: 3_000 },
  memory: { base: 32 * 1024 * 1024, perByte: 2_000 },
  run(input) {
    const disturbed = new Scene(true);
    disturbed.play(new Input(input));
    if (disturbed.foreign > 0) {
      const quiet = new Scene(false);
      quiet.play(new Input(input));
      const [one, other] = [disturbed, quiet].map((scene) => scene.transcript);
      const at = one?.findIndex((line, i) => line !== other?.[i]) ?? 0;
      check(
        one?.join() === other?.join(),
        `a stranger changed what it did: ${one?.[at]}, and not ${other?.[at]}`,
      );
    }
    disturbed.end();
  },
};

class Scene {
  readonly boot: Uint8Array;
  /** What the endpoint sent, settled and ran. */
  readonly transcript: string[] = [];
  /** Actions of those who have no key. */
  foreign = 0;
  readonly #isDisturbed: boolean;
  readonly #own: P2pMachine;
  readonly #peer: P2pMachine;
  readonly #ofOwn: Peer;
  readonly #ofPeer: Peer;
  /** What was sent to the endpoint, and came. */
  readonly #genuine: Uint8Array[] = [];
  readonly #requests = new Set<string>();
  #lastHello: Uint8Array | null = null;
  #launches = 0;
  #open = 0;
  #now = 1_000;

  constructor(isDisturbed: boolean) {
    this.#isDisturbed = isDisturbed;
    const [ownPrng, peerPrng] = [new Prng(1), new Prng(2)];
    this.#own = new P2pMachine({
      keyPair: KEYS.own,
      random: ownPrng.bytes,
      ownAddresses: () => [OWN],
      introduces: true,
      relayBytesPerSecond: 1e6,
      command: (_peer, name) => COMMANDS.get(name),
      execute: ({ command, args }, done) => {
        if (command === launch) this.#launches++;
        this.transcript.push(`runs ${command.name} ${JSON.stringify(args)}`);
        done({ ok: true, value: command.run({ args } as never) as CborValue });
      },
      onAsk: ({ subject: [kind, size], answer, refuse }) => {
        if (kind === 'chunk') answer(new Uint8Array(Math.abs(Number(size)) % 20_000 || 0).fill(7));
        else refuse('unknown');
      },
      onEvent: (event) => this.#note(event),
    });
    this.#peer = new P2pMachine({
      keyPair: KEYS.peer,
      random: peerPrng.bytes,
      ownAddresses: () => [PEER],
      introduces: true,
      relayBytesPerSecond: 1e6,
      command: (_peer, name) => COMMANDS.get(name),
      execute: ({ command, args }, done) =>
        done({ ok: true, value: command.run({ args } as never) as CborValue }),
      onAsk: ({ answer }) => answer(new Uint8Array(3000).fill(7)),
    });
    this.boot = this.#own.endpoint.boot;
    this.#ofOwn = this.#own.endpoint.addPeer(KEYS.peer.publicKey);
    this.#own.endpoint.setAddresses(this.#ofOwn, [PEER]);
    this.#own.endpoint.addPeer(KEYS.third.publicKey);
    this.#ofPeer = this.#peer.endpoint.addPeer(KEYS.own.publicKey);
    this.#peer.endpoint.setAddresses(this.#ofPeer, [OWN]);
    this.#peer.endpoint.want(this.#ofPeer, this.#now + 1_000, this.#now);
    this.#carry();
    check(this.#own.endpoint.sessionCount === 1, 'there is no session to begin with');
  }

  play(input: Input): void {
    for (let i = 0; i < MAX_ACTIONS && !input.isEmpty; i++) {
      const action = input.below(ACTIONS);
      if (FOREIGN.includes(action)) this.#actForeign(action, input);
      else this.#act(action, input);
      this.#expectBounds();
    }
    this.#carry();
    this.transcript.push(this.#state());
  }

  /** A day without a word: nothing is left. */
  end(): void {
    const until = this.#now + DAY_MS;
    let timeouts = 0;
    for (; this.#own.nextTimeout() <= until; timeouts++) {
      check(timeouts < MAX_TIMEOUTS, 'there is no end of timeouts');
      this.#now = Math.max(this.#now, this.#own.nextTimeout());
      this.#own.timeout(this.#now);
      this.#take(this.#own);
      check(this.#own.nextTimeout() > this.#now, 'a timeout is due at once again');
    }
    check(this.#own.endpoint.sessionCount === 0, 'a session is left after a day');
    check(this.#own.nextTimeout() === Number.POSITIVE_INFINITY, 'something is waited for after a day');
    check(this.#own.waitingBytes() === 0, 'something waits after a day');
    check(this.#own.requests.streams.answerBytes === 0, 'answers are in memory after a day');
    check(this.#open === 0, `${this.#open} of what was asked had no outcome after a day`);
  }

  /** @param action of {@link FOREIGN} */
  #actForeign(action: number, input: Input): void {
    let datagram: Uint8Array;
    if (action === Action.STRANGER) {
      input.byte();
      datagram = input.block();
    } else {
      const genuine = this.#genuine[input.below(this.#genuine.length)] as Uint8Array;
      datagram = genuine.slice();
      const at = (input.byte() * 256 + input.byte()) % datagram.length;
      datagram[at] = (datagram[at] as number) ^ (input.byte() || 1);
    }
    this.foreign++;
    if (!this.#isDisturbed) return;
    const { endpoint } = this.#own;
    const before = sumOf(endpoint.drops);
    const state = this.#state();
    this.#own.receive(datagram, STRANGER, this.#now);
    check(sumOf(endpoint.drops) === before + 1, 'what a stranger sent was not dropped, or not counted once');
    check(this.#state() === state, `a stranger changed ${state} to ${this.#state()}`);
  }

  #act(action: number, input: Input): void {
    switch (action) {
      case Action.SAY:
        this.#say(input.byte(), input.block());
        break;
      case Action.REPLAY: {
        const from = [PEER, ELSEWHERE][input.below(2)] as Address;
        this.#own.receive(
          (this.#genuine[input.below(this.#genuine.length)] as Uint8Array).slice(),
          from,
          this.#now,
        );
        break;
      }
      case Action.WAIT:
        this.#wait(input.byte());
        break;
      case Action.ASK:
        this.#ask(input.below(4));
        break;
      case Action.CARRY:
        this.#carry();
        break;
      case Action.LOSE:
        for (const one of [this.#own, this.#peer]) this.#take(one);
        break;
      case Action.FORGE:
        this.#forge(input.below(3), input.block());
        break;
    }
  }

  /** @param how many messages it is said to be; with 64 in it from another address, with 128 as the responder */
  #say(how: number, messages: Uint8Array): void {
    const { endpoint } = this.#peer;
    const [session] = [...endpoint.sessionsTo(this.#ofPeer, this.#now), ...this.#ofPeer.inbound];
    const inbound = [...this.#ofPeer.inbound][0];
    const chosen = (how & 0x80) !== 0 ? (inbound ?? session) : session;
    if (chosen === undefined) return;
    endpoint.sendNow(chosen, [messages], how & 0x1f, MAX_BULK_DATAGRAM_BYTES);
    const from = (how & 0x40) !== 0 ? ELSEWHERE : PEER;
    for (const { datagram } of this.#peer.drain(this.#now)) this.#deliver(datagram, from);
  }

  #wait(byte: number): void {
    // From a millisecond to some twenty minutes.
    this.#now += 1 + Math.floor(byte ** 2.5);
    for (const one of [this.#own, this.#peer]) if (one.nextTimeout() <= this.#now) one.timeout(this.#now);
  }

  #ask(what: number): void {
    const { client, streams } = this.#own.requests;
    this.#open++;
    const settle = (outcome: unknown): void => {
      this.#open--;
      this.transcript.push(`settled ${toText(outcome)}`);
    };
    if (what === 1) {
      const spec = { subject: ['chunk', 3000], maxBytes: 4000, settle };
      streams.ask({ peer: this.#ofOwn, process: null }, spec, REQUEST_MS, this.#now);
    } else if (what === 2) {
      this.#own.finder.reach(this.#ofOwn, REQUEST_MS, (path) => settle(path?.kind), this.#now);
    } else {
      const [command, args] = what === 0 ? ['echo', ['x']] : ['blob', [5000]];
      const spec = {
        peer: this.#ofOwn,
        command: command as string,
        args: args as CborValue[],
        timeoutMs: REQUEST_MS,
        settle,
      };
      client.request(spec, this.#now);
    }
  }

  #forge(kind: number, plaintext: Uint8Array): void {
    const { outgoing, incoming } = this.#ofPeer.keys;
    const random = new Uint8Array(15).fill(9);
    if (kind === 0) {
      const header = handshakeHeader(DatagramType.HELLO, outgoing.tag, random);
      this.#own.receive(sealBehind(header, plaintext, outgoing.helloKey).slice(), PEER, this.#now);
      return;
    }
    if (this.#lastHello === null) return;
    const type = kind === 1 ? DatagramType.RETRY : DatagramType.CHALLENGE;
    const header = handshakeHeader(type, helloHash(this.#lastHello).subarray(0, 8), random);
    this.#own.receive(sealBehind(header, plaintext, incoming.challengeKey).slice(), PEER, this.#now);
  }

  #carry(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const toOwn = this.#peer.drain(this.#now);
      const toPeer: Transmit[] = [];
      for (const { datagram } of toOwn) this.#deliver(datagram, PEER);
      this.#take(this.#own, toPeer);
      for (const { datagram, to } of toPeer)
        if (to.ip === PEER.ip) this.#peer.receive(datagram.slice(), OWN, this.#now);
      if (toOwn.length + toPeer.length === 0) return;
      this.#now += 1;
    }
  }

  #deliver(datagram: Uint8Array, from: Address): void {
    const copy = datagram.slice();
    this.#genuine.push(copy);
    this.#own.receive(copy.slice(), from, this.#now);
  }

  /** What one has to say; it is lost unless somebody carries it. */
  #take(one: P2pMachine, into: Transmit[] = []): void {
    const transmits = one.drain(this.#now);
    into.push(...transmits);
    if (one !== this.#own) return;
    for (const { datagram, to } of transmits) {
      if (datagram[0] === DatagramType.HELLO) this.#lastHello = datagram.slice();
      check(to.ip !== STRANGER.ip, 'a stranger was answered');
      check(datagram.length <= MAX_BULK_DATAGRAM_BYTES, 'a datagram is too long');
      this.transcript.push(`${this.#now} ${to.ip} ${toHex(datagram.subarray(0, 40))} ${datagram.length}`);
    }
  }

  #note(event: EndpointEvent): void {
    if (event.type !== 'message' || event.session.role !== 'responder') return;
    const { message, session } = event;
    if (message.type === MessageType.REQUEST && message.command === launch.name)
      this.#requests.add(`${session.instance} ${message.lane} ${message.id}`);
  }

  #expectBounds(): void {
    const { endpoint, requests } = this.#own;
    check(this.#launches <= this.#requests.size, 'a request was executed twice');
    check(endpoint.sessionCount <= 2 * (64 + 8), 'there are too many sessions');
    check(requests.streams.answerBytes <= 16 * 1024 * 1024, 'too many bytes of answers are in memory');
    check(this.#ofOwn.trials.size <= 4 && this.#ofOwn.found.length <= 2, 'too much is known of a peer');
  }

  /** What can be seen of the endpoint but for its counters of drops. */
  #state(): string {
    const { endpoint } = this.#own;
    const peers = [...endpoint.peers].map((peer) => [
      peer.found.map(({ ip }) => ip).join('+'),
      peer.handshake?.tries,
      peer.trials.size,
      peer.current?.localId,
      peer.current?.idleSince(),
      peer.unconfirmed?.localId,
      peer.challenges,
      [...peer.inbound].map((one) => `${one.localId}/${one.idleSince()}/${one.paths.current.ip}`).join('+'),
      peer.rtt.smoothed,
    ]);
    return [endpoint.sessionCount, endpoint.waitingBytes, this.#open, this.#launches, ...peers].join(';');
  }
}

function toText(outcome: unknown): string {
  return (
    JSON.stringify(outcome, (_key, value: unknown) =>
      value instanceof Uint8Array ? idAt(value).toString() : value,
    ) ?? ''
  );
}

function sumOf(drops: Readonly<Record<string, number>>): number {
  return Object.values(drops).reduce((sum, count) => sum + count, 0);
}
