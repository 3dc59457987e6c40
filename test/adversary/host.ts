/** One machine in front of the attacker: its protocol, which ends with its process, and what is known of it beside. */
import type { KeyPair } from '../../src/crypto/keys.ts';
import type { ProtocolMachine } from '../../src/protocol-machine.ts';
import type { Address, Transmit } from '../../src/session/address.ts';
import type { Endpoint } from '../../src/session/endpoint.ts';
import type { Peer } from '../../src/session/peer.ts';

/** What a socket drives: a ProtocolMachine, or a P2pMachine around one. */
export interface Machine {
  readonly endpoint: Endpoint;
  receive(datagram: Uint8Array, from: Address, now: number): void;
  timeout(now: number): void;
  nextTimeout(): number;
  drain(now: number): Transmit[];
  close(now: number): Transmit[];
}

/** A datagram that the attacker saw. */
export interface Sent {
  readonly datagram: Uint8Array;
  readonly by: Host;
  readonly to: Address;
  /** For whom it is, where that is known. */
  readonly of?: Host | undefined;
  readonly at: number;
}

export class Host {
  readonly name: string;
  readonly keyPair: KeyPair;
  readonly home: Address;
  /** Where its datagrams come from now. */
  address: Address;
  machine!: Machine;
  /** Its requests and streams. */
  requests!: ProtocolMachine;
  /** How many times it has started. */
  run = 0;
  startedAt = 0;
  readonly peers = new Map<Host, Peer>();
  /** What it took since it started. */
  readonly taken = new Set<string>();
  /** The `sid`s of the OPENs that it took. */
  readonly opened = new Set<string>();
  /** CHALLENGEs that it made since it started, by who asked. */
  readonly challenges = new Map<Host, Set<string>>();
  /** Why the last datagram was dropped. */
  dropped: string | null = null;

  constructor(name: string, keyPair: KeyPair, ip: string) {
    this.name = name;
    this.keyPair = keyPair;
    this.home = { ip, port: 9999 };
    this.address = this.home;
  }
}
