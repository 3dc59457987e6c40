/** What runs behind the page once this machine has a key: an endpoint, and all that stands on it. */
import { setMaxListeners } from 'node:events';
import {
  type bookOf,
  builtinCommands,
  type Command,
  Courier,
  createEndpoint,
  type Drop,
  FindPaths,
  followBook,
  type KeyPair,
  type KeyStore,
  MessageStore,
  messageCommands,
  type RequestLog,
  type UdpEndpoint,
  type UdpEndpointOptions,
  UdpToolError,
} from '../index.ts';

export interface MachineOptions {
  readonly store: KeyStore;
  /** Where messages are kept, and where peers were seen. */
  readonly stateDir: string;
  /** Where files go that peers push, and that are fetched; made when the first one comes. */
  readonly inbox: string;
  readonly port: number;
  readonly ip?: string;
  /** Adds the person's own commands to those that come with udp-tool. */
  readonly withOwnCommands: (ours: readonly Command[]) => Promise<readonly Command[]>;
  /** Whether to look for peers in the local network, and to be found there. */
  readonly lan: boolean;
  readonly onTrouble: (text: string) => void;
}

/** The place for those who want to know. */
export class Listeners<Args extends readonly unknown[]> {
  readonly #listeners = new Set<(...args: Args) => void>();

  add(listener: (...args: Args) => void): void {
    this.#listeners.add(listener);
  }

  readonly tell = (...args: Args): void => {
    for (const listener of this.#listeners) listener(...args);
  };
}

export class Machine implements AsyncDisposable {
  readonly store: KeyStore;
  readonly stateDir: string;
  readonly inbox: string;
  readonly keyPair: KeyPair;
  readonly endpoint: UdpEndpoint;
  readonly messages: MessageStore;
  readonly commands: readonly Command[];
  readonly paths: FindPaths;
  /** Another program has the port that peers know: it answers them, this one asks. */
  readonly isPortTaken: boolean;
  readonly onRequest: Listeners<[RequestLog]>;
  /** A peer's message came, to this process. */
  readonly onMessage: Listeners<[peer: string]>;
  readonly onDrop: Listeners<[Drop]>;
  readonly onDelivered: Listeners<[peer: string]> = new Listeners();
  /** The endpoint has what the peer book says now. */
  readonly onBook: Listeners<[]> = new Listeners();
  readonly #stop = new AbortController();
  #courier: Courier | undefined;

  private constructor(parts: Parts) {
    this.store = parts.options.store;
    this.stateDir = parts.options.stateDir;
    this.inbox = parts.options.inbox;
    this.keyPair = parts.keyPair;
    this.endpoint = parts.endpoint;
    this.messages = parts.messages;
    this.commands = parts.commands;
    this.paths = parts.paths;
    this.isPortTaken = parts.isPortTaken;
    this.onRequest = parts.onRequest;
    this.onMessage = parts.onMessage;
    this.onDrop = parts.onDrop;
  }

  /** @throws UdpToolError `key-missing`, and as {@link createEndpoint} and {@link KeyStore} do */
  static async begin(options: MachineOptions): Promise<Machine> {
    const { store, stateDir } = options;
    const keyPair = await store.loadKeyPair();
    const peers = await store.loadPeers();
    const messages = new MessageStore(stateDir, keyPair);
    const onMessage = new Listeners<[string]>();
    const onRequest = new Listeners<[RequestLog]>();
    const onDrop = new Listeners<[Drop]>();
    const ours = [
      ...builtinCommands,
      ...messageCommands({
        store: messages,
        onMessage: ({ from }) => onMessage.tell(from),
        onTrouble: options.onTrouble,
      }),
    ];
    const commands = await options.withOwnCommands(ours);
    const { endpoint, isPortTaken } = await openEndpoint(
      {
        keyPair,
        peers,
        commands,
        ...(options.ip !== undefined && { ip: options.ip }),
        onRequest: onRequest.tell,
        onDrop: onDrop.tell,
      },
      options.port,
    );
    try {
      const paths = await FindPaths.begin({
        endpoint,
        folder: stateDir,
        lan: options.lan,
        announces: !isPortTaken,
        onTrouble: options.onTrouble,
      });
      const machine = new Machine({
        options,
        keyPair,
        endpoint,
        messages,
        commands,
        paths,
        isPortTaken,
        onRequest,
        onMessage,
        onDrop,
      });
      await machine.#run(options, peers);
      return machine;
    } catch (error) {
      await endpoint.close();
      throw error;
    }
  }

  /** Aborts when the machine ends. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.paths[Symbol.asyncDispose]();
    await this.endpoint.close();
  }

  async #run(options: MachineOptions, peers: Parameters<typeof bookOf>[0]): Promise<void> {
    const { endpoint, store, messages, signal } = this;
    setMaxListeners(0, signal); // each feature ends with it
    void endpoint.stayReachable();
    const follower = {
      onBook: (): void => {
        this.#courier?.peersChanged();
        this.paths.suggest(endpoint);
        void endpoint.stayReachable();
        this.onBook.tell();
      },
      onTrouble: options.onTrouble,
    };
    await followBook(endpoint, store, peers, follower, signal);
    const onDelivered = ({ name }: { readonly name: string }): void => this.onDelivered.tell(name);
    this.#courier = await Courier.start({ endpoint, store: messages, onDelivered }, signal);
    this.onRequest.add(({ peer }) => this.#courier?.heard(peer));
  }
}

interface Parts
  extends Pick<
    Machine,
    | 'keyPair'
    | 'endpoint'
    | 'messages'
    | 'commands'
    | 'paths'
    | 'isPortTaken'
    | 'onRequest'
    | 'onMessage'
    | 'onDrop'
  > {
  readonly options: MachineOptions;
}

/** With the port that peers know; where another program has it, that answers them, and any other will do to ask. */
async function openEndpoint(
  options: UdpEndpointOptions,
  port: number,
): Promise<{ endpoint: UdpEndpoint; isPortTaken: boolean }> {
  try {
    return { endpoint: await createEndpoint({ ...options, port }), isPortTaken: false };
  } catch (error) {
    if (!(error instanceof UdpToolError) || error.code !== 'port-in-use') throw error;
    return { endpoint: await createEndpoint(options), isPortTaken: true };
  }
}
