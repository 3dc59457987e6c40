/** Alice and Carol, who do not know where the other one is, and Bob, who introduces and relays; honest, or the attacker's. */
import { idAt } from '../../src/bytes.ts';
import type { KeyPair } from '../../src/crypto/keys.ts';
import { INTRODUCER_COMMANDS } from '../../src/p2p/introduction.ts';
import { P2pMachine } from '../../src/p2p/p2p-machine.ts';
import { ProtocolMachine } from '../../src/protocol-machine.ts';
import {
  type Address,
  formatAddress,
  isRelayAddress,
  relayLinkOf,
  type Transmit,
} from '../../src/session/address.ts';
import type { EndpointEvent } from '../../src/session/endpoint.ts';
import type { Peer } from '../../src/session/peer.ts';
import type { InitiatorSession, ResponderSession } from '../../src/session/session.ts';
import type { Received, Tap } from '../../src/session/tap.ts';
import { DatagramType, MAX_DATAGRAM_BYTES } from '../../src/wire/header.ts';
import { encodeMessage, MessageType } from '../../src/wire/messages.ts';
import { Host, type Sent } from './host.ts';
import { HostileIntroducer } from './hostile-introducer.ts';
import { IntroductionWatch } from './introduction-watch.ts';
import { violated } from './properties.ts';
import { RelayWatch } from './relay-watch.ts';
import { type Asked, type CommandName, KEY_PAIRS, keyOf, receiverKey, VICTIM, Wire } from './wire.ts';

/** As much of a datagram as a tap shows. */
const START_BYTES = 64;
/** Of each kind, to one machine that somebody was said to be (PROTOCOL §10.4). */
const MAX_TRIES = 10;
const TRIES_MS = 10_000;
/** Of one HELLO, to one address. */
const MAX_TRIAL_TRIES = 5;
/** Where nobody in particular is, or nothing but this machine. */
export const UNUSABLE: readonly Address[] = [
  { ip: '0.0.0.0', port: 9 },
  { ip: '127.0.0.1', port: 9 },
  { ip: '169.254.1.1', port: 9 },
  { ip: '224.0.0.251', port: 5353 },
  { ip: '255.255.255.255', port: 9 },
  { ip: '192.168.2.77', port: 0 },
];

export class IntroducedWorld extends Wire {
  readonly alice: Host;
  readonly bob: Host;
  readonly carol: Host;
  /** Whom Bob trusts as well, and nobody else does. */
  readonly mallory: Host;
  readonly hosts: readonly Host[];
  /** Whether the wire leads from Alice to Carol without Bob. */
  readonly isDirect: boolean;
  /** Bob, where he is the attacker's. */
  hostile: HostileIntroducer | null;
  /** Bob said to somebody that he does not introduce. */
  isRefused = false;
  /** Links that were heard of. */
  readonly links: number[] = [];
  /** Datagrams between Alice and Carol that went into a relay. */
  readonly relayed: Sent[] = [];
  /** What Carol says of her addresses that is not so. */
  readonly #lies: readonly Address[];
  /** Whether anybody says that somebody is where nobody is. */
  readonly #isLiedTo: boolean;
  readonly #relayRate: number;
  readonly #byStart = new Map<string, Sent>();
  readonly #introductions = new IntroductionWatch(this);
  /** HELLOs of trials, by what they are and where they went. */
  readonly #trials = new Map<string, number>();
  readonly #proven = new WeakMap<Peer, Set<string>>();
  /** When something went to where nobody is, by who sent it, in which of its runs. */
  readonly #triedAt = new Map<string, number[]>();
  readonly #reached: (() => void)[] = [];
  readonly #currents = new Map<Peer, InitiatorSession | null>();
  #watch: RelayWatch;
  /** What became of what a relay brought; undefined where it was not even looked at. */
  #arrived: string | null | undefined;

  constructor(seed: number) {
    super(seed);
    const [ofAlice, ofBob, ofMallory, ofCarol] = KEY_PAIRS as [KeyPair, KeyPair, KeyPair, KeyPair];
    this.alice = new Host('alice', ofAlice, '198.18.1.1');
    this.bob = new Host('bob', ofBob, '198.18.1.2');
    this.carol = new Host('carol', ofCarol, '198.18.1.3');
    this.mallory = new Host('mallory', ofMallory, '198.18.1.9');
    this.hosts = [this.alice, this.bob, this.carol, this.mallory];
    const { prng } = this;
    this.isDirect = prng.chance(0.5);
    this.hostile = prng.chance(0.5) ? new HostileIntroducer() : null;
    this.#relayRate = prng.chance(0.5) ? 20_000 : 1_000_000;
    const ports = [1, 2, 3, 4, 5, 6].map((i) => ({ ...VICTIM, port: VICTIM.port + i }));
    this.#lies = prng.chance(0.1) ? [...ports, UNUSABLE[prng.below(UNUSABLE.length)] as Address] : [];
    this.#isLiedTo = this.hostile !== null || this.#lies.length > 0;
    this.#watch = new RelayWatch(this.#relayRate, this.now);
    for (const host of this.hosts) this.restart(host);
  }

  get isBobHonest(): boolean {
    return this.hostile === null;
  }

  /** Bob is his owner's again. */
  letGo(): void {
    if (this.hostile === null) return;
    this.hostile = null;
    this.restart(this.bob);
  }

  /** Looks for a way, and asks once there is one. */
  reachAndAsk(by: Host, of: Host, command: CommandName | 'bytes', timeoutMs: number): Asked {
    const result: Asked = { settledAt: null, ok: false };
    const peer = by.peers.get(of) as Peer;
    const ask = (): void => {
      // Where the other side alone has a session yet.
      if (peer.addresses.length === 0) result.settledAt = this.now;
      else if (command === 'bytes') this.askStream(by, of, timeoutMs);
      else this.ask(by, of, command, timeoutMs, result);
    };
    const { run } = by;
    this.acting(by, () =>
      (by.machine as P2pMachine).finder.reach(
        peer,
        timeoutMs,
        (path) => {
          if (path === null) result.settledAt = this.now;
          else if (by.run === run) this.#reached.push(ask);
        },
        this.now,
      ),
    );
    this.collect(by);
    return result;
  }

  /** Something that a host does of itself. */
  actAs(host: Host, step: () => void): void {
    this.acting(host, step);
    this.collect(host);
  }

  override collect(host: Host): void {
    super.collect(host);
    this.#introductions.check();
    for (const peer of host.peers.values()) this.#expectBetter(host, peer);
    for (const ask of this.#reached.splice(0)) ask();
  }

  /** Sends a RELAY, of whatever, in the session of its own with Bob. */
  relay(by: Host, link: number, datagram: Uint8Array, of: Host | undefined): void {
    const session = by.peers.get(this.bob)?.current;
    if (session == null || !session.isAlive(this.now)) return;
    const sent = { datagram, by, to: this.bob.home, of, at: this.now };
    this.#byStart.set(keyOf(datagram.subarray(0, START_BYTES)), sent);
    this.acting(by, () =>
      by.machine.endpoint.send(session, encodeMessage({ type: MessageType.RELAY, link, datagram })),
    );
    this.collect(by);
  }

  protected boot(host: Host): void {
    const options = { ...this.optionsOf(host), tap: this.#tapOf(host) };
    if (host === this.bob && this.hostile !== null) {
      const { hostile } = this;
      host.machine = host.requests = new ProtocolMachine({
        ...options,
        command: (peer, name) => INTRODUCER_COMMANDS.get(name) ?? options.command(peer, name),
        execute: (call, done) => {
          if (INTRODUCER_COMMANDS.has(call.command.name))
            hostile.asked(this.hostOf(call.peer.publicKey), call.command.name, call.args, done);
          else options.execute(call, done);
        },
        onEvent: (event) => this.#onHostileEvent(event),
      });
    } else {
      const machine = new P2pMachine({
        ...options,
        ownAddresses: () => (host === this.carol && this.#lies.length > 0 ? this.#lies : [host.home]),
        introduces: host === this.bob,
        relayBytesPerSecond: this.#relayRate,
      });
      host.machine = machine;
      host.requests = machine.requests;
    }
    if (host === this.bob) this.#watch = new RelayWatch(this.#relayRate, this.now);
    else this.trust(host, this.bob, [this.bob.home]);
    if (host !== this.carol) this.trust(host, this.carol, []);
    if (host !== this.alice) this.trust(host, this.alice, []);
    if (host === this.bob) this.trust(host, this.mallory, []);
    this.#introductions.follow(host);
    if (host === this.alice || host === this.carol) (host.machine as P2pMachine).reachable.start(this.now);
  }

  protected override carries({ by, of }: Sent): boolean {
    return this.isDirect || by === this.bob || of === this.bob;
  }

  protected override isSeen(by: Host, transmit: Transmit): boolean {
    const { datagram, to, contents } = transmit;
    if (by === this.bob && this.hostile === null) this.#expectForwarded(transmit);
    this.#expectTrial(by, transmit);
    if (UNUSABLE.some(({ ip }) => ip === to.ip))
      violated('no amplification', `${by.name} sent something to ${to.ip}, port ${to.port}`);
    const type = datagram[0];
    if (to.ip !== VICTIM.ip || (type !== DatagramType.HELLO && type !== DatagramType.OPEN))
      return super.isSeen(by, transmit);
    if (!this.#isLiedTo)
      violated(
        'no amplification',
        `${by.name} looks for ${contents?.peer.index} where nobody said anything of`,
      );
    const key = `${by.name} ${by.run} ${type}`;
    const recent = (this.#triedAt.get(key) ?? []).filter((at) => this.now - at < TRIES_MS);
    recent.push(this.now);
    this.#triedAt.set(key, recent);
    if (recent.length > MAX_TRIES)
      violated('no amplification', `${recent.length} datagrams of type ${type} within 10 s to who was named`);
    return false;
  }

  protected override receive(to: Host, datagram: Uint8Array, from: Address): string | null {
    const link = relayLinkOf(from)?.link;
    if (link === undefined) return super.receive(to, datagram, from);
    const peer = to.peers.get(this.bob) as Peer;
    const inbound = [...(this.bob.peers.get(to)?.inbound ?? [])];
    // One that is confirmed: what confirms a session changes more than the session.
    const session = inbound.find((one) => remoteIdOf(one) === peer.current?.localId);
    if (session === undefined) return 'unknown-session';
    if (datagram.length > MAX_DATAGRAM_BYTES) return 'too-long';
    this.collect(this.bob);
    this.#arrived = undefined;
    const message = encodeMessage({ type: MessageType.RELAY, link, datagram });
    const around = this.acting(this.bob, () => {
      this.bob.machine.endpoint.send(session, message);
      return this.bob.machine.drain(this.now);
    });
    for (const { datagram } of around) super.receive(to, datagram, this.bob.home);
    return this.#arrived === undefined ? 'unknown-session' : this.#arrived;
  }

  /** The session around what was relayed: its counters go on. */
  protected override leftOut(host: Host, from: Address): ((value: object) => boolean) | null {
    if (!isRelayAddress(from)) return null;
    const peer = host.peers.get(this.bob);
    return (value) => 'localId' in value && 'peer' in value && value.peer === peer;
  }

  #tapOf(host: Host): Tap {
    return {
      isOpen: true,
      sent: (transmit) => this.#onRelaying(host, transmit),
      received: (received) => this.#onReceived(host, received),
    };
  }

  /** It goes into a session with a relay. */
  #onRelaying(host: Host, transmit: Transmit): void {
    this.noteHandshake(host, transmit.datagram);
    const sent = this.sentBy(host, transmit);
    this.#byStart.set(keyOf(sent.datagram.subarray(0, START_BYTES)), sent);
    this.relayed.push(sent);
    this.#expectTrial(host, transmit);
    const text = keyOf(sent.datagram);
    if ([this.alice, this.carol].some(({ name }) => text.includes(`${name} `)))
      violated('secret to the relay', `${host.name} had something relayed that is not sealed`);
  }

  #onReceived(host: Host, { start, from, contents, dropped }: Received): void {
    if (host === this.bob) {
      for (const { name, fields } of contents?.messages ?? [])
        if (name === 'RELAY') this.#watch.asked(Number(fields['link']), this.now);
      return;
    }
    const link = relayLinkOf(from)?.link;
    if (link === undefined) return;
    const sent = this.#byStart.get(keyOf(start));
    if (this.hostile === null && (sent === undefined || sent.of !== host))
      violated('relayed for two', `${host.name} got by a relay what ${sent?.by.name ?? 'nobody'} sent`);
    this.#arrived = dropped;
    if (dropped !== null || sent === undefined) return;
    if (sent.datagram[0] !== DatagramType.RETRY) host.taken.add(keyOf(sent.datagram));
    if (sent.datagram[0] === DatagramType.OPEN) host.opened.add(receiverKey(sent.datagram));
  }

  #onHostileEvent(event: EndpointEvent): void {
    if (event.type !== 'message' || event.message.type !== MessageType.RELAY) return;
    const { link, datagram } = event.message;
    const sent = this.known.get(keyOf(datagram));
    if (sent === undefined) return;
    this.sent.push(sent);
    this.hostile?.relayed.push({ sent, link });
  }

  /** What goes to where a peer is only said to be. */
  #expectTrial(by: Host, { datagram, to, contents }: Transmit): void {
    if (contents !== undefined && this.#isProven(contents.peer, to)) return;
    if (datagram[0] === DatagramType.HELLO) {
      const key = keyOf(datagram) + formatAddress(to);
      const tries = (this.#trials.get(key) ?? 0) + 1;
      this.#trials.set(key, tries);
      if (tries > MAX_TRIAL_TRIES)
        violated(
          'no amplification',
          `${by.name} sent a HELLO ${tries} times to where somebody is said to be`,
        );
    }
    if (datagram[0] !== DatagramType.OPEN) return;
    const said = contents?.messages.find(({ name }) => name !== 'INSTANCE' && name !== 'PING')?.name;
    if (said !== undefined)
      violated('trials say nothing', `${by.name} sent a ${said} to where somebody was only said to be`);
  }

  /** Whether the peer was found there; of many places the last are remembered, but a handshake that began goes on. */
  #isProven(peer: Peer, to: Address): boolean {
    let proven = this.#proven.get(peer);
    if (proven === undefined) this.#proven.set(peer, (proven = new Set()));
    for (const address of peer.addresses) proven.add(formatAddress(address));
    return proven.has(formatAddress(to));
  }

  #expectForwarded({ contents }: Transmit): void {
    for (const { name, fields } of contents?.messages ?? [])
      if (name === 'RELAY')
        this.#watch.forwarded(Number(fields['link']), Number(fields['datagram']), this.now);
  }

  #expectBetter(host: Host, peer: Peer): void {
    const before = this.#currents.get(peer) ?? null;
    const { current } = peer;
    if (current === before) return;
    this.#currents.set(peer, current);
    if (current?.address.ip === VICTIM.ip)
      violated('no amplification', `${host.name} has a session with somebody where nobody is`);
    if (before === null || current === null || !before.isDirect || current.isDirect) return;
    if (current.begunAt < before.createdAt)
      violated('the better path stays', `${host.name} went back to a relay`);
  }
}

/** What it is called at the other end. */
function remoteIdOf(session: ResponderSession): bigint {
  return idAt((session as unknown as { readonly remoteId: Uint8Array }).remoteId);
}
