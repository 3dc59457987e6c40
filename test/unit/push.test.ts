/** Pushing to a peer that does not do as it should. */
import { expect, test } from 'vitest';
import type { FileOffer } from '../../src/files/offer.ts';
import type { RemotePeer } from '../../src/remote-peer.ts';
import { push } from '../../src/sharing/push.ts';
import { encodePushState } from '../../src/sharing/push-state.ts';
import type { StreamResult } from '../../src/streams/asked-stream.ts';

const offer: FileOffer = {
  kind: 'file',
  name: 'a.txt',
  size: 7,
  files: 1,
  id: new Uint8Array(32),
  mtimeMs: 0,
  isExecutable: false,
};

function pushTo(ask: (signal: AbortSignal) => Promise<StreamResult>, signal: AbortSignal): Promise<void> {
  const peer = { name: 'pi', ask: (request: { signal: AbortSignal }) => ask(request.signal) };
  return push(peer as unknown as RemotePeer, offer, {
    signal,
    now: () => performance.now(),
    firstAnswerMs: 200,
    patienceMs: 200,
  });
}

test('one that never answers is given up', async () => {
  const never = (signal: AbortSignal): Promise<StreamResult> =>
    new Promise((done) => {
      signal.addEventListener('abort', () => done({ ok: false, reason: 'lost' }));
    });
  await expect(pushTo(never, new AbortController().signal)).rejects.toMatchObject({ code: 'no-answer' });
});

test('one that says the same again and again at once is not asked as often', async () => {
  let asked = 0;
  const bytes = encodePushState({ state: 'taking', doneBytes: 0 });
  const babble = async (): Promise<StreamResult> => {
    asked++;
    return { ok: true, bytes };
  };
  await expect(pushTo(babble, AbortSignal.timeout(300))).rejects.toMatchObject({ code: 'aborted' });
  expect(asked).toBeLessThan(10);
});

test('one that is too busy is asked again', async () => {
  const results: StreamResult[] = [
    { ok: false, reason: 'refused', code: 'busy' },
    { ok: true, bytes: encodePushState({ state: 'done', doneBytes: 7 }) },
  ];
  const answers = async (): Promise<StreamResult> => results.shift() ?? { ok: false, reason: 'lost' };
  const peer = { name: 'pi', ask: answers } as unknown as RemotePeer;
  const { signal } = new AbortController();
  await push(peer, offer, { signal, now: () => performance.now() });
  expect(results).toEqual([]);
});
