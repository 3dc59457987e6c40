import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ConversationChangeView, MessageView } from '../../src/gui/api.ts';
import { changed } from '../../src/gui/page/chat/changed.ts';

const PEER = 'pi';

/** A conversation as it happens, written down in the plainest way. */
function happen(steps: readonly number[]): { changes: ConversationChangeView[]; states: MessageView[][] } {
  const changes: ConversationChangeView[] = [];
  const states: MessageView[][] = [[]];
  let all: MessageView[] = [];
  let seq = 0;
  for (const step of steps) {
    const add = (direction: 'in' | 'out', state: MessageView['state']): void => {
      const message = { seq: ++seq, direction, text: `${seq}`, writtenAt: step, state };
      all = [...all, message];
      changes.push({ peer: PEER, kind: 'added', message });
    };
    const waiting = all.filter(({ state }) => state === 'waiting').map((one) => one.seq);
    if (step < 3) add('in', 'unread');
    else if (step < 6) add('out', 'waiting');
    else if (step < 8) {
      const kind = step === 6 ? 'delivered' : 'discarded';
      const seqs = waiting.slice(0, 2);
      all = all.map((one) => (seqs.includes(one.seq) ? { ...one, state: kind } : one));
      changes.push({ peer: PEER, kind, seqs });
    } else if (step === 8) {
      all = all.map((one) => (one.direction === 'in' ? { ...one, state: 'read' } : one));
      changes.push({ peer: PEER, kind: 'read', upTo: seq });
    } else {
      all = [];
      changes.push({ peer: PEER, kind: 'forgotten' });
    }
    states.push(all);
  }
  return { changes, states };
}

test('what was loaded at any time, with changes from any earlier time on, is the conversation as it is now', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 40 }), fc.nat(40), fc.nat(40), (steps, when, earlier) => {
      const { changes, states } = happen(steps);
      const loadedAt = Math.min(when, steps.length);
      const from = Math.max(0, loadedAt - earlier);
      const now = changed(states[loadedAt] ?? [], changes.slice(from), PEER);
      expect(now).toEqual(states.at(-1));
    }),
  );
});

test("other peers' changes change nothing, and what is as it was keeps its identity", () => {
  const one: MessageView = { seq: 1, direction: 'in', text: 'a', writtenAt: 1, state: 'read' };
  const [same] = changed(
    [one],
    [
      { peer: 'nas', kind: 'forgotten' },
      { peer: PEER, kind: 'read', upTo: 5 },
    ],
    PEER,
  );
  expect(same).toBe(one);
});
