/** Conversations with peers: what was written both ways, what waits, and what nobody has read yet. */
import {
  type ChatMessage,
  type ConversationChange,
  Conversations,
  keepFetching,
  type PublicKey,
  type RemotePeer,
  UdpToolError,
} from '../../index.ts';
import type { Action, Input } from '../action.ts';
import type { ChatView, ConversationChangeView, ConversationView, MessageView } from '../api.ts';
import type { Feature, MachineSlot } from '../feature.ts';
import type { LiveHub, LiveLog, LiveMap } from '../live.ts';
import type { Machine } from '../machine.ts';
import { errorView } from './errors.ts';

const MAX_TEXT_CHARACTERS = 60_000;
const MAX_PAGE = 200;
const MAX_SEQ = Number.MAX_SAFE_INTEGER;

export class Chat implements Feature {
  readonly #slot: MachineSlot;
  readonly #status: LiveMap<ChatView>;
  readonly #views: LiveMap<ConversationView>;
  readonly #changes: LiveLog<ConversationChangeView>;
  readonly #onTrouble: (text: string) => void;
  /** Of peers whose mail is fetched. */
  readonly #fetching = new Set<RemotePeer>();
  #conversations: Conversations | null = null;
  /** Why there are none. */
  #failure: UdpToolError | null = null;

  constructor(hub: LiveHub, slot: MachineSlot, onTrouble: (text: string) => void) {
    this.#slot = slot;
    this.#status = hub.map('chat');
    this.#views = hub.map('conversations');
    this.#changes = hub.log('conversationChanges', { kept: 200, atOnce: 200 });
    this.#onTrouble = onTrouble;
  }

  readonly actions: readonly Action[] = [
    {
      name: 'chat/send',
      run: async (input) => {
        await this.#open.send(this.#key(input), input.text('text', MAX_TEXT_CHARACTERS));
      },
    },
    {
      name: 'chat/page',
      isRead: true,
      run: async (input) => {
        const limit = input.number('limit', 1, MAX_PAGE);
        const before = input.raw('before') === undefined ? undefined : input.number('before', 1, MAX_SEQ);
        const messages = await this.#open.page(this.#key(input), {
          limit,
          ...(before !== undefined && { before }),
        });
        return { messages: messages.map(messageView) };
      },
    },
    {
      name: 'chat/read',
      run: async (input) => {
        await this.#open.markRead(this.#key(input), input.number('upTo', 1, MAX_SEQ));
      },
    },
    {
      name: 'chat/discard',
      run: async (input) => {
        await this.#open.discardWaiting(this.#key(input));
      },
    },
    {
      name: 'chat/forget',
      run: async (input) => {
        await this.#open.forget(this.#key(input));
      },
    },
  ];

  async begin(machine: Machine): Promise<void> {
    const { messages: store, stateDir: dir, keyPair, signal } = machine;
    try {
      this.#conversations = await Conversations.open({
        store,
        dir,
        keyPair,
        signal,
        onTrouble: this.#onTrouble,
      });
    } catch (error) {
      if (!(error instanceof UdpToolError)) throw error;
      this.#failure = error; // the other pages do without
      this.#status.set('now', { error: errorView(error) });
      return;
    }
    this.#conversations.onChange((peer, change) => {
      void this.#show(peer);
      const name = this.#nameOf(peer);
      if (name !== undefined) this.#changes.add(() => changeView(name, change));
    });
    const begin = (): void => {
      for (const name of this.#views.keys())
        if (!machine.endpoint.peers.some((peer) => peer.name === name)) this.#views.delete(name);
      for (const peer of machine.endpoint.peers) {
        void this.#show(peer.publicKey);
        void this.#fetch(peer, signal);
      }
    };
    machine.onBook.add(begin);
    begin();
  }

  async end(): Promise<void> {
    await this.#conversations?.close();
  }

  /** Who cannot reach this machine keeps what it has for it: it is fetched there. */
  async #fetch(peer: RemotePeer, signal: AbortSignal): Promise<void> {
    if (peer.at === undefined || this.#fetching.has(peer)) return;
    this.#fetching.add(peer);
    // Who keeps no mail for us has none.
    await keepFetching(peer, this.#slot.machine.messages, signal).catch(() => {});
    this.#fetching.delete(peer);
  }

  async #show(peer: PublicKey): Promise<void> {
    const name = this.#nameOf(peer);
    if (name === undefined) return;
    try {
      const { count, unread, waiting, last } = await this.#open.summary(peer);
      this.#views.set(name, { count, unread, waiting, ...(last && { last: messageView(last) }) });
    } catch (error) {
      this.#views.set(name, { count: 0, unread: 0, waiting: 0, error: errorView(error) });
    }
  }

  /** @throws UdpToolError `key-missing`, `locked` */
  get #open(): Conversations {
    if (this.#failure !== null) throw this.#failure;
    if (this.#conversations !== null) return this.#conversations;
    throw new UdpToolError('key-missing', 'This machine has no key yet.');
  }

  #key(input: Input): PublicKey {
    return this.#slot.machine.endpoint.peer(input.text('peer', 64)).publicKey;
  }

  #nameOf(key: PublicKey): string | undefined {
    return this.#slot.machine.endpoint.peers.find(({ publicKey }) => publicKey.equals(key))?.name;
  }
}

function changeView(peer: string, change: ConversationChange): ConversationChangeView {
  return change.kind === 'added'
    ? { peer, kind: 'added', message: messageView(change.message) }
    : { peer, ...change };
}

function messageView(message: ChatMessage): MessageView {
  const { seq, direction, text, writtenAt } = message;
  const state = message.direction === 'out' ? message.state : message.read ? 'read' : 'unread';
  return { seq, direction, text, writtenAt, state };
}
