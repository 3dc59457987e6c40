/** Requests and streams over an endpoint, both ways, as one protocol machine. */

import { UdpToolError } from './errors.ts';
import { RequestClient } from './rpc/request-client.ts';
import { RequestServer, type RequestServerOptions } from './rpc/request-server.ts';
import type { Address, Transmit } from './session/address.ts';
import type { DropReason } from './session/drop-reason.ts';
import { Endpoint, type EndpointEvent, type EndpointOptions } from './session/endpoint.ts';
import type { Peer } from './session/peer.ts';
import { Bbr } from './streams/recovery/bbr.ts';
import type { CongestionController } from './streams/recovery/congestion-controller.ts';
import { type StreamAsk, StreamMachine } from './streams/stream-machine.ts';
import { isStreamMessage } from './wire/stream-messages.ts';

export type ProtocolMachineOptions = Omit<EndpointOptions, 'admits'> &
  Omit<RequestServerOptions, 'endpoint'> & {
    /** How fast streams are sent. */
    readonly controller?: () => CongestionController;
    /** Somebody asks for a stream; refused if not given. */
    readonly onAsk?: (ask: StreamAsk) => void;
    /** Told of every datagram that is dropped; nobody else is. */
    readonly onDrop?: (reason: DropReason, from: Address) => void;
    /** Told of every event, for what stands on sessions beside requests. */
    readonly onEvent?: (event: EndpointEvent, now: number) => void;
  };

export class ProtocolMachine {
  readonly endpoint: Endpoint;
  readonly client: RequestClient;
  readonly streams: StreamMachine;
  readonly #server: RequestServer;
  readonly #onDrop: ProtocolMachineOptions['onDrop'];
  readonly #onEvent: ProtocolMachineOptions['onEvent'];

  constructor(options: ProtocolMachineOptions) {
    this.#onDrop = options.onDrop;
    this.#onEvent = options.onEvent;
    this.endpoint = new Endpoint({ ...options, admits: (peer) => this.#server.admits(peer) });
    this.client = new RequestClient(this.endpoint, options.random);
    this.#server = new RequestServer({ ...options, endpoint: this.endpoint });
    this.streams = new StreamMachine({
      endpoint: this.endpoint,
      controller: options.controller ?? (() => new Bbr()),
      onAsk: options.onAsk ?? ((ask) => ask.refuse('unknown')),
    });
  }

  receive(datagram: Uint8Array, from: Address, now: number): void {
    this.#tellDrop(this.endpoint.receive(datagram, from, now), from);
    this.#handleEvents(now);
  }

  /** What another worker on the same port got for this one. */
  receiveHandedOn(datagram: Uint8Array, from: Address, now: number): void {
    this.#tellDrop(this.endpoint.receiveHandedOn(datagram, from, now), from);
    this.#handleEvents(now);
  }

  timeout(now: number): void {
    this.endpoint.timeout(now);
    this.client.timeout(now);
    this.#server.timeout(now);
    this.streams.timeout(now);
    this.#handleEvents(now);
  }

  nextTimeout(): number {
    return Math.min(
      this.endpoint.nextTimeout(),
      this.client.nextTimeout(),
      this.#server.nextTimeout(),
      this.streams.nextTimeout(),
    );
  }

  drain(now: number): Transmit[] {
    this.client.release(now);
    this.client.onDrain(this.endpoint.waitingBytes);
    this.streams.drain(now);
    return this.endpoint.drain(now);
  }

  waitingBytes(): number {
    return this.endpoint.waitingBytes;
  }

  expectsCompany(): boolean {
    return this.client.expectsCompany;
  }

  /** Trusts the peer no longer: its sessions and its requests end at once. */
  removePeer(peer: Peer, now: number): void {
    this.client.failPeer(peer, new UdpToolError('closed', 'The peer was removed.'));
    this.endpoint.removePeer(peer);
    this.#handleEvents(now);
  }

  /** Ends every session and request; what it returns is still to be sent. */
  close(now: number): Transmit[] {
    this.client.failAll(new UdpToolError('closed', 'The endpoint was closed.'));
    const goodbyes = this.endpoint.close(now);
    this.streams.close(now);
    return goodbyes;
  }

  #tellDrop(reason: DropReason | null, from: Address): void {
    if (reason !== null) this.#onDrop?.(reason, from);
  }

  #handleEvents(now: number): void {
    for (const event of this.endpoint.takeEvents()) {
      switch (event.type) {
        case 'message':
          if (isStreamMessage(event.message)) {
            this.streams.onMessage(event.session, event.message, now);
            break;
          }
          this.client.onMessage(event.session, event.message, now);
          this.#server.onMessage(event.session, event.message, event.from, now);
          break;
        case 'datagram':
          this.streams.onDatagram(event.session, event.counter, event.elicitsAck, now);
          break;
        case 'opened':
          this.#server.onOpened(event.session);
          this.streams.onSession(event.session, now);
          break;
        case 'ready':
          this.client.onReady(event.session, now);
          break;
        case 'closed':
          this.#server.onClosed(event.session, event.byPeer, now);
          this.client.onClosed(event.session, now);
          this.streams.onClosed(event.session, now);
          break;
        case 'confirmed':
          this.client.onConfirmed(event.session);
          this.streams.onSession(event.session, now);
          break;
      }
      this.#onEvent?.(event, now);
    }
  }
}
