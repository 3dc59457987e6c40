/** A host of the virtual network that looks for paths to its peers, and helps them with theirs. */
import { type KeyPair, keyPairFromSecret, type PublicKey, SecretKey } from '../../src/crypto/keys.ts';
import { P2pMachine } from '../../src/p2p/p2p-machine.ts';
import type { Path } from '../../src/p2p/path-notes.ts';
import { type Command, defineCommand } from '../../src/rpc/command.ts';
import type { Outcome } from '../../src/rpc/outcome.ts';
import type { Address } from '../../src/session/address.ts';
import type { Peer } from '../../src/session/peer.ts';
import type { Tap } from '../../src/session/tap.ts';
import type { StreamResult } from '../../src/streams/asked-stream.ts';
import type { CborValue } from '../../src/wire/cbor.ts';
import type { NetworkHost, VirtualNetwork } from './virtual-network.ts';

export interface P2pHostOptions {
  readonly ip: string;
  readonly introduces?: boolean;
  readonly relayBytesPerSecond?: number;
  /** Somebody who looks on. */
  readonly tap?: Tap;
  /** Another host's: another process of the same machine. */
  readonly keyPair?: KeyPair;
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
  readonly #tap: Tap | undefined;
  readonly #peers = new Map<P2pHost, Peer>();

  constructor(
    network: VirtualNetwork,
    { ip, keyPair, introduces = true, relayBytesPerSecond = 1e6, tap }: P2pHostOptions,
  ) {
    this.#network = network;
    this.#tap = tap;
    this.keyPair = keyPair ?? keyPairFromSecret(SecretKey.generate(network.prng.bytes));
    this.address = { ip, port: 9999 };
    this.machine = new P2pMachine({
      keyPair: this.keyPair,
      random: network.prng.bytes,
      ownAddresses: () => [this.address],
      introduces,
      ...(tap && { tap }),
      onAsk: ({ answer, subject: [, size] }) => answer(new Uint8Array(Number(size)).fill(7)),
      relayBytesPerSecond,
      command: (_peer, name) => this.command(name),
      execute: ({ command, args }, done) =>
        done({ ok: true, value: command.run({ args } as never) as CborValue }),
    });
    network.add(this);
  }

  protected command(name: string): Command | undefined {
    return name === HELLO.name ? HELLO : undefined;
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

  /** Asks for so many bytes by a stream. */
  fetch(other: P2pHost, size: number): { bytes?: Uint8Array; afterMs: number } {
    const begun = this.#network.now;
    const result: { bytes?: Uint8Array; afterMs: number } = { afterMs: 0 };
    const settle = (end: StreamResult): void => {
      if (!end.ok) return;
      result.bytes = end.bytes;
      result.afterMs = this.#network.now - begun;
    };
    const target = { peer: this.peer(other), process: null };
    const spec = { subject: ['chunk', size], maxBytes: size, settle };
    this.machine.requests.streams.ask(target, spec, 20_000, begun);
    return result;
  }

  flush(): void {
    for (const transmit of this.machine.drain(this.#network.now)) {
      const { datagram, to } = transmit;
      if (this.#tap?.isOpen) this.#tap.sent(transmit);
      this.#network.transmit({ datagram, from: this.address, to });
    }
  }
}

/** Answers every meeting at once: somebody whom the other one trusts is said to be at many ports of one address. */
export class LyingIntroducer extends P2pHost {
  invitations = 0;
  readonly #meet: Command;

  constructor(network: VirtualNetwork, publicKey: Uint8Array, victim: string) {
    super(network, { ip: '203.0.113.1', introduces: false });
    const ip = Uint8Array.from(victim.split('.'), Number);
    this.#meet = {
      name: 'udp-tool.meet',
      summary: '',
      args: [],
      idempotent: true,
      parse: () => ({}),
      run: () => {
        this.invitations++;
        return [this.invitations, publicKey, Array.from({ length: 8 }, (_, i) => [ip, 1_000 + i])];
      },
    };
  }

  protected override command(name: string): Command | undefined {
    return name === this.#meet.name ? this.#meet : super.command(name);
  }
}
