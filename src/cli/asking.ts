/** A peer that a verb asks: chosen from the book, with an endpoint for as long as the verb runs. */
import {
  createEndpoint,
  type KeyPair,
  type PeerOptions,
  type RemotePeer,
  type UdpEndpoint,
  UdpToolError,
} from '../index.ts';
import { choosePeer, type KeyOptions, openKeyStore } from './context.ts';
import { explain } from './explain.ts';
import { CommandFailure } from './failure.ts';

export class Asking implements AsyncDisposable {
  readonly peer: RemotePeer;
  readonly #keyPair: KeyPair;
  readonly #chosen: PeerOptions;
  readonly #endpoint: UdpEndpoint;

  private constructor(keyPair: KeyPair, chosen: PeerOptions, endpoint: UdpEndpoint) {
    this.#keyPair = keyPair;
    this.#chosen = chosen;
    this.#endpoint = endpoint;
    this.peer = endpoint.peer(chosen.name);
  }

  /** @param how how the person says which, where that is not `--to NAME` */
  static async choose(options: KeyOptions, to: string | undefined, how?: string): Promise<Asking> {
    const store = await openKeyStore(options);
    const keyPair = await store.loadKeyPair();
    return Asking.of(keyPair, choosePeer(await store.loadPeers(), to, how));
  }

  static async of(keyPair: KeyPair, chosen: PeerOptions): Promise<Asking> {
    return new Asking(keyPair, chosen, await createEndpoint({ keyPair, peers: [chosen], commands: [] }));
  }

  /** As the book has it. */
  get at(): string | undefined {
    return this.#chosen.at;
  }

  /** The likely causes of a failure, where it is one of the peer or of the way to it. */
  explain(error: unknown): string[] {
    return explain(error, this.peer, this.#keyPair.publicKey, this.#chosen.psk !== undefined);
  }

  /** What to throw for an error, so that its causes are told. */
  failure(
    error: unknown,
    told: (error: UdpToolError) => UdpToolError = (same) => this.#withHint(same),
  ): unknown {
    return error instanceof UdpToolError ? new CommandFailure(told(error), this.explain(error)) : error;
  }

  /** What a peer may not call looks as if it did not exist, so both are to be looked at. */
  #withHint(error: UdpToolError): UdpToolError {
    if (error.code !== 'unknown-command') return error;
    const { name } = this.peer;
    return new UdpToolError(error.code, error.message, {
      cause: error,
      hint: `See what there is for this machine: udp-tool send --to ${name} help   (what is not among it may want "udp-tool peer allow" on "${name}")`,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#endpoint.close();
  }
}
