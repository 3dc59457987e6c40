/** Requests over an endpoint, and the paths to its peers, as one protocol machine (PROTOCOL §9, §10.4). */

import { ProtocolMachine, type ProtocolMachineOptions } from '../protocol-machine.ts';
import type { Command } from '../rpc/command.ts';
import type { Call, CommandResult } from '../rpc/request-server.ts';
import {
  type Address,
  type RelayLink,
  relayAddress,
  relayLinkOf,
  type Transmit,
} from '../session/address.ts';
import type { Endpoint, EndpointEvent } from '../session/endpoint.ts';
import type { Peer } from '../session/peer.ts';
import type { Session } from '../session/session.ts';
import { MAX_DATAGRAM_BYTES } from '../wire/header.ts';
import { encodeMessage, MessageType, type Relay } from '../wire/messages.ts';
import { Introducer } from './introducer.ts';
import { INTRODUCER_COMMANDS, type IntroduceArguments, MEET, type MeetArguments } from './introduction.ts';
import { Links, type RelayTraffic } from './links.ts';
import { OwnLinks } from './own-links.ts';
import { PathFinder } from './path-finder.ts';
import { PathNotes } from './path-notes.ts';
import { Reachable } from './reachable.ts';

export interface P2pMachineOptions extends ProtocolMachineOptions {
  /** Addresses of this machine in its own networks, with the port it listens on. */
  readonly ownAddresses: () => readonly Address[];
  /** Whether it introduces its peers to each other. */
  readonly introduces: boolean;
  /** What it relays for them, in bytes a second; 0 for nothing. */
  readonly relayBytesPerSecond: number;
}

export class P2pMachine {
  readonly requests: ProtocolMachine;
  readonly endpoint: Endpoint;
  readonly finder: PathFinder;
  readonly reachable: Reachable;
  readonly #introducer: Introducer | null;
  readonly #links: Links;
  readonly #ownLinks = new OwnLinks();
  readonly #onEvent: ProtocolMachineOptions['onEvent'];
  readonly #tap: ProtocolMachineOptions['tap'];
  /** What relays brought, and is still to be received. */
  #relayed: { readonly datagram: Uint8Array; readonly from: Address }[] = [];
  #now = 0;

  constructor({ introduces, relayBytesPerSecond, ownAddresses, ...options }: P2pMachineOptions) {
    this.#onEvent = options.onEvent;
    this.#tap = options.tap;
    this.requests = new ProtocolMachine({
      ...options,
      command: (peer, name) => this.#ownCommand(name) ?? options.command(peer, name),
      execute: (call, done) => {
        if (this.#ownCommand(call.command.name) === undefined) options.execute(call, done);
        else this.#execute(call, done);
      },
      onEvent: (event, now) => this.#handle(event, now),
    });
    const { endpoint, client } = this.requests;
    this.endpoint = endpoint;
    this.#links = new Links({ endpoint, random: options.random, bytesPerSecond: relayBytesPerSecond });
    this.#introducer = introduces ? new Introducer({ endpoint, links: this.#links }) : null;
    const now = (): number => this.#now;
    const notes = new PathNotes(endpoint);
    this.finder = new PathFinder({ endpoint, client, links: this.#ownLinks, notes, ownAddresses, now });
    this.reachable = new Reachable({
      endpoint,
      client,
      ownAddresses,
      now,
      onInvitation: (...invitation) => this.finder.onInvitation(...invitation),
    });
  }

  get relayTraffic(): RelayTraffic {
    return this.#links.traffic;
  }

  receive(datagram: Uint8Array, from: Address, now: number): void {
    this.#now = now;
    this.requests.receive(datagram, from, now);
    this.#receiveRelayed(now);
  }

  receiveHandedOn(datagram: Uint8Array, from: Address, now: number): void {
    this.#now = now;
    this.requests.receiveHandedOn(datagram, from, now);
    this.#receiveRelayed(now);
  }

  timeout(now: number): void {
    this.#now = now;
    this.requests.timeout(now);
    this.finder.timeout(now);
    this.reachable.timeout(now);
    this.#introducer?.timeout(now);
    this.#links.timeout(now);
  }

  nextTimeout(): number {
    return Math.min(
      this.requests.nextTimeout(),
      this.finder.nextTimeout(),
      this.reachable.nextTimeout(),
      this.#introducer?.nextTimeout() ?? Number.POSITIVE_INFINITY,
      this.#links.nextTimeout(),
    );
  }

  drain(now: number): Transmit[] {
    return this.#withoutRelayed(this.requests.drain(now), now);
  }

  waitingBytes(): number {
    return this.requests.waitingBytes();
  }

  expectsCompany(): boolean {
    return this.requests.expectsCompany();
  }

  removePeer(peer: Peer, now: number): void {
    this.#now = now;
    this.finder.removePeer(peer);
    this.reachable.removePeer(peer);
    this.#introducer?.removePeer(peer);
    this.#links.removePeer(peer);
    this.requests.removePeer(peer, now);
  }

  close(now: number): Transmit[] {
    this.#now = now;
    this.reachable.stop();
    this.finder.close();
    return this.requests.close(now).filter(({ to }) => relayLinkOf(to) === null);
  }

  #ownCommand(name: string): Command | undefined {
    return this.#introducer === null ? undefined : INTRODUCER_COMMANDS.get(name);
  }

  #execute({ command, args, session }: Call, done: (result: CommandResult) => void): void {
    const now = this.#now;
    // Who is here by a relay is seen nowhere. `parse` made the arguments.
    if (!session.isDirect) done({ ok: true, value: command.name === MEET ? [] : null });
    else if (command.name === MEET)
      this.#introducer?.meet(session, args as unknown as MeetArguments, done, now);
    else this.#introducer?.introduce(session, args as unknown as IntroduceArguments, done, now);
  }

  #handle(event: EndpointEvent, now: number): void {
    if (event.type === 'confirmed' || event.type === 'opened') {
      this.finder.onSession(event.session, now);
    } else if (event.type === 'message' && event.message.type === MessageType.RELAY) {
      this.#onRelay(event.session, event.message, now);
      return;
    }
    this.#onEvent?.(event, now);
  }

  /** From whom it is to be relayed, or who relays it to us. A relay is not reached by a relay. */
  #onRelay(session: Session, relay: Relay, now: number): void {
    if (!session.isDirect) return;
    if (session.role === 'responder') {
      this.#links.forward(session, relay, now);
      return;
    }
    const link = { relay: session.peer.index, link: relay.link };
    if (!this.#ownLinks.has(link)) return;
    this.#relayed.push({ datagram: relay.datagram, from: relayAddress(link) });
  }

  #receiveRelayed(now: number): void {
    const relayed = this.#relayed;
    if (relayed.length === 0) return;
    this.#relayed = [];
    for (const { datagram, from } of relayed) this.requests.receive(datagram, from, now);
    this.#relayed = []; // nothing is relayed in what was relayed
  }

  /** What goes to a relay's link goes in a session with the relay. */
  #withoutRelayed(transmits: Transmit[], now: number): Transmit[] {
    if (!transmits.some(({ to }) => relayLinkOf(to) !== null)) return transmits;
    const direct: Transmit[] = [];
    for (const transmit of transmits) {
      const link = relayLinkOf(transmit.to);
      if (link === null) direct.push(transmit);
      else this.#sendRelayed(link, transmit, now);
    }
    for (const transmit of this.requests.drain(now)) {
      if (relayLinkOf(transmit.to) === null) direct.push(transmit);
    }
    return direct;
  }

  #sendRelayed({ relay, link }: RelayLink, transmit: Transmit, now: number): void {
    const { datagram } = transmit;
    const session = this.endpoint.peerAt(relay)?.current;
    // In an OPEN there is no room for it: it is lost, as on the wire. And so is what no relay takes.
    if (session == null || !session.isDirect || !session.isAlive(now)) return;
    if (datagram.length > MAX_DATAGRAM_BYTES) return;
    if (this.#tap?.isOpen) this.#tap.sent(transmit);
    this.endpoint.send(session, encodeMessage({ type: MessageType.RELAY, link, datagram }));
  }
}
