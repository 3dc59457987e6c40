/** What pushes leave behind that nobody wanted. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Offer } from '../../src/files/offer.ts';
import type { RemotePeer } from '../../src/remote-peer.ts';
import { decodePushState } from '../../src/sharing/push-state.ts';
import { Receiver, type ReceiverOptions } from '../../src/sharing/receiver.ts';
import type { StreamResult } from '../../src/streams/asked-stream.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const ROUTE = { process: 1n };

function peerThat(ask: () => Promise<StreamResult>): RemotePeer {
  return { name: 'mallory', publicKey: 'UDP-KEY', ask } as unknown as RemotePeer;
}

function folderOffer(salt: number): Offer {
  const id = new Uint8Array(32).fill(salt);
  return { kind: 'folder', name: 'gift', size: 1, files: 1, id, manifestSize: 300_000_000, mtimeMs: 0 };
}

function receiver(into: string, options: Partial<ReceiverOptions> = {}) {
  const failed: string[] = [];
  const stop = new AbortController();
  const one = new Receiver({
    into,
    signal: stop.signal,
    now: () => performance.now(),
    decide: async () => false,
    onFailed: (_peer, _offer, error) => failed.push(error.code),
    ...options,
  });
  const push = async (peer: RemotePeer, offer: Offer) =>
    decodePushState(await one.onPush(peer, offer, ROUTE))?.state;
  return { push, failed, stop };
}

test('who is refused anyway has nothing written, nor kept in memory', async () => {
  await using folder = await TemporaryFolder.make();
  let asked = 0;
  const { push } = receiver(folder.path, { refuses: () => true });
  const peer = peerThat(async () => {
    asked++;
    return { ok: false, reason: 'lost' };
  });
  for (let salt = 0; salt < 5; salt++) expect(await push(peer, folderOffer(salt))).toBe('refused');
  expect(asked).toBe(0);
  expect(await readdir(folder.path)).toEqual([]);
});

test('what somebody begins to push who is not let in leaves nothing behind', async () => {
  await using folder = await TemporaryFolder.make();
  const { push, failed } = receiver(folder.path);
  // Its manifest never comes.
  const peer = peerThat(async () => ({ ok: false, reason: 'refused', code: 'unknown' }));
  expect(await push(peer, folderOffer(7))).toBe('failed');
  await expect.poll(() => failed).toEqual(['no-answer']);
  expect(await readdir(folder.path)).toEqual([]);
});

test('and takes nothing away that was there before', async () => {
  await using folder = await TemporaryFolder.make();
  const partial = join(folder.path, `.udp-tool-partial-${'07'.repeat(32)}`);
  await mkdir(partial, { mode: 0o700 });
  await writeFile(join(partial, 'data'), 'half of it');
  const { push } = receiver(folder.path);
  const offer: Offer = {
    kind: 'file',
    name: 'gift',
    size: 100,
    files: 1,
    id: new Uint8Array(32).fill(7),
    mtimeMs: 0,
    isExecutable: false,
  };
  expect(
    await push(
      peerThat(async () => ({ ok: false, reason: 'lost' })),
      offer,
    ),
  ).toBe('refused');
  expect(await readdir(partial)).toEqual(['data']);
});
