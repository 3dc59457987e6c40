/** Hosts, links and a clock in memory: hours of protocol in milliseconds, the same for the same seed. */
import { type KeyPair, keyPairFromSecret, type PublicKey, SecretKey } from '../../src/crypto/keys.ts';
import { ProtocolMachine } from '../../src/protocol-machine.ts';
import { type Command, isStream } from '../../src/rpc/command.ts';
import type { Outcome } from '../../src/rpc/outcome.ts';
import type { CommandResult } from '../../src/rpc/request-server.ts';
import { type Address, formatAddress } from '../../src/session/address.ts';
import type { EndpointGroup } from '../../src/session/endpoint.ts';
import type { Peer } from '../../src/session/peer.ts';
import type { Tap } from '../../src/session/tap.ts';
import type { CongestionController } from '../../src/streams/recovery/congestion-controller.ts';
import type { StreamAsk } from '../../src/streams/stream-machine.ts';
import type { CborValue } from '../../src/wire/cbor.ts';
import { Prng } from './prng.ts';

export interface LinkOptions {
  /** One way, in milliseconds. */
  readonly delayMs?: number;
  /** Spread evenly over so many more milliseconds: this reorders. */
  readonly jitterMs?: number;
  readonly loss?: number;
  readonly duplication?: number;
}

export interface Flight {
  readonly datagram: Uint8Array;
  readonly from: Address;
  readonly to: Address;
}

/** Sees every datagram; what it returns is delivered instead. */
export type Interceptor = (flight: Flight) => Flight[];

/** Whoever has an address on the network. */
export interface NetworkHost {
  readonly address: Address;
  /** Which sources' datagrams reach it. */
  readonly hears: (from: Address) => boolean;
  readonly machine: {
    receive(datagram: Uint8Array, from: Address, now: number): void;
    timeout(now: number): void;
    nextTimeout(): number;
  };
  /** Puts on the network what it has to send. */
  flush(): void;
}

export class VirtualNetwork {
  now = 0;
  link: LinkOptions;
  intercept: Interceptor = (flight) => [flight];
  /** Every datagram that was sent, in order. */
  readonly sent: Flight[] = [];
  record = false;
  datagrams = 0;
  /** How often hosts were woken by timers of their own. */
  timeouts = 0;
  readonly prng: Prng;
  readonly #hosts = new Set<NetworkHost>();
  #scheduled: { at: number; order: number; action: () => void }[] = [];
  #order = 0;

  constructor(seed: number, link: LinkOptions = {}) {
    this.prng = new Prng(seed);
    this.link = link;
  }

  add(host: NetworkHost): void {
    this.#hosts.add(host);
  }

  at(time: number, action: () => void): void {
    const entry = { at: time, order: this.#order++, action };
    let low = 0;
    let high = this.#scheduled.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#scheduled[middle] as { at: number; order: number };
      // Latest first, so that the next one is taken from the end.
      if (other.at > entry.at || (other.at === entry.at && other.order > entry.order)) low = middle + 1;
      else high = middle;
    }
    this.#scheduled.splice(low, 0, entry);
  }

  transmit(flight: Flight): void {
    this.datagrams++;
    if (this.record) this.sent.push(flight);
    for (const delivered of this.intercept(flight)) this.#carry(delivered);
  }

  /** Puts a datagram on the wire as anybody could. */
  inject(flight: Flight): void {
    this.#deliver(flight);
  }

  /** Runs until nothing is left to happen before `time`. */
  runUntil(time: number): void {
    for (;;) {
      for (const host of this.#hosts) host.flush();
      const next = Math.min(
        this.#scheduled.at(-1)?.at ?? Number.POSITIVE_INFINITY,
        ...[...this.#hosts].map((host) => host.machine.nextTimeout()),
      );
      if (next > time) break;
      this.now = Math.max(this.now, next);
      while ((this.#scheduled.at(-1)?.at ?? Number.POSITIVE_INFINITY) <= this.now)
        this.#scheduled.pop()?.action();
      for (const host of this.#hosts) {
        if (host.machine.nextTimeout() > this.now) continue;
        this.timeouts++;
        host.machine.timeout(this.now);
      }
    }
    this.now = time;
  }

  run(ms: number): void {
    this.runUntil(this.now + ms);
  }

  #carry(flight: Flight): void {
    const { delayMs = 1, jitterMs = 0, loss = 0, duplication = 0 } = this.link;
    const copies = this.prng.chance(duplication) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.prng.chance(loss)) continue;
      this.at(this.now + delayMs + this.prng.next() * jitterMs, () => this.#deliver(flight));
    }
  }

  #deliver({ datagram, from, to }: Flight): void {
    for (const host of this.#hosts) {
      if (formatAddress(host.address) === formatAddress(to) && host.hears(from))
        host.machine.receive(datagram, from, this.now);
    }
  }
}

export interface HostOptions {
  readonly ip: string;
  readonly commands?: readonly Command[];
  /** Told of each execution. */
  readonly onExecute?: (command: string, args: Record<string, CborValue>) => void;
  /** How long a command runs, in ms of the virtual clock. */
  readonly executionMs?: (command: string) => number;
  /** Another host's, whose address it shares. */
  readonly keyPair?: KeyPair;
  readonly group?: () => EndpointGroup;
  /** Somebody who looks on. */
  readonly tap?: Tap;
  /** What peers are given that ask for streams. */
  readonly onAsk?: (ask: StreamAsk) => void;
  /** How fast streams are sent. */
  readonly controller?: () => CongestionController;
}

export class VirtualHost implements NetworkHost {
  readonly keyPair: KeyPair;
  address: Address;
  machine: ProtocolMachine;
  /** Which sources' datagrams reach it: the kernel's choice where hosts share an address. */
  hears: (from: Address) => boolean = () => true;
  readonly #network: VirtualNetwork;
  readonly #options: HostOptions;
  #trusted: { publicKey: PublicKey; addresses: Address[] }[] = [];
  #peers: Peer[] = [];

  constructor(network: VirtualNetwork, options: HostOptions) {
    this.#network = network;
    this.#options = options;
    this.keyPair = options.keyPair ?? keyPairFromSecret(SecretKey.generate(network.prng.bytes));
    this.address = { ip: options.ip, port: 9999 };
    this.machine = this.#boot();
    network.add(this);
  }

  trust(other: VirtualHost, addresses: Address[] = []): void {
    this.#trusted.push({ publicKey: other.keyPair.publicKey, addresses });
    this.#addPeers();
  }

  /** Everything in memory is lost; the keys are on disk. */
  restart(): void {
    this.machine = this.#boot();
    this.#peers = [];
    this.#addPeers();
  }

  peer(index = 0): Peer {
    return this.#peers[index] as Peer;
  }

  request(
    command: string,
    args: CborValue[] = [],
    timeoutMs = 5_000,
  ): { outcome: Outcome | null; settledAt: number } {
    const result: { outcome: Outcome | null; settledAt: number } = { outcome: null, settledAt: 0 };
    this.machine.client.request(
      {
        peer: this.peer(),
        command,
        args,
        timeoutMs,
        settle: (outcome) => {
          if (result.outcome !== null) throw new Error('settled twice');
          result.outcome = outcome;
          result.settledAt = this.#network.now;
        },
      },
      this.#network.now,
    );
    return result;
  }

  flush(): void {
    for (const transmit of this.machine.drain(this.#network.now)) {
      const { datagram, to } = transmit;
      if (this.#options.tap?.isOpen) this.#options.tap.sent(transmit);
      this.#network.transmit({ datagram, from: this.address, to });
    }
  }

  #addPeers(): void {
    for (const { publicKey, addresses } of this.#trusted.slice(this.#peers.length)) {
      const peer = this.machine.endpoint.addPeer(publicKey);
      this.machine.endpoint.setAddresses(peer, addresses);
      this.#peers.push(peer);
    }
  }

  #boot(): ProtocolMachine {
    const { commands = [], onExecute, executionMs, group, tap, onAsk, controller } = this.#options;
    const byName = new Map(commands.map((command) => [command.name, command]));
    const machine: ProtocolMachine = new ProtocolMachine({
      keyPair: this.keyPair,
      random: this.#network.prng.bytes,
      ...(group && { group: group() }),
      ...(tap && { tap }),
      ...(onAsk && { onAsk }),
      ...(controller && { controller }),
      command: (_peer, name) => byName.get(name),
      execute: ({ peer, command, args }, done) => {
        onExecute?.(command.name, args);
        const finish = (): void => {
          if (this.machine !== machine) return; // it died with its process
          done(this.#runCommand(peer, command, args));
        };
        const delay = executionMs?.(command.name) ?? 0;
        if (delay === 0) finish();
        else this.#network.at(this.#network.now + delay, finish);
      },
    });
    return machine;
  }

  #runCommand(peer: Peer, command: Command, args: Record<string, CborValue>): CommandResult {
    const value = command.run({
      args,
      peer: { name: 'peer', publicKey: peer.publicKey },
      signal: new AbortController().signal,
      commands: [],
    });
    if (value instanceof Promise || isStream(value))
      throw new Error('commands of a simulation answer at once');
    return { ok: true, value };
  }
}

/** A client that knows where the server is, and a server that trusts the client. */
export function pair(
  network: VirtualNetwork,
  serverOptions: Omit<HostOptions, 'ip'>,
): { client: VirtualHost; server: VirtualHost } {
  const server = new VirtualHost(network, { ...serverOptions, ip: '192.168.2.3' });
  const client = new VirtualHost(network, { ip: '192.168.2.1' });
  server.trust(client);
  client.trust(server, [server.address]);
  return { client, server };
}
