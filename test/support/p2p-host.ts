/** A host of the virtual network that looks for paths to its peers, and helps them with theirs. */
import { type KeyPair, keyPairFromSecret, type PublicKey, SecretKey } from '../../src/crypto/keys.ts';
import { P2pMachine } from '../../src/p2p/p2p-machine.ts';
import type { Path } from '../../src/p2p/path-notes.ts';
import { defineCommand } from '../../src/rpc/command.ts';
import type { Outcome } from '../../src/rpc/outcome.ts';
import type { Address } from '../../src/session/address.ts';
import type { Peer } from '../../src/session/peer.ts';
import type { CborValue } from '../../src/wire/cbor.ts';
import type { NetworkHost, VirtualNetwork } from './virtual-network.ts';

export interface P2pHostOptions {
  readonly ip: string;
  readonly introduces?: boolean;
  readonly relayBytesPerSecond?: number;
}

const HELLO = defineCommand({
  name: 'hello',
  summary: '',
  idempotent: true,
  args: [{ name: 'size', type: 'integer', summary: '', default: 1 }],
  run: ({ args: { size } }) => 'x'.repeat(size),
});

export class P2pHost implements NetworkHost {
  readonly keyPair: KeyPair;
  readonly address: Address;
  readonly machine: P2pMachine;
  readonly hears = (): boolean => true;
  readonly #network: VirtualNetwork;
  readonly #peers = new Map<P2pHost, Peer>();

  constructor(network: VirtualNetwork, { ip, introduces = true, relayBytesPerSecond = 1e6 }: P2pHostOptions) {
    this.#network = network;
    this.keyPair = keyPairFromSecret(SecretKey.generate(network.prng.bytes));
    this.address = { ip, port: 9999 };
    this.machine = new P2pMachine({
      keyPair: this.keyPair,
      random: network.prng.bytes,
      ownAddresses: () => [this.address],
      introduces,
      relayBytesPerSecond,
      command: (_peer, name) => (name === HELLO.name ? HELLO : undefined),
      execute: ({ args }, done) => done({ ok: true, value: HELLO.run({ args } as never) as CborValue }),
    });
    network.add(this);
  }

  get publicKey(): PublicKey {
    return this.keyPair.publicKey;
  }

  /** Trusts another one, and knows it to be at these addresses. */
  trust(other: P2pHost, ...addresses: Address[]): Peer {
    const peer = this.machine.endpoint.addPeer(other.publicKey);
    this.machine.endpoint.setAddresses(peer, addresses);
    this.#peers.set(other, peer);
    return peer;
  }

  peer(other: P2pHost): Peer {
    return this.#peers.get(other) as Peer;
  }

  /** Waits to be found. */
  wait(): void {
    this.machine.reachable.start(this.#network.now);
  }

  reach(other: P2pHost, timeoutMs = 20_000): { path?: Path | null; afterMs: number } {
    const begun = this.#network.now;
    const result: { path?: Path | null; afterMs: number } = { afterMs: 0 };
    const settle = (path: Path | null): void => {
      result.path = path;
      result.afterMs = this.#network.now - begun;
    };
    this.machine.finder.reach(this.peer(other), timeoutMs, settle, begun);
    return result;
  }

  kindTo(other: P2pHost): string | undefined {
    return this.machine.finder.pathTo(this.peer(other), this.#network.now)?.kind;
  }

  ask(other: P2pHost, command: string, args: CborValue[] = [], timeoutMs = 20_000): { outcome?: Outcome } {
    const result: { outcome?: Outcome } = {};
    this.machine.requests.client.request(
      {
        peer: this.peer(other),
        command,
        args,
        timeoutMs,
        settle: (outcome) => {
          result.outcome = outcome;
        },
      },
      this.#network.now,
    );
    return result;
  }

  flush(): void {
    for (const { datagram, to } of this.machine.drain(this.#network.now)) {
      this.#network.transmit({ datagram, from: this.address, to });
    }
  }
}
