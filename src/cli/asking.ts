/** A peer that a verb asks: chosen from the book, with an endpoint for as long as the verb runs. */
import {
  createEndpoint,
  FindPaths,
  type KeyPair,
  type KeyStore,
  type PeerOptions,
  type RemotePeer,
  type UdpEndpoint,
  UdpToolError,
  wipePresharedKeys,
} from '../index.ts';
import { choosePeer, type KeyOptions, messageFolder, openKeyStore } from './context.ts';
import { explain } from './explain.ts';
import { CommandFailure } from './failure.ts';
import { note } from './output.ts';

export class Asking implements AsyncDisposable {
  readonly peer: RemotePeer;
  readonly #keyPair: KeyPair;
  readonly #chosen: PeerOptions;
  readonly #endpoint: UdpEndpoint;
  readonly #finding: FindPaths | undefined;

  private constructor(keyPair: KeyPair, chosen: PeerOptions, endpoint: UdpEndpoint, finding?: FindPaths) {
    this.#keyPair = keyPair;
    this.#chosen = chosen;
    this.#endpoint = endpoint;
    this.#finding = finding;
    this.peer = endpoint.peer(chosen.name);
  }

  /** @param how how the person says which, where that is not `--to NAME` */
  static async choose(options: KeyOptions, to: string | undefined, how?: string): Promise<Asking> {
    const store = await openKeyStore(options);
    const keyPair = await store.loadKeyPair();
    const peers = await store.loadPeers();
    const chosen = choosePeer(peers, to, how);
    const mayBeFound = chosen.at === undefined && peers.some(({ at }) => at !== undefined);
    try {
      return await (mayBeFound ? Asking.#find(store, keyPair, chosen, peers) : Asking.of(keyPair, chosen));
    } finally {
      wipePresharedKeys(peers);
    }
  }

  /** A peer without an address: by the others. */
  static async #find(
    store: KeyStore,
    keyPair: KeyPair,
    chosen: PeerOptions,
    peers: readonly PeerOptions[],
  ): Promise<Asking> {
    const endpoint = await createEndpoint({ keyPair, peers, commands: [] });
    const folder = messageFolder(store);
    const options = { endpoint, folder, lan: true, announces: false, onTrouble: note };
    const finding = await FindPaths.begin(options);
    const asking = new Asking(keyPair, chosen, endpoint, finding);
    try {
      await asking.peer.reach({ timeoutMs: REACH_MS });
    } catch (error) {
      await asking[Symbol.asyncDispose]();
      throw error instanceof UdpToolError && error.code === 'no-answer' ? notFound(chosen) : error;
    }
    return asking;
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#finding?.[Symbol.asyncDispose]();
    await this.#endpoint.close();
  }
}

const REACH_MS = 5_000;

function notFound({ name, publicKey }: PeerOptions): UdpToolError {
  return new UdpToolError('no-address', `There is no address for "${name}", and no peer knows the way.`, {
    hint: `Give one: udp-tool peer add ${name} ${publicKey} --at HOST:PORT   or run "serve" there, with a peer that both trust and reach`,
  });
}
