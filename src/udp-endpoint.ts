/// <reference lib="esnext.disposable" preserve="true" />
/** An endpoint on a UDP port: peers by name, requests as promises, commands as functions. */
import { setMaxListeners } from 'node:events';
import { CommandRunner } from './command-runner.ts';
import { builtinCommands } from './commands/index.ts';
import type { KeyPair, PublicKey } from './crypto/keys.ts';
import { errorForPeer, UdpToolError } from './errors.ts';
import { FairTurns } from './fair-turns.ts';
import { DEFAULT_RELAY_BYTES_PER_SECOND } from './p2p/constants.ts';
import { MEET } from './p2p/introduction.ts';
import { announcedBy, announcedTags } from './p2p/lan-tags.ts';
import type { RelayTraffic } from './p2p/links.ts';
import { P2pMachine } from './p2p/p2p-machine.ts';
import { PeerPaths } from './peer-paths.ts';
import {
  type Answer,
  type PathInfo,
  type PeerOptions,
  type Question,
  type Reachability,
  RemotePeer,
  RequestError,
  type StreamRequest,
  type StreamRoute,
} from './remote-peer.ts';
import type { Command } from './rpc/command.ts';
import type { Outcome } from './rpc/outcome.ts';
import type { Call, CommandResult } from './rpc/request-server.ts';
import type { Address, Transmit } from './session/address.ts';
import type { DropReason } from './session/drop-reason.ts';
import type { Peer } from './session/peer.ts';
import { WorkerIds } from './session/session-ids.ts';
import type { StreamResult } from './streams/asked-stream.ts';
import type { StreamAsk } from './streams/stream-machine.ts';
import { type Clock, monotonicClock } from './transport/clock.ts';
import { Driver } from './transport/driver.ts';
import { reachableAddresses } from './transport/interfaces.ts';
import { probePort } from './transport/probe.ts';
import { random } from './transport/random.ts';
import { type HostPort, parseHostPort, resolve } from './transport/resolve.ts';
import { type Traffic, UdpSocket } from './transport/udp-socket.ts';
import { UNLOGGED } from './watching/polls.ts';
import type { StreamSubject } from './wire/stream-messages.ts';
import { type SeenDatagram, Wiretap } from './wiretap.ts';
import type { WorkerSeat } from './workers/worker-seat.ts';

/** Its requests are not executed any more, and take no place among those that are. */
const REMOVED: CommandResult = {
  ok: false,
  error: errorForPeer('busy', 'This peer was removed before its request was executed.'),
};
/** For a name to be looked up, where other ways to the peer may be tried. */
const LOOK_UP_MS = 2_000;

/** A request that was answered, for logs. */
export interface RequestLog {
  readonly peer: string;
  readonly command: string;
  /** Undefined when it succeeded. */
  readonly error: UdpToolError | undefined;
  /** The command is there, and this peer may not call it; the peer is told that it is not there. */
  readonly isDenied: boolean;
}

/** Something that a peer asks for, to be answered once with bytes; nothing happens where it asks no more. */
export interface StreamQuestion {
  readonly peer: RemotePeer;
  readonly subject: StreamSubject;
  /** To ask the very process that asks here. */
  readonly route: StreamRoute;
  answer(bytes: Uint8Array): void;
  /** @param code as of an error: letters and dashes, 32 at most */
  refuse(code: string): void;
}

/** A datagram that was answered with silence, for the operator's eyes. */
export interface Drop {
  readonly reason: DropReason;
  /** Where it says that it comes from. */
  readonly from: Address;
}

export interface EndpointStats {
  /** Live ones. */
  readonly sessions: number;
  /** Datagrams dropped so far, by reason. */
  readonly drops: Readonly<Record<DropReason, number>>;
  readonly received: Traffic;
  readonly sent: Traffic;
  /** For peers of this one, in both directions. */
  readonly relayed: RelayTraffic;
}

export interface UdpEndpointOptions {
  readonly keyPair: KeyPair;
  readonly peers?: Iterable<PeerOptions>;
  /** 0, the default, for any free port: enough to ask. */
  readonly port?: number;
  /** Literal address to listen on; every address of the machine if not given. */
  readonly ip?: string;
  /**
   * Descriptors of UDP sockets that are bound already, as {@link takeInheritedSockets} gives them: then `port` and `ip`
   * do not count. Linux only.
   */
  readonly sockets?: readonly number[];
  /** What peers may call; those that come with udp-tool if not given. */
  readonly commands?: readonly Command[];
  readonly onRequest?: (log: RequestLog) => void;
  /** Whether peers that trust each other may find each other by this one; they may if not given. */
  readonly introduces?: boolean;
  /**
   * What goes through this one between peers that cannot reach each other otherwise, in bytes a second: 1,000,000 if not
   * given, 0 for nothing. It cannot read what it relays.
   */
  readonly relayBytesPerSecond?: number;
  /** Called for every datagram that is dropped: often, while somebody floods. */
  readonly onDrop?: (drop: Drop) => void;
  /** As {@link UdpEndpoint.onDatagram}, from the first one on. */
  readonly onDatagram?: (seen: SeenDatagram) => void;
  /**
   * The place in a worker group, whose port and address hold. A worker answers only: what it asked, the kernel would
   * have another worker hear the answer of.
   */
  readonly worker?: WorkerSeat;
  /** For tests: what the protocol takes as time. */
  readonly clock?: Clock;
}

/**
 * Opens a port. The endpoint answers its peers and asks them, until it is closed:
 * `await using endpoint = await createEndpoint({ keyPair, peers })`.
 *
 * @throws UdpToolError `port-in-use`, `no-permission`, `bad-usage`, or `bad-key` for a peer that cannot be one
 */
export async function createEndpoint(options: UdpEndpointOptions): Promise<UdpEndpoint> {
  const socket = await openSocket(options);
  try {
    return new UdpEndpoint(options, socket);
  } catch (error) {
    await socket.close();
    throw error;
  }
}

function openSocket({ worker, sockets = [], ...own }: UdpEndpointOptions): Promise<UdpSocket> {
  if (sockets.length > 0) return UdpSocket.adopt(sockets);
  const { port = 0, ip } = worker ?? own;
  return UdpSocket.bind({ port, ...(ip !== undefined && { ip }), shared: worker !== undefined });
}

export class UdpEndpoint implements AsyncDisposable {
  readonly publicKey: PublicKey;
  readonly #machine: P2pMachine;
  readonly #socket: UdpSocket;
  readonly #driver: Driver;
  readonly #clock: Clock;
  readonly #peers = new Map<string, RemotePeer>();
  readonly #byPeer = new Map<Peer, RemotePeer>();
  readonly #closing = new AbortController();
  readonly #runner = new CommandRunner(this.#closing.signal, random);
  readonly #answersOnly: boolean;
  readonly #turns: FairTurns<Peer>;
  readonly #wiretap: Wiretap;
  readonly #paths: PeerPaths;
  #onStream: (question: StreamQuestion) => void = ({ refuse }) => refuse('unknown');

  /** @internal Use {@link createEndpoint}. */
  constructor(options: UdpEndpointOptions, socket: UdpSocket) {
    this.publicKey = options.keyPair.publicKey;
    this.#clock = options.clock ?? monotonicClock;
    this.#turns = new FairTurns(
      () => performance.now(),
      () => this.#driver.wake(),
    );
    // Every command that runs may listen.
    setMaxListeners(0, this.#closing.signal);
    this.serve(options.commands ?? builtinCommands);
    const { onRequest, onDrop, onDatagram, worker } = options;
    this.#answersOnly = worker !== undefined;
    this.#wiretap = new Wiretap({
      nameOf: (peer) => this.#byPeer.get(peer)?.name,
      peerAt: (index) => this.#machine.endpoint.peerAt(index),
    });
    if (onDatagram) this.#wiretap.listen(onDatagram);
    this.#machine = new P2pMachine({
      keyPair: options.keyPair,
      random,
      tap: this.#wiretap,
      ownAddresses: () => reachableAddresses(this.addresses),
      // Which worker a peer's datagrams reach is the kernel's choice: two peers would wait at two of them.
      introduces: worker === undefined && (options.introduces ?? true),
      relayBytesPerSecond: options.relayBytesPerSecond ?? DEFAULT_RELAY_BYTES_PER_SECOND,
      onEvent: (event) => {
        if (event.type === 'confirmed') this.#paths.tell(event.session.peer);
      },
      command: (peer, name) => {
        const caller = this.#byPeer.get(peer);
        return caller === undefined ? undefined : this.#runner.command(caller, name);
      },
      execute: (call, done) => this.#execute(call, done),
      onAsk: (ask) => this.#answerStream(ask),
      ...(worker && {
        group: {
          ids: new WorkerIds(worker, random),
          onStray: (owner, datagram, from) => worker.handOn(owner, datagram, from),
        },
      }),
      ...(onDrop && { onDrop: (reason, from) => onDrop({ reason, from }) }),
      ...(onRequest && {
        onRequest: (peer, command, result) => {
          if (command === MEET || UNLOGGED.includes(command)) return;
          const error = result.ok ? undefined : result.error;
          const isDenied = error?.code === 'unknown-command' && this.#runner.has(command);
          onRequest({ peer: this.#nameOf(peer), command, error, isDenied });
        },
      }),
    });
    this.#paths = new PeerPaths({
      finder: this.#machine.finder,
      remoteOf: (peer) => this.#byPeer.get(peer),
      now: () => this.#clock.now(),
      wake: () => this.#driver.wake(),
    });
    for (const peer of options.peers ?? []) this.addPeer(peer);
    this.#socket = socket;
    this.#driver = new Driver(this.#machine, this.#clock, (transmit) => this.#send(transmit));
    socket.onDatagram = this.#driver.receive;
    if (worker) worker.onHandedOn = (datagram, from) => this.#receiveHandedOn(datagram, from);
  }

  /** Where it listens. */
  get addresses(): readonly Address[] {
    return this.#socket.addresses;
  }

  get peers(): readonly RemotePeer[] {
    return [...this.#peers.values()];
  }

  get stats(): EndpointStats {
    const { endpoint } = this.#machine;
    const { received, sent } = this.#socket;
    return {
      sessions: endpoint.sessionCount,
      drops: { ...endpoint.drops },
      received: { ...received },
      sent: { ...sent },
      relayed: { ...this.#machine.relayTraffic },
    };
  }

  /** @throws UdpToolError `unknown-peer` */
  peer(name: string): RemotePeer {
    const peer = this.#peers.get(name);
    if (peer === undefined) {
      throw new UdpToolError('unknown-peer', `No peer is called "${name}".`, {
        hint: 'See the peers with "udp-tool peer list"; add one with "udp-tool peer add NAME KEY".',
      });
    }
    return peer;
  }

  /** @throws UdpToolError `bad-key` or `bad-usage` when it cannot be a peer beside those there are */
  addPeer(options: PeerOptions): RemotePeer {
    if (this.#peers.has(options.name)) {
      throw new UdpToolError('bad-usage', `Two peers are called "${options.name}".`);
    }
    const at = options.at === undefined ? undefined : parseHostPort(options.at);
    const core = this.#machine.endpoint.addPeer(options.publicKey, options.psk ?? null);
    const peer = new RemotePeer(options, at, {
      resolve: (address, timeoutMs) => this.#resolve(core, address, timeoutMs),
      request: (question, signal, onError) => this.#request(core, question, signal, onError),
      probe: (address, waitMs) => this.#probe(address, waitMs),
      remove: () => this.#removePeer(options.name, core),
      roundTripMs: () => core.rtt.smoothed,
      hasAddress: () => core.addresses.length > 0,
      reach: (timeoutMs, signal) => this.#reach(core, timeoutMs, signal),
      path: () => this.#paths.to(core),
      suggest: (kind, addresses) => this.#paths.suggest(core, kind, addresses),
      ask: (question) => this.#ask(core, question),
    });
    this.#peers.set(options.name, peer);
    this.#byPeer.set(core, peer);
    return peer;
  }

  /** Replaces what peers may call, from the next request on. */
  serve(commands: readonly Command[]): void {
    this.#runner.serve(commands);
  }

  /**
   * Waits to be found by peers, at every peer that has an address: so they may reach this machine behind a NAT. Names are
   * looked up; one that resolves later is found by calling it again.
   */
  async stayReachable(timeoutMs = LOOK_UP_MS): Promise<void> {
    this.#refuseIfAnswersOnly();
    await this.#lookUpAll(timeoutMs);
    if (this.#closing.signal.aborted) return;
    this.#machine.reachable.start(this.#clock.now());
    this.#driver.wake();
  }

  /** The tags by which its peers recognise an announcement of it in a local network. @internal */
  announcedTags(nonce: Uint8Array): Uint8Array[] {
    return announcedTags(this.#machine.endpoint.peers, this.publicKey, nonce, random);
  }

  /** The peer whose announcement that is. @internal */
  announcedBy(nonce: Uint8Array, tags: readonly Uint8Array[]): RemotePeer | undefined {
    const core = announcedBy(this.#machine.endpoint.peers, nonce, tags);
    return core === undefined ? undefined : this.#byPeer.get(core);
  }

  /** Tells of each path to a peer over which a handshake of this side went through. */
  onPath(listener: (peer: RemotePeer, path: PathInfo) => void): void {
    this.#paths.onPath(listener);
  }

  /**
   * Tells of every datagram that is sent or received, soon after it was. It costs time only while somebody listens, and
   * changes nothing; what the listener throws is ignored.
   *
   * @returns what ends it
   */
  onDatagram(listener: (seen: SeenDatagram) => void): () => void {
    return this.#wiretap.listen(listener);
  }

  /** Replaces what peers are given that ask for streams (PROTOCOL §8.6). */
  serveStreams(handler: (question: StreamQuestion) => void): void {
    this.#onStream = handler;
  }

  /** Says goodbye to the peers, ends what waits with the error `closed`, and frees the port. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#turns.close();
    for (const transmit of this.#machine.close(this.#clock.now())) this.#send(transmit);
    this.#driver.close();
    await this.#socket.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #send(transmit: Transmit): void {
    if (this.#wiretap.isOpen) this.#wiretap.sent(transmit);
    this.#socket.send(transmit.datagram, transmit.to);
  }

  #receiveHandedOn(datagram: Uint8Array, from: Address): void {
    if (this.#closing.signal.aborted) return;
    this.#machine.receiveHandedOn(datagram, from, this.#clock.now());
    this.#driver.wake();
  }

  async #resolve(core: Peer, at: HostPort, timeoutMs: number): Promise<void> {
    this.#machine.endpoint.setAddresses(core, await resolve(at, timeoutMs));
  }

  #request(
    peer: Peer,
    { command, args, timeoutMs }: Question,
    signal: AbortSignal | undefined,
    onError: (error: UdpToolError) => void,
  ): Promise<Answer> {
    return new Promise((answer, reject) => {
      if (this.#closing.signal.aborted) throw new UdpToolError('closed', 'The endpoint is closed.');
      this.#refuseIfAnswersOnly();
      if (signal?.aborted) {
        throw new UdpToolError('aborted', 'The request was aborted.', { cause: signal.reason });
      }
      if (!this.#byPeer.has(peer)) throw new UdpToolError('closed', 'The peer was removed.');
      const settle = (outcome: Outcome): void => {
        signal?.removeEventListener('abort', abort);
        if (outcome.ok) {
          const { value, roundTripMs, tries } = outcome;
          answer({ value, roundTripMs, tries });
          return;
        }
        const error = new RequestError(outcome.error, outcome);
        onError(error);
        reject(error);
      };
      const abort = (): void => {
        this.#machine.requests.client.cancel(request);
        const error = new UdpToolError('aborted', 'The request was aborted.', { cause: signal?.reason });
        // Silent so far: its address may be another one by now.
        if (request.unanswered > 1) onError(error);
        reject(error);
      };
      const request = this.#machine.requests.client.request(
        { peer, command, args, timeoutMs, settle },
        this.#clock.now(),
      );
      signal?.addEventListener('abort', abort, { once: true });
      this.#driver.wake();
    });
  }

  async #reach(core: Peer, timeoutMs: number, signal: AbortSignal | undefined): Promise<PathInfo | null> {
    this.#refuseIfAnswersOnly();
    // Whoever may introduce is looked up meanwhile.
    void this.#lookUpAll(LOOK_UP_MS);
    await this.#byPeer.get(core)?.lookUp(LOOK_UP_MS);
    if (this.#closing.signal.aborted) throw new UdpToolError('closed', 'The endpoint is closed.');
    return this.#paths.reach(core, timeoutMs, signal);
  }

  #ask(
    peer: Peer,
    { subject, maxBytes, patienceMs, signal, onBytes, route }: StreamRequest,
  ): Promise<StreamResult> {
    return new Promise((settle) => {
      if (this.#closing.signal.aborted || signal?.aborted || !this.#byPeer.has(peer)) {
        settle({ ok: false, reason: 'lost' });
        return;
      }
      const abort = (): void => {
        this.#machine.requests.streams.stop(pending);
        this.#driver.wake();
        settle({ ok: false, reason: 'lost' });
      };
      const pending = this.#machine.requests.streams.ask(
        { peer, process: route?.process ?? null },
        {
          subject,
          maxBytes,
          ...(onBytes && { onBytes }),
          settle: (result) => {
            signal?.removeEventListener('abort', abort);
            settle(result);
          },
        },
        patienceMs,
        this.#clock.now(),
      );
      signal?.addEventListener('abort', abort, { once: true });
      this.#driver.wake();
    });
  }

  async #lookUpAll(timeoutMs: number): Promise<void> {
    await Promise.all(this.peers.map((peer) => peer.lookUp(timeoutMs)));
  }

  #refuseIfAnswersOnly(): void {
    if (!this.#answersOnly) return;
    throw new UdpToolError('bad-usage', 'A worker answers its peers and cannot ask them.', {
      hint: 'Ask with an endpoint of its own: createEndpoint without `worker`.',
    });
  }

  #answerStream({ peer, subject, session, answer, refuse }: StreamAsk): void {
    const asker = this.#byPeer.get(peer);
    if (asker === undefined) return;
    this.#onStream({
      peer: asker,
      subject,
      route: { process: session.process },
      answer: (bytes) => {
        answer(bytes);
        this.#driver.wake();
      },
      refuse: (code) => {
        refuse(code);
        this.#driver.wake();
      },
    });
  }

  async #probe(at: HostPort, waitMs: number): Promise<Reachability[]> {
    const addresses = await resolve(at, waitMs);
    return Promise.all(
      addresses.map(async (address) => ({ address, result: await probePort(address, waitMs) })),
    );
  }

  #removePeer(name: string, core: Peer): void {
    const peer = this.#byPeer.get(core);
    if (peer === undefined) return;
    this.#byPeer.delete(core);
    this.#peers.delete(name);
    this.#runner.forget(peer);
    this.#machine.removePeer(core, this.#clock.now());
    this.#driver.wake();
  }

  #execute({ peer, command, args }: Call, done: (result: CommandResult) => void): void {
    const caller = this.#byPeer.get(peer);
    if (caller === undefined) {
      done(REMOVED);
      return;
    }
    this.#turns.run(peer, () => {
      if (this.#byPeer.get(peer) !== caller) {
        done(REMOVED);
        return;
      }
      this.#runner.run(command, args, caller, (result, later) => {
        done(result);
        // A command that answers at once has its answer sent together with the others of this turn.
        if (later) this.#driver.wake();
      });
    });
  }

  #nameOf(peer: Peer): string {
    return this.#byPeer.get(peer)?.name ?? 'removed';
  }
}
