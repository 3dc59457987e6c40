/** What the page has of one conversation: a stretch of it up to its end, and what changed since. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { ConversationChangeView, ErrorView, MessageView } from '../../api.ts';
import { useConnection, useLog } from '../live.ts';
import { call } from '../session.ts';
import { changed } from './changed.ts';

const PAGE = 200;

export interface Stretch {
  /** The oldest first. */
  readonly messages: readonly MessageView[];
  /** There are older ones; null while that is not known yet. */
  readonly hasOlder: boolean | null;
  readonly error: ErrorView | null;
  loadOlder(): Promise<void>;
}

export function useConversation(peer: string): Stretch {
  const [loaded, setLoaded] = useState<readonly MessageView[]>([]);
  const [hasOlder, setHasOlder] = useState<boolean | null>(null);
  const [error, setError] = useState<ErrorView | null>(null);
  const { entries, skipped } = useLog<ConversationChangeView>('conversationChanges');
  const isLive = useConnection() === 'live';

  // Anew where changes may have been missed: after udp-tool was away, and where there were too many to be told of.
  useEffect(() => {
    if (!isLive) return;
    const gone = new AbortController();
    page(peer, undefined, gone.signal).then(
      (messages) => {
        setLoaded(messages);
        setHasOlder(messages.length === PAGE);
        setError(null);
      },
      (caught) => {
        if (!gone.signal.aborted) setError(caught as ErrorView);
      },
    );
    return () => gone.abort();
  }, [peer, isLive, skipped]);

  const messages = useMemo(() => changed(loaded, entries, peer), [loaded, entries, peer]);
  const loadOlder = async (): Promise<void> => {
    const [oldest] = messages;
    if (oldest === undefined) return;
    const older = await page(peer, oldest.seq);
    setLoaded((before) => [...older, ...before]);
    setHasOlder(older.length === PAGE);
  };
  return { messages, hasOlder, error, loadOlder };
}

async function page(
  peer: string,
  before: number | undefined,
  signal?: AbortSignal,
): Promise<readonly MessageView[]> {
  const input = { peer, limit: PAGE, ...(before !== undefined && { before }) };
  return (await call<{ messages: MessageView[] }>('chat/page', input, signal)).messages;
}
