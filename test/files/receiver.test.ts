/** What becomes of pushes, and what they leave behind that nobody wanted. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { concat } from '../../src/bytes.ts';
import { CHUNK_BYTES, TreeBuilder } from '../../src/files/content-tree.ts';
import { MAX_LISTING_BYTES } from '../../src/files/folder-listing.ts';
import { encodeEntry, type ManifestEntry, ManifestReader } from '../../src/files/manifest.ts';
import type { FolderOffer, Offer } from '../../src/files/offer.ts';
import { Shelf } from '../../src/files/shelf.ts';
import type { RemotePeer } from '../../src/remote-peer.ts';
import { readQuestion } from '../../src/sharing/offer-list.ts';
import { decodePushState } from '../../src/sharing/push-state.ts';
import { Receiver, type ReceiverOptions } from '../../src/sharing/receiver.ts';
import { described, patterned, plant } from '../support/files.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const ROUTE = { process: 1n };

function peerThat(ask: RemotePeer['ask']): RemotePeer {
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
  const push = async (peer: RemotePeer, offer: Offer, number = 1) =>
    decodePushState(await one.onPush(peer, { kind: 'push', offer, push: number }, ROUTE))?.state;
  return { push, failed, stop, one };
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

test('nor does what no disk has room for', async () => {
  await using folder = await TemporaryFolder.make();
  const { push, failed } = receiver(folder.path);
  const peer = peerThat(async () => ({ ok: false, reason: 'lost' }));
  const offer: Offer = {
    ...{ kind: 'file', name: 'gift', size: Number.MAX_SAFE_INTEGER, files: 1 },
    ...{ id: new Uint8Array(32).fill(7), mtimeMs: 0, isExecutable: false },
  };
  expect(await push(peer, offer)).toBe('failed');
  expect(failed).toEqual(['disk-full']);
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

/** A folder of nothing but the bytes of its manifest; its size and number of files are as the manifest says, or as told. */
function folderOf(manifest: Uint8Array, told: Partial<FolderOffer> = {}) {
  const pieces = new Map<string, Uint8Array>();
  const builder = new TreeBuilder((level, index, node) => void pieces.set(`${level}/${index}`, node.slice()));
  for (let at = 0; at === 0 || at < manifest.length; at += CHUNK_BYTES) {
    const chunk = manifest.subarray(at, at + CHUNK_BYTES);
    pieces.set(`0/${at / CHUNK_BYTES}`, chunk);
    builder.add(chunk);
  }
  const id = builder.finish(manifest.length);
  const reader = new ManifestReader();
  reader.push(manifest);
  const offer: FolderOffer = {
    ...{ kind: 'folder', name: 'gift', size: reader.bytes, files: reader.files, id, mtimeMs: 0 },
    ...{ manifestSize: manifest.length, ...told },
  };
  return { offer, pieces };
}

/** A peer that gives the pieces of a manifest, but not the last chunk; and how many bytes it gave. */
function withholder({ offer, pieces }: ReturnType<typeof folderOf>) {
  const last = Math.ceil(offer.manifestSize / CHUNK_BYTES) - 1;
  const given = { bytes: 0 };
  const ask: RemotePeer['ask'] = async ({ subject, signal }) => {
    const asked = readQuestion(subject);
    if (asked?.kind !== 'piece') throw new Error('not asked for a piece');
    const { piece } = asked;
    const [level, index] = piece.kind === 'node' ? [piece.level, piece.index] : [0, piece.index];
    const bytes = level === 0 && index === last ? undefined : pieces.get(`${level}/${index}`);
    if (bytes === undefined)
      return new Promise((done) =>
        signal?.addEventListener('abort', () => done({ ok: false, reason: 'lost' }), { once: true }),
      );
    given.bytes += bytes.length;
    return { ok: true, bytes };
  };
  const peer = { name: 'mallory', publicKey: 'UDP-KEY', ask } as unknown as RemotePeer;
  return { peer, given };
}

async function all(entries: AsyncIterable<ManifestEntry>): Promise<ManifestEntry[]> {
  const found: ManifestEntry[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

const LONG = 'x'.repeat(200);

function manyFiles(count: number): Uint8Array {
  const id = new Uint8Array(32).fill(7);
  const file = { kind: 'file', size: 5, mtimeMs: 0, isExecutable: false, id } as const;
  return concat(
    ...Array.from({ length: count }, (_, i) => encodeEntry({ ...file, path: `${1e6 + i}${LONG}` })),
  );
}

test('a manifest that never ends: its owner is asked by its beginning, and nothing of it is on the disk', async () => {
  await using folder = await TemporaryFolder.make();
  const told = folderOf(manyFiles(10_000));
  expect(told.offer.manifestSize).toBeGreaterThan(2 * MAX_LISTING_BYTES);
  const { peer, given } = withholder(told);
  const shown: ManifestEntry[][] = [];
  const { push, stop, failed, one } = receiver(folder.path, {
    decide: async ({ entries, hasMore }, signal) => {
      // As often as somebody looks.
      for (let i = 0; i < 2; i++) shown.push(await all(entries));
      if (!hasMore) throw new Error('all of it is said to be shown');
      return new Promise((done) => signal.addEventListener('abort', () => done(false), { once: true }));
    },
  });
  expect(await push(peer, told.offer)).toBe('asked');
  expect(await push(peer, told.offer)).toBe('asked');
  expect(given.bytes).toBeLessThanOrEqual(MAX_LISTING_BYTES + CHUNK_BYTES); // with nodes of the tree
  expect(shown[0]?.length).toBeGreaterThan(1_000);
  expect(shown[0]?.[0]).toMatchObject({ path: `1000000${LONG}`, size: 5 });
  expect(shown[1]?.at(-1)).toEqual(shown[0]?.at(-1));
  expect(await readdir(folder.path)).toEqual([]);
  stop.abort();
  await expect.poll(() => one.pushes[0]?.state).toBe('refused');
  expect([await readdir(folder.path), failed]).toEqual([[], []]);
});

test('a short manifest that never ends keeps its owner from nothing, and is not on the disk either', async () => {
  await using folder = await TemporaryFolder.make();
  const told = folderOf(manyFiles(2_000));
  const { peer } = withholder(told);
  let asked = 0;
  const { push, stop, one } = receiver(folder.path, { decide: async () => ++asked > 0 });
  expect(await push(peer, told.offer)).toBe('asked');
  expect([asked, await readdir(folder.path)]).toEqual([0, []]);
  stop.abort();
  await expect.poll(() => one.pushes[0]?.state).toBe('failed');
  expect([asked, await readdir(folder.path)]).toEqual([0, []]);
});

test('a manifest of junk is refused by its first bytes, and its owner is not asked', async () => {
  await using folder = await TemporaryFolder.make();
  const told = folderOf(new Uint8Array(40 * CHUNK_BYTES).fill(3));
  const { peer } = withholder(told);
  let asked = 0;
  const { push, failed } = receiver(folder.path, { decide: async () => ++asked > 0 });
  expect(await push(peer, told.offer)).toBe('failed');
  expect([failed, asked, await readdir(folder.path)]).toEqual([['integrity'], 0, []]);
});

test.each([{ size: 4 }, { files: 2 }])('nor about a folder that is not as it is offered: %o', async (lie) => {
  await using folder = await TemporaryFolder.make();
  const told = folderOf(manyFiles(1), lie);
  // The last chunk is one behind the manifest, which has one.
  const { peer } = withholder({ ...told, offer: { ...told.offer, manifestSize: 2 * CHUNK_BYTES } });
  let asked = 0;
  const { push, failed } = receiver(folder.path, { decide: async () => ++asked > 0 });
  expect(await push(peer, told.offer)).toBe('failed');
  expect([failed, asked, await readdir(folder.path)]).toEqual([['integrity'], 0, []]);
});

test('who is accepted has a large folder taken at once, whose manifest is fetched once', async () => {
  await using folder = await TemporaryFolder.make();
  const told = folderOf(manyFiles(5_000));
  const { peer, given } = withholder(told);
  let asked = 0;
  const { push, stop, one } = receiver(folder.path, {
    accepts: () => true,
    decide: async () => ++asked > 0,
  });
  expect(await push(peer, told.offer)).toBe('taking');
  // All but the last chunk.
  await expect.poll(() => given.bytes).toBeGreaterThan(told.offer.manifestSize - CHUNK_BYTES);
  stop.abort();
  await expect.poll(() => one.pushes[0]?.state).toBe('failed');
  expect(given.bytes).toBeLessThan(told.offer.manifestSize + CHUNK_BYTES);
  expect([asked, await readdir(folder.path)]).toEqual([0, [expect.stringContaining('partial')]]); // it goes on there
});

const CHUNKS = 12;
const CONTENT = patterned(CHUNKS * CHUNK_BYTES);

/** A peer that gives so many chunks, and the others once it may. */
async function pusher(folder: string, chunks: number) {
  const into = join(folder, 'into');
  await mkdir(into);
  await plant(join(folder, 'source'), { gift: CONTENT });
  const shelf = await Shelf.open({ stateDir: join(folder, 'state') });
  const { offer } = await shelf.add(join(folder, 'source', 'gift'));
  const given = { chunks: 0, most: chunks };
  const ask: RemotePeer['ask'] = async ({ subject, signal, onBytes }) => {
    const asked = readQuestion(subject);
    if (asked?.kind !== 'piece') throw new Error('not asked for a piece');
    if (asked.piece.kind === 'chunk' && given.chunks >= given.most)
      return new Promise((done) =>
        signal?.addEventListener('abort', () => done({ ok: false, reason: 'lost' }), { once: true }),
      );
    if (asked.piece.kind === 'chunk') given.chunks++;
    const bytes = await shelf.read('anybody', asked.piece);
    if (bytes === null) return { ok: false, reason: 'refused', code: 'unknown' };
    onBytes?.(bytes.length);
    return { ok: true, bytes };
  };
  const peer = { name: 'ann', publicKey: 'UDP-KEY', ask } as unknown as RemotePeer;
  return { into, shelf, offer, given, peer };
}

test.each([0, 3])(
  'a folder of %i files that is asked about is shown whole, and then taken',
  async (count) => {
    await using folder = await TemporaryFolder.make();
    const tree = Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`, `${i}`]));
    await plant(join(folder.path, 'gift'), tree);
    const { into, shelf, peer } = await pusher(folder.path, 100);
    const { offer } = await shelf.add(join(folder.path, 'gift'));
    const shown: string[] = [];
    const { push, one } = receiver(into, {
      decide: async ({ entries, hasMore }) => {
        shown.push(
          ...(await all(entries)).map(({ path }) => path),
          String(hasMore),
          ...(await readdir(into)),
        );
        return true;
      },
    });
    await push(peer, offer);
    await expect.poll(() => one.pushes[0]?.state).toBe('done');
    expect(shown).toEqual([...Object.keys(tree), 'false']);
    expect(await described(join(into, 'gift'))).toEqual(await described(join(folder.path, 'gift')));
    await shelf.close();
  },
);

test('a push that is taken pauses, goes on with what came, and tells each change', async () => {
  await using folder = await TemporaryFolder.make();
  const { into, shelf, offer, given, peer } = await pusher(folder.path, 5);
  const states: string[] = [];
  const { push, one, failed } = receiver(into, {
    decide: async () => true,
    onChange: ({ state }) => states.push(state),
  });
  expect(await push(peer, offer)).toBe('taking');
  const [view] = one.pushes;
  if (view === undefined) throw new Error('no push is there');
  await expect.poll(() => view.doneBytes).toBe(5 * CHUNK_BYTES);
  expect(view.bytesPerSecond).toBeGreaterThan(0);
  view.pause();
  given.most = CHUNKS;
  // Its sender is told nothing that older ones would not understand.
  expect(await push(peer, offer)).toBe('taking');
  expect([view.state, view.bytesPerSecond, given.chunks]).toEqual(['paused', 0, 5]);
  view.resume();
  await expect.poll(() => view.state).toBe('done');
  expect(states).toEqual(['asked', 'taking', 'paused', 'taking', 'done']);
  expect([given.chunks, view.doneBytes, failed]).toEqual([CHUNKS, CONTENT.length, []]);
  expect(view.path).toBe(join(into, 'gift'));
  expect((await readFile(join(into, 'gift'))).equals(CONTENT)).toBe(true);
  view.cancel(); // what is done stays
  expect([view.state, await readdir(into)]).toEqual(['done', ['gift']]);
  await shelf.close();
});

test('what is pushed anew is decided anew; about the old push the same is said again', async () => {
  await using folder = await TemporaryFolder.make();
  const { into, shelf, offer, peer } = await pusher(folder.path, CHUNKS);
  let isWanted = false;
  const { push, one } = receiver(into, { decide: async () => isWanted });
  expect(await push(peer, offer, 1)).toBe('refused');
  isWanted = true;
  expect(await push(peer, offer, 1)).toBe('refused');
  expect(await push(peer, offer, 2)).toBe('taking');
  await push(peer, offer, 3); // one with the second
  await expect.poll(() => one.pushes.at(-1)?.state).toBe('done');
  expect([await push(peer, offer, 2), await push(peer, offer, 3)]).toEqual(['done', 'done']);
  expect(await readdir(into)).toEqual(['gift']);
  await shelf.close();
});

test.each([
  { when: 'while it comes', isPaused: false },
  { when: 'while it is paused', isPaused: true },
])(
  'a push that is cancelled $when leaves nothing, and its sender hears that it is refused',
  async ({ isPaused }) => {
    await using folder = await TemporaryFolder.make();
    const { into, shelf, offer, peer } = await pusher(folder.path, 5);
    const { push, one, failed } = receiver(into, { decide: async () => true });
    await push(peer, offer);
    const [view] = one.pushes;
    await expect.poll(() => view?.doneBytes).toBe(5 * CHUNK_BYTES);
    if (isPaused) view?.pause();
    view?.cancel();
    await expect.poll(() => view?.state).toBe('cancelled');
    expect(await push(peer, offer)).toBe('refused');
    expect([await readdir(into), failed, view?.error]).toEqual([[], [], null]);
    await shelf.close();
  },
);

test('a push that is cancelled before anybody decided is not taken', async () => {
  await using folder = await TemporaryFolder.make();
  const { into, shelf, offer, peer } = await pusher(folder.path, 5);
  const { push, one } = receiver(into, {
    decide: (_pushed, signal) =>
      new Promise((done) => signal.addEventListener('abort', () => done(true), { once: true })),
    onChange: (view) => {
      if (view.state === 'asked') queueMicrotask(() => view.cancel());
    },
  });
  expect(await push(peer, offer)).toBe('refused');
  expect([one.pushes[0]?.state, await readdir(into)]).toEqual(['cancelled', []]);
  await shelf.close();
});

test('of one peer 8 pushes are taken at once, and others once one of them is over', async () => {
  await using folder = await TemporaryFolder.make();
  const { push, one, stop } = receiver(folder.path);
  const ask: RemotePeer['ask'] = ({ signal }) =>
    new Promise((done) =>
      signal?.addEventListener('abort', () => done({ ok: false, reason: 'lost' }), { once: true }),
    );
  const peer = peerThat(ask);
  const pushed = Array.from({ length: 8 }, (_, salt) => push(peer, folderOffer(salt)));
  expect(await push(peer, folderOffer(8))).toBe('busy');
  const other = { ...peer, publicKey: 'ANOTHER-KEY' } as unknown as RemotePeer;
  expect(await Promise.all([push(other, folderOffer(9)), ...pushed])).toEqual(Array(9).fill('asked'));
  one.pushes[0]?.cancel();
  await expect.poll(() => one.pushes[0]?.state).toBe('cancelled');
  expect(await push(peer, folderOffer(8))).toBe('asked');
  expect(await push(peer, folderOffer(10))).toBe('busy');
  stop.abort();
  await expect.poll(() => readdir(folder.path)).toEqual([]);
});
