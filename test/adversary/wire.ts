/** Machines and the wire between them, which is the attacker's: nothing arrives that he does not let through. */
import { type KeyPair, keyPairFromSecret, type PublicKey, SecretKey } from '../../src/crypto/keys.ts';
import type { ProtocolMachineOptions } from '../../src/protocol-machine.ts';
import { defineCommand } from '../../src/rpc/command.ts';
import type { CommandResult } from '../../src/rpc/request-server.ts';
import { type Address, isRelayAddress, sameAddress, type Transmit } from '../../src/session/address.ts';
import { helloHash } from '../../src/session/handshake-datagrams.ts';
import type { Peer } from '../../src/session/peer.ts';
import type { StreamResult } from '../../src/streams/asked-stream.ts';
import { DatagramType } from '../../src/wire/header.ts';
import { Prng } from '../support/prng.ts';
import type { Host, Machine, Sent } from './host.ts';
import { ledger } from './ledger/ledger.ts';
import { digest } from './memory.ts';
import { Requests, violated } from './properties.ts';

/** Nobody is there, and what is sent there the attacker does not see. */
export const VICTIM: Address = { ip: '203.0.113.66', port: 6666 };
/** The attacker's own. */
export const ELSEWHERE: readonly Address[] = [
  { ip: '198.51.100.1', port: 1111 },
  { ip: '198.51.100.2', port: 2222 },
];

const what = { name: 'what', type: 'text', summary: 'What' } as const;
const COMMANDS = new Map(
  [
    defineCommand({ name: 'launch', summary: 'Once', args: [what], idempotent: false, run: () => null }),
    defineCommand({ name: 'echo', summary: 'Harmless', args: [what], idempotent: true, run: () => null }),
    defineCommand({ name: 'large', summary: 'Parts', args: [what], idempotent: true, run: () => null }),
  ].map((command) => [command.name, command]),
);
export type CommandName = 'launch' | 'echo' | 'large';
/** An answer of `large`: four parts. */
const LARGE_REPEATS = 200;
/** And of a stream. */
const STREAM_REPEATS = 150;
/** One way, when the attacker has let go. */
const CALM_DELAY_MS = 20;
/** Between two steps of somebody who goes on. */
const DISTURBANCE_MS = 25;
/** No token is good for longer. */
const EPOCH_LIFE_MS = 120_000;
/** Two buckets of 16, and 4 a second in each (PROTOCOL §5.3). */
const METERED_AT_ONCE = 32;
const METERED_A_SECOND = 8;
/** Why something authentic that is new may not be taken: it comes too late. */
const TOO_LATE: ReadonlySet<string | null> = new Set([
  null,
  'unknown-hello',
  'unknown-session',
  'bad-cookie',
  'expired',
  'rate-limited',
]);
/** Errors that promise nothing. */
const UNKNOWN: ReadonlySet<string> = new Set(['no-answer', 'outcome-unknown', 'closed']);
/** Of the same keys in every schedule: what is random about them is nothing to the attacker. */
export const KEY_PAIRS: readonly KeyPair[] = [1, 2, 3, 4].map((seed) =>
  keyPairFromSecret(SecretKey.generate(new Prng(seed).bytes)),
);

/** What became of a request. */
export interface Asked {
  settledAt: number | null;
  ok: boolean;
}

export abstract class Wire {
  now = 1_000;
  readonly prng: Prng;
  readonly requests = new Requests();
  readonly sent: Sent[] = [];
  /** What has not arrived yet, nor been dropped. */
  readonly underway: Sent[] = [];
  /** Commands that run. */
  readonly running: (() => void)[] = [];
  abstract readonly hosts: readonly Host[];
  /** By its bytes. */
  protected readonly known: Map<string, Sent> = new Map();
  /** Whose HELLO it is that has this hash. */
  readonly #hellos = new Map<string, Host>();
  #toVictim = 0;
  #fromVictim = 0;
  #jobs = 0;
  #answers = 0;

  constructor(seed: number) {
    ledger.reset();
    this.prng = new Prng(seed);
  }

  /** Gives a host a machine, and says whom it trusts. */
  protected abstract boot(host: Host): void;

  /** Everything in memory is lost; the keys are on disk. */
  restart(host: Host): void {
    ledger.ended(host);
    host.run++;
    host.startedAt = this.now;
    for (const memory of [host.taken, host.opened, host.challenges, host.peers]) memory.clear();
    this.boot(host);
  }

  /** What machines of every kind are made with. */
  protected optionsOf(host: Host): ProtocolMachineOptions {
    return {
      keyPair: host.keyPair,
      random: this.prng.bytes,
      command: (_peer, name) => COMMANDS.get(name),
      execute: ({ peer, command, args }, done) => {
        const job = String(args['what']);
        this.requests.executed(job, this.hostOf(peer.publicKey).name, host.name, host.run);
        this.#execute(host, host.machine, command.name as CommandName, job, done);
      },
      onAsk: ({ peer, subject: [, job], answer }) => {
        this.requests.executed(String(job), this.hostOf(peer.publicKey).name, host.name, host.run);
        answer(Buffer.from(this.#newAnswer(host, String(job), STREAM_REPEATS)));
      },
      onDrop: (reason, from) => {
        if (!isRelayAddress(from)) host.dropped = reason;
      },
    };
  }

  protected trust(host: Host, other: Host, addresses: readonly Address[]): void {
    const { endpoint } = host.machine;
    const peer = endpoint.addPeer(other.keyPair.publicKey);
    endpoint.setAddresses(peer, addresses);
    host.peers.set(other, peer);
  }

  protected hostOf(publicKey: PublicKey): Host {
    return this.hosts.find(({ keyPair }) => keyPair.publicKey.equals(publicKey)) as Host;
  }

  /** It says goodbye, and starts again. */
  close(host: Host): void {
    const goodbyes = this.acting(host, () => host.machine.close(this.now));
    this.#put(host, goodbyes);
    this.restart(host);
  }

  /** A request of another job than any before. */
  ask(
    by: Host,
    of: Host,
    command: CommandName,
    timeoutMs: number,
    result: Asked = { settledAt: null, ok: false },
  ): Asked {
    const job = `${by.name} ${++this.#jobs}`;
    this.requests.asked(job, by.name, of.name, command === 'launch');
    this.acting(by, () =>
      by.requests.client.request(
        {
          peer: by.peers.get(of) as Peer,
          command,
          args: [job],
          timeoutMs,
          settle: (outcome) => {
            if (result.settledAt !== null) violated('true answers', `"${job}" was settled twice`);
            result.settledAt = this.now;
            result.ok = outcome.ok;
            if (outcome.ok) this.requests.taken(job, outcome.value);
            else if (!UNKNOWN.has(outcome.error.code))
              violated('true answers', `"${job}" failed with ${outcome.error.code}`);
          },
        },
        this.now,
      ),
    );
    this.collect(by);
    return result;
  }

  /** Asks for bytes, as of a file. */
  askStream(by: Host, of: Host, patienceMs: number): void {
    const job = `${by.name} ${++this.#jobs}`;
    this.requests.asked(job, by.name, of.name, true);
    const target = { peer: by.peers.get(of) as Peer, process: null };
    const settle = (result: StreamResult): void => {
      if (result.ok) this.requests.taken(job, Buffer.from(result.bytes).toString());
      else if (result.reason === 'invalid') violated('true answers', `the bytes of "${job}" made no sense`);
    };
    this.acting(by, () =>
      by.requests.streams.ask(
        target,
        { subject: ['bytes', job], maxBytes: 10_000, settle },
        patienceMs,
        this.now,
      ),
    );
    this.collect(by);
  }

  /** Something of a host's that the attacker lets arrive: once, again, elsewhere, at somebody else's, from wherever he likes. */
  deliver(sent: Sent, to: Host, from: Address): void {
    const { datagram } = sent;
    const key = keyOf(datagram);
    const isNews = !to.taken.has(key);
    const recipient = this.recipientOf(sent);
    const mustNotMatter =
      sent.by === to ||
      (recipient !== undefined && recipient !== to) ||
      (!isNews && datagram[0] !== DatagramType.HELLO);
    const before = mustNotMatter ? this.stateOf(to, from) : 0;
    const bytes = from.ip === VICTIM.ip ? datagram.length : 0;
    this.#fromVictim += bytes;
    const reason = this.receive(to, datagram, from);
    if (reason !== null) this.#fromVictim -= bytes;
    if (mustNotMatter) {
      if (reason === null)
        violated('undisturbed', `${to.name} took ${describe(sent)}${isNews ? '' : ' again'}`);
      this.#expectSame(to, before, describe(sent), from);
      return;
    }
    if (reason === 'rate-limited' && this.now - sent.at > EPOCH_LIFE_MS)
      violated('metered', `${describe(sent)}, and so has no current token, drew on the second bucket`);
    if (isNews) this.#expectTaken(to, datagram, reason, describe(sent));
    // What was too much once may come again at once, and is no news then.
    if (reason === 'rate-limited') to.taken.add(key);
    if (reason !== null) return;
    if (datagram[0] !== DatagramType.RETRY) to.taken.add(key);
    if (datagram[0] === DatagramType.OPEN) to.opened.add(receiverKey(datagram));
    this.collect(to);
  }

  /** Something that the attacker made without a key. */
  forge(datagram: Uint8Array, to: Host, from: Address): void {
    const known = this.known.get(keyOf(datagram));
    if (known !== undefined) {
      this.deliver(known, to, known.by.address);
      return;
    }
    const before = this.stateOf(to, from);
    if (this.receive(to, datagram, from) === null)
      violated('undisturbed', `${to.name} took a datagram of type ${datagram[0]} that nobody made`);
    this.#expectSame(to, before, `a datagram of type ${datagram[0]} that nobody made`, from);
  }

  /** Lets so much time go by; nothing arrives. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const next = this.#nextTimeout();
      if (next > until) break;
      this.#timeout(next);
    }
    this.now = until;
  }

  /**
   * Lets everything through that is sent from now on, for so long.
   * @param isOver whether that is enough already
   * @param meanwhile what the attacker does all the same, every 25 ms
   */
  calm(ms: number, isOver: () => boolean = () => false, meanwhile: (() => void) | null = null): void {
    const until = this.now + ms;
    this.underway.length = 0;
    let nextDisturbance = meanwhile === null ? Number.POSITIVE_INFINITY : this.now;
    const arriving: { at: number; sent: Sent }[] = [];
    for (const host of this.hosts) host.address = host.home;
    while (!isOver()) {
      for (const run of this.running.splice(0)) run();
      for (const sent of this.underway.splice(0)) arriving.push({ at: this.now + CALM_DELAY_MS, sent });
      const next = Math.min(
        arriving[0]?.at ?? Number.POSITIVE_INFINITY,
        nextDisturbance,
        this.#nextTimeout(),
      );
      if (next > until) {
        this.now = until;
        break;
      }
      this.#timeout(next);
      if (nextDisturbance <= this.now) {
        meanwhile?.();
        nextDisturbance += DISTURBANCE_MS;
      }
      while (arriving[0] !== undefined && arriving[0].at <= this.now) {
        const { sent } = arriving.shift() as { sent: Sent };
        const to = this.#hostAt(sent);
        if (to !== undefined) this.deliver(sent, to, sent.by.address);
      }
    }
  }

  /** For whom it is; undefined where that shows only when it is opened, since it went to an address of the attacker's. */
  recipientOf(sent: Sent): Host | undefined {
    return sent.of ?? this.#hostAt(sent);
  }

  /** Puts on the wire what a host has to send. */
  collect(host: Host): void {
    this.#put(
      host,
      this.acting(host, () => host.machine.drain(this.now)),
    );
    for (const peer of host.peers.values()) {
      for (const { paths } of peer.inbound) {
        if (paths.currentValidated && paths.current.ip === VICTIM.ip)
          violated('no amplification', 'a session went to an address where nobody was');
      }
    }
  }

  #put(host: Host, transmits: readonly Transmit[]): void {
    for (const transmit of transmits) {
      this.noteHandshake(host, transmit.datagram);
      if (!this.isSeen(host, transmit)) continue;
      const sent = this.sentBy(host, transmit);
      this.sent.push(sent);
      if (this.carries(sent)) this.underway.push(sent);
    }
  }

  protected sentBy(host: Host, { datagram, to, contents }: Transmit): Sent {
    const of = contents && this.hostOf(contents.peer.publicKey);
    const sent = { datagram: datagram.slice(), by: host, to, of, at: this.now };
    this.known.set(keyOf(datagram), sent);
    return sent;
  }

  protected noteHandshake(host: Host, datagram: Uint8Array): void {
    if (datagram[0] === DatagramType.HELLO) this.#hellos.set(keyOf(helloHash(datagram).subarray(0, 8)), host);
    if (datagram[0] === DatagramType.CHALLENGE) this.#expectMetered(host, datagram);
  }

  /** Whether the attacker sees it. */
  protected isSeen(_by: Host, { datagram, to }: Transmit): boolean {
    if (to.ip !== VICTIM.ip) return true;
    this.#toVictim += datagram.length;
    if (this.#toVictim > 3 * this.#fromVictim)
      violated('no amplification', `${this.#toVictim} bytes for ${this.#fromVictim} from there`);
    return false;
  }

  /** Whether the wire leads there at all. */
  protected carries(_sent: Sent): boolean {
    return true;
  }

  #hostAt({ by, to }: Sent): Host | undefined {
    return this.hosts.find((host) => host !== by && sameAddress(host.home, to));
  }

  #execute(
    host: Host,
    machine: Machine,
    command: CommandName,
    job: string,
    done: (result: CommandResult) => void,
  ): void {
    const finish = (): void => {
      if (host.machine !== machine) return; // it died with its process
      const value = this.#newAnswer(host, job, command === 'large' ? LARGE_REPEATS : 1);
      this.acting(host, () => done({ ok: true, value }));
      this.collect(host);
    };
    if (this.prng.chance(0.7)) finish();
    else this.running.push(finish);
  }

  /** Another one than any before. */
  #newAnswer(host: Host, job: string, repeats: number): string {
    const value = `${host.name} run ${host.run} answer ${++this.#answers};`.repeat(repeats);
    this.requests.given(job, value);
    return value;
  }

  protected receive(to: Host, datagram: Uint8Array, from: Address): string | null {
    to.dropped = null;
    this.acting(to, () => to.machine.receive(datagram.slice(), from, this.now));
    return to.dropped;
  }

  /** So that nothing is left that time alone would change. */
  protected stateOf(host: Host, from: Address): number {
    if (host.machine.nextTimeout() <= this.now) this.acting(host, () => host.machine.timeout(this.now));
    this.collect(host);
    return digest(host.machine, this.leftOut(host, from));
  }

  /** What of a host's may change, whatever it is that comes from there. */
  protected leftOut(_host: Host, _from: Address): ((value: object) => boolean) | null {
    return null;
  }

  #expectSame(host: Host, before: number, what: string, from: Address): void {
    if (digest(host.machine, this.leftOut(host, from)) !== before)
      violated('undisturbed', `${what} changed the state of ${host.name}`);
  }

  #expectTaken(to: Host, datagram: Uint8Array, reason: string | null, what: string): void {
    const isOpened = datagram[0] === DatagramType.OPEN && to.opened.has(receiverKey(datagram));
    if (TOO_LATE.has(reason) || (reason === 'consumed' && isOpened)) return;
    violated('the first is taken', `${to.name} dropped ${what}: ${reason}`);
  }

  #expectMetered(host: Host, datagram: Uint8Array): void {
    const asking = this.#hellos.get(receiverKey(datagram));
    if (asking === undefined) return; // a thief, who has the keys to say HELLO
    const made = host.challenges.get(asking) ?? new Set();
    host.challenges.set(asking, made.add(keyOf(datagram)));
    const seconds = (this.now - host.startedAt) / 1_000;
    if (made.size > METERED_AT_ONCE + METERED_A_SECOND * seconds)
      violated('metered', `${host.name} made ${made.size} CHALLENGEs for ${asking.name} in ${seconds} s`);
  }

  #nextTimeout(): number {
    return Math.min(...this.hosts.map(({ machine }) => machine.nextTimeout()));
  }

  #timeout(at: number): void {
    this.now = Math.max(this.now, at);
    for (const host of this.hosts) {
      if (host.machine.nextTimeout() > this.now) continue;
      this.acting(host, () => host.machine.timeout(this.now));
      this.collect(host);
    }
  }

  protected acting<T>(host: Host, step: () => T): T {
    const before = ledger.acting;
    ledger.acting = host;
    try {
      return step();
    } finally {
      ledger.acting = before;
    }
  }
}

function describe({ datagram, by, to, at }: Sent): string {
  return `a datagram of type ${datagram[0]} with ${datagram.length} bytes that ${by.name} sent to ${to.ip} at ${at}`;
}

export function keyOf(datagram: Uint8Array): string {
  return Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length).toString('latin1');
}

/** The id in the header: of an OPEN, the `sid`. */
export function receiverKey(datagram: Uint8Array): string {
  return keyOf(datagram.subarray(1, 9));
}
