/** Conversations: what was written both ways, what waits until the peer is there, and what is new. */
import { Component, type JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ChatView, ConversationView, MessageView, PeerView, StatusView } from '../../api.ts';
import { useMap } from '../live.ts';
import { href } from '../route.ts';
import { call } from '../session.ts';
import { day, shortKey, timeOfDay } from '../ui/format.ts';
import { Card, Confirmed, Field, Trouble, useTask } from '../ui/parts.tsx';
import { useConversation } from './conversation.ts';

export function ChatPage({ peer }: { peer: string | undefined }): JSX.Element {
  const conversations = useMap<ConversationView>('conversations');
  const names = [...conversations.keys()].sort(
    (a, b) => lastAt(conversations.get(b)) - lastAt(conversations.get(a)) || (a < b ? -1 : 1),
  );
  const failure = useMap<ChatView>('chat').get('now');
  const chosen = peer ?? names[0];
  if (failure !== undefined) return <Trouble error={failure.error} />;
  if (chosen === undefined) return <p class="empty">No peer to write to yet.</p>;
  return (
    <div class="columns">
      <Card title="Conversations">
        <ul class="list">
          {names.map((name) => (
            <ConversationRow
              key={name}
              name={name}
              conversation={conversations.get(name) as ConversationView}
              isChosen={name === chosen}
            />
          ))}
        </ul>
      </Card>
      {conversations.has(chosen) ? (
        <Conversation key={chosen} peer={chosen} view={conversations.get(chosen)} />
      ) : (
        <p class="empty">There is no such conversation.</p>
      )}
    </div>
  );
}

/** How many messages nobody has read yet, of all peers. */
export function useUnread(): number {
  let unread = 0;
  for (const conversation of useMap<ConversationView>('conversations').values())
    unread += conversation.unread;
  return unread;
}

function lastAt(conversation: ConversationView | undefined): number {
  return conversation?.last?.writtenAt ?? 0;
}

function ConversationRow({
  name,
  conversation,
  isChosen,
}: {
  name: string;
  conversation: ConversationView;
  isChosen: boolean;
}): JSX.Element {
  const { unread, waiting, last } = conversation;
  return (
    <li>
      <a href={href('chat', name)} aria-current={isChosen ? 'true' : undefined} class="row">
        <strong>{conversation.isPeer ? name : shortKey(name)}</strong>
        <span class="soft one-line">{last?.text.slice(0, 100)}</span>
        {waiting > 0 && <span class="soft">{waiting} waiting</span>}
        {unread > 0 && <span class="count">{unread} new</span>}
      </a>
    </li>
  );
}

function Conversation({ peer, view }: { peer: string; view: ConversationView | undefined }): JSX.Element {
  const isReadOnly = useMap<StatusView>('status').get('machine')?.isReadOnly === true;
  const { isThere, isPaused } = useMap<PeerView>('peers').get(peer) ?? {};
  const isPeer = view?.isPeer === true;
  const { messages, hasOlder, error, loadOlder } = useConversation(peer);
  const task = useTask();
  useReading(peer, messages, isReadOnly);
  return (
    <Card title={isPeer ? peer : shortKey(peer)}>
      <Trouble error={error ?? view?.error} />
      <Messages messages={messages} hasOlder={hasOlder === true} onOlder={loadOlder} />
      {hasOlder === false && messages.length === 0 && <p class="empty">Nothing was written yet.</p>}
      {!isPeer && <p class="hint">This machine is trusted no more.</p>}
      {isPaused && <p class="hint">{peer} is paused.</p>}
      {isThere === false && !isPaused && (
        <p class="hint">{peer} is not there. What you write waits here, sealed, until it is.</p>
      )}
      {isPeer && !isPaused && !isReadOnly && <Writer peer={peer} />}
      <div class="row">
        {(view?.waiting ?? 0) > 0 && (
          <Confirmed
            label="Discard what waits"
            question={`Shall ${peer} never get the ${view?.waiting} messages that wait?`}
            isDisabled={isReadOnly}
            onYes={() => void task.run(() => call('chat/discard', { peer }))}
          />
        )}
        {messages.length > 0 && (
          <Confirmed
            label="Forget this conversation"
            question={`Delete here all that was written with ${isPeer ? peer : 'it'}? What waits is still sent. The other machine keeps its own copy.`}
            isDisabled={isReadOnly}
            onYes={() => void task.run(() => call('chat/forget', { peer }))}
          />
        )}
      </div>
      <Trouble error={task.error} />
    </Card>
  );
}

/** What is shown to somebody who looks is read. */
function useReading(peer: string, messages: readonly MessageView[], isReadOnly: boolean): void {
  const newest = messages.findLast(({ state }) => state === 'unread')?.seq;
  useEffect(() => {
    if (newest === undefined || isReadOnly) return;
    const read = (): void => {
      if (!document.hidden) call('chat/read', { peer, upTo: newest }).catch(() => {}); // said again at the next
    };
    read();
    document.addEventListener('visibilitychange', read);
    return () => document.removeEventListener('visibilitychange', read);
  }, [peer, newest, isReadOnly]);
}

/** How near to the end, in pixels, somebody looks who wants to see what comes. */
const NEAR_PX = 80;

function Messages({
  messages,
  hasOlder,
  onOlder,
}: {
  messages: readonly MessageView[];
  hasOlder: boolean;
  onOlder: () => Promise<void>;
}): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  /** Where the end of the list was seen from, in pixels above it. */
  const fromEnd = useRef(0);
  const task = useTask();
  const last = messages.at(-1)?.seq;
  const first = messages[0]?.seq;
  // What comes is seen by who looks at the end; older ones that are loaded move nothing.
  useLayoutEffect(() => {
    const element = box.current;
    if (element !== null) element.scrollTop = element.scrollHeight - element.clientHeight - fromEnd.current;
  }, [last, first]);
  const onScroll = (): void => {
    const element = box.current;
    if (element === null) return;
    const distance = element.scrollHeight - element.clientHeight - element.scrollTop;
    fromEnd.current = distance < NEAR_PX ? 0 : distance;
    if (element.scrollTop < NEAR_PX && hasOlder && !task.isBusy) void task.run(onOlder);
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <div class="messages" ref={box} onScroll={onScroll} role="log" aria-label="Messages" tabIndex={0}>
      {hasOlder && (
        <button type="button" class="quiet" disabled={task.isBusy} onClick={() => void task.run(onOlder)}>
          Older messages
        </button>
      )}
      <Trouble error={task.error} />
      {inBlocks(messages).map(({ key, messages: some, before }) => (
        <Block key={key} messages={some} before={before} />
      ))}
    </div>
  );
}

const BLOCK = 50;

interface BlockProps {
  readonly messages: readonly MessageView[];
  /** When the message before them was written; null where they are the first. */
  readonly before: number | null;
}

/** By their numbers, so that a block stays the same when older ones are loaded before it. */
function inBlocks(messages: readonly MessageView[]): (BlockProps & { readonly key: number })[] {
  const blocks: { key: number; messages: MessageView[]; before: number | null }[] = [];
  let before: number | null = null;
  for (const message of messages) {
    const key = Math.floor(message.seq / BLOCK);
    if (blocks.at(-1)?.key !== key) blocks.push({ key, messages: [], before });
    blocks.at(-1)?.messages.push(message);
    before = message.writtenAt;
  }
  return blocks;
}

/** Of thousands of messages, only blocks in which something changed are made anew, and only those that are seen drawn. */
class Block extends Component<BlockProps> {
  override shouldComponentUpdate({ messages, before }: BlockProps): boolean {
    const now = this.props;
    return (
      before !== now.before ||
      messages.length !== now.messages.length ||
      messages.some((message, i) => message !== now.messages[i])
    );
  }

  override render(): JSX.Element {
    let { before } = this.props;
    return (
      <div class="block">
        {this.props.messages.map((message) => {
          const title = day(message.writtenAt);
          const isNewDay = before === null || day(before) !== title;
          before = message.writtenAt;
          return (
            <>
              {isNewDay && <p class="day">{title}</p>}
              <Message message={message} />
            </>
          );
        })}
      </div>
    );
  }
}

const MARKS: Record<MessageView['state'], string> = {
  waiting: 'waiting',
  delivered: '✓ delivered',
  discarded: 'never sent',
  unread: '',
  read: '',
};

function Message({ message: { direction, text, writtenAt, state } }: { message: MessageView }): JSX.Element {
  return (
    <p class={`message ${direction}`}>
      <span class="text">{text}</span>
      <span class="mark">
        {timeOfDay(writtenAt)} {MARKS[state]}
      </span>
    </p>
  );
}

function Writer({ peer }: { peer: string }): JSX.Element {
  const [text, setText] = useState('');
  const task = useTask();
  const send = async (): Promise<void> => {
    if (text.trim() === '' || task.isBusy) return;
    if (await task.run(() => call('chat/send', { peer, text }))) setText('');
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <Field label={`Message to ${peer}`} hint="Enter sends; Shift and Enter begin a new line.">
        {(ids) => (
          <textarea
            {...ids}
            rows={2}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
              event.preventDefault();
              void send();
            }}
          />
        )}
      </Field>
      <button type="submit" class="primary" disabled={task.isBusy || text.trim() === ''}>
        Send
      </button>
      <Trouble error={task.error} />
    </form>
  );
}
