/** A stretch of a conversation, and what became of it since. */
import type { ConversationChangeView, MessageView } from '../../api.ts';

/** A change that is told twice changes nothing more. Messages keep their identity unless they change. */
export function changed(
  loaded: readonly MessageView[],
  changes: readonly ConversationChangeView[],
  peer: string,
): readonly MessageView[] {
  let bySeq = new Map(loaded.map((message) => [message.seq, message]));
  const become = (seq: number, state: MessageView['state']): void => {
    const message = bySeq.get(seq);
    if (message !== undefined && message.state !== state) bySeq.set(seq, { ...message, state });
  };
  for (const change of changes) {
    if (change.peer !== peer) continue;
    if (change.kind === 'added') {
      if (!bySeq.has(change.message.seq)) bySeq.set(change.message.seq, change.message);
    } else if (change.kind === 'forgotten') bySeq = new Map();
    else if (change.kind === 'read') {
      for (const { seq, direction } of bySeq.values())
        if (direction === 'in' && seq <= change.upTo) become(seq, 'read');
    } else for (const seq of change.seqs) become(seq, change.kind);
  }
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}
