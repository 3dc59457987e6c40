/** Conversations with peers: what was written both ways, what waits, and what nobody has read yet. */
import {
  type ChatMessage,
  type ConversationChange,
  Conversations,
  keepFetching,
  PublicKey,
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
  /** Of the peer book, by public key as text. */
  #names: ReadonlyMap<string, string> = new Map();
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
        const peer = this.#slot.machine.endpoint.peer(input.text('peer', 64));
        await this.#open.send(peer.publicKey, input.text('text', MAX_TEXT_CHARACTERS));
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
      this.#changes.add(() => changeView(this.#nameOf(peer), change));
    });
    const follow = (): void => {
      void this.#showAll();
      for (const peer of machine.endpoint.peers) void this.#fetch(peer, signal);
    };
    machine.onBook.add(follow);
    // Also what becomes of a paused peer, of which the endpoint knows nothing.
    machine.store.watch(() => void this.#showAll(), signal);
    follow();
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

  /** Also with peers that are paused; and with those that are trusted no more, where something was written. */
  async #showAll(): Promise<void> {
    const entries = await this.#slot.machine.store.peers().catch(() => null);
    if (entries === null) return; // whoever follows the book says why
    this.#names = new Map(entries.map(({ name, publicKey }) => [publicKey.toString(), name]));
    const written = await this.#open.peers().catch(() => []);
    const keys = new Map(
      [...entries.map(({ publicKey }) => publicKey), ...written].map((key) => [key.toString(), key]),
    );
    const names = [...keys.values()].map((key) => this.#nameOf(key));
    for (const name of this.#views.keys()) if (!names.includes(name)) this.#views.delete(name);
    await Promise.all([...keys.values()].map((key) => this.#show(key)));
  }

  async #show(peer: PublicKey): Promise<void> {
    const name = this.#nameOf(peer);
    const isPeer = this.#names.has(peer.toString());
    try {
      const { count, unread, waiting, last } = await this.#open.summary(peer);
      if (!isPeer && count === 0) this.#views.delete(name);
      else
        this.#views.set(name, { isPeer, count, unread, waiting, ...(last && { last: messageView(last) }) });
    } catch (error) {
      this.#views.set(name, { isPeer, count: 0, unread: 0, waiting: 0, error: errorView(error) });
    }
  }

  /** @throws UdpToolError `key-missing`, `locked` */
  get #open(): Conversations {
    if (this.#failure !== null) throw this.#failure;
    if (this.#conversations !== null) return this.#conversations;
    throw new UdpToolError('key-missing', 'This machine has no key yet.');
  }

  /** Of a name in the peer book, or a key as text. @throws UdpToolError `unknown-peer`, `bad-key` */
  #key(input: Input): PublicKey {
    const text = input.text('peer', 128);
    for (const [key, name] of this.#names) if (name === text) return PublicKey.parse(key);
    if (text.startsWith('udp1')) return PublicKey.parse(text);
    throw new UdpToolError('unknown-peer', `No peer is called "${text}".`);
  }

  /** Where there is none, the key as text, which no name is as long as. */
  #nameOf(peer: PublicKey): string {
    const key = peer.toString();
    return this.#names.get(key) ?? key;
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
