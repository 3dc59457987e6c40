import {
  appendFile,
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { toHex } from '../../src/bytes.ts';
import { CHUNK_BYTES, FAN_OUT, HASH_BYTES, hashNode } from '../../src/files/content-tree.ts';
import type { Offer, Subject } from '../../src/files/offer.ts';
import { Shelf, type ShelfNews } from '../../src/files/shelf.ts';
import { LONG_AGO_MS, patterned, plant } from '../support/files.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

/** A shelf whose news are kept, and a folder for what is shared. */
async function openShelf(folder: string): Promise<{ shelf: Shelf; news: string[]; source: string }> {
  const news: string[] = [];
  const onNews = (one: ShelfNews): void => {
    news.push(`${one.kind} ${one.path.slice(folder.length + 1)}`);
  };
  return {
    shelf: await Shelf.open({ stateDir: join(folder, 'state'), onNews }),
    news,
    source: join(folder, 'source'),
  };
}

function chunk({ id }: Offer, index = 0): Subject {
  return { kind: 'chunk', blob: id, index };
}

test('only those to whom it is offered may see and read it', async () => {
  await using folder = await TemporaryFolder.make();
  const { shelf, source } = await openShelf(folder.path);
  await plant(source, { file: 'text', 'folder/inner': 'other text', all: 'for all' });
  const file = (await shelf.add(join(source, 'file'), { to: ['ann'] })).offer;
  const inner = (await shelf.add(join(source, 'folder'), { to: ['bob'] })).offer;
  const all = (await shelf.add(join(source, 'all'))).offer;

  const names = (peer: string): string[] => shelf.offersFor(peer).map(({ name }) => name);
  expect([names('ann'), names('bob'), names('eve')]).toEqual([['file', 'all'], ['folder', 'all'], ['all']]);
  expect(await shelf.read('ann', chunk(file))).toEqual(new Uint8Array(Buffer.from('text')));
  expect(await shelf.read('bob', chunk(file))).toBeNull();
  expect(await shelf.read('bob', chunk(inner))).not.toBeNull();
  expect(await shelf.read('eve', chunk(inner))).toBeNull();
  expect(await shelf.read('eve', chunk(all))).not.toBeNull();
  expect(shelf.remove(join(source, 'all'))).toBe(true);
  expect(await shelf.read('eve', chunk(all))).toBeNull();
  expect(names('eve')).toEqual([]);
  await shelf.close();
  expect(await readdir(join(folder.path, 'state'))).toEqual(['hashes', 'nodes']);
});

test('places that are not there are null', async () => {
  await using folder = await TemporaryFolder.make();
  const { shelf, source } = await openShelf(folder.path);
  await plant(source, { file: patterned(2 * CHUNK_BYTES) });
  const { offer } = await shelf.add(join(source, 'file'));
  const { id } = offer;
  for (const index of [2, -1, 0.5, Number.NaN, 2 ** 53])
    expect(await shelf.read('a', chunk(offer, index))).toBeNull();
  for (const level of [0, 2, -1, 0.5])
    expect(await shelf.read('a', { kind: 'node', blob: id, level, index: 0 })).toBeNull();
  expect(await shelf.read('a', { kind: 'chunk', blob: id.subarray(1), index: 0 })).toBeNull();
  await shelf.close();
});

const CHANGES: Readonly<Record<string, (path: string) => Promise<void>>> = {
  appended: (path) => appendFile(path, 'x'),
  shorter: (path) => truncate(path, 5),
  touched: (path) => utimes(path, 5, 5),
  removed: (path) => rm(path),
  replaced: async (path) => {
    await writeFile(`${path}.new`, await readFile(path));
    await utimes(`${path}.new`, LONG_AGO_MS / 1000, LONG_AGO_MS / 1000);
    await rename(`${path}.new`, path);
  },
  'replaced by a link': async (path) => {
    await rename(path, `${path}.old`);
    await symlink(`${path}.old`, path);
  },
};

test.each(Object.keys(CHANGES))(
  'a file that was %s is not what was offered, until it is looked at again',
  async (change) => {
    await using folder = await TemporaryFolder.make();
    const { shelf, news, source } = await openShelf(folder.path);
    await plant(source, { 'a/file': patterned(CHUNK_BYTES) });
    const file = (await shelf.add(join(source, 'a/file'))).offer;
    const whole = (await shelf.add(join(source, 'a'))).offer;
    await CHANGES[change]?.(join(source, 'a/file'));

    await expect(shelf.read('ann', chunk(file))).rejects.toMatchObject({ code: 'content-changed' });
    expect(news).toEqual(['withdrawn source/a/file']);
    await shelf.refresh();
    const isThere = change !== 'removed' && change !== 'replaced by a link';
    expect(
      shelf
        .offersFor('ann')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(isThere ? ['a', 'file'] : ['a']);
    for (const offer of shelf.offersFor('ann')) expect(await shelf.read('ann', chunk(offer))).not.toBeNull();
    if (change !== 'touched' && change !== 'replaced')
      expect(shelf.offersFor('ann')).not.toContainEqual(whole);
    await shelf.close();
  },
);

test('a watched folder: what comes, changes and goes', async () => {
  await using folder = await TemporaryFolder.make();
  const { shelf, news, source } = await openShelf(folder.path);
  await plant(source, { one: '1', 'two/inner': '2' });
  await shelf.watch(source, { to: ['ann'] });
  const look = async (): Promise<unknown> => {
    news.splice(0);
    await shelf.refresh();
    return [
      news.sort(),
      shelf
        .offersFor('ann')
        .map(({ name }) => name)
        .sort(),
      shelf.offersFor('bob'),
    ];
  };
  expect(await look()).toEqual([['offered source/one', 'offered source/two'], ['one', 'two'], []]);
  expect(await look()).toEqual([[], ['one', 'two'], []]);
  await plant(source, { three: '3', 'two/inner': 'changed' });
  await rm(join(source, 'one'));
  expect(await look()).toEqual([
    ['offered source/three', 'offered source/two', 'withdrawn source/one'],
    ['three', 'two'],
    [],
  ]);
  await shelf.close();
});

test('hashes are kept: another process need not read the files again', async () => {
  await using folder = await TemporaryFolder.make();
  const first = await openShelf(folder.path);
  const size = (FAN_OUT + 1) * CHUNK_BYTES; // two nodes, and one above them
  await plant(first.source, { small: 'text' });
  await writeFile(join(first.source, 'large'), '');
  await truncate(join(first.source, 'large'), size);
  for (const name of ['small', 'large']) await utimes(join(first.source, name), 1, 1);
  const hashed: number[] = [];
  const onProgress = (done: number): void => void hashed.push(done);
  const { offer } = await first.shelf.add(first.source, { onProgress });
  expect(hashed.at(-1)).toBe(size + 4);
  expect(hashed.length).toBeGreaterThan(FAN_OUT);
  await first.shelf.close();

  hashed.splice(0);
  const second = await openShelf(folder.path);
  expect((await second.shelf.add(second.source, { onProgress })).offer).toEqual(offer);
  expect(hashed).toHaveLength(2);
  const large = (await second.shelf.add(join(second.source, 'large'))).offer;
  const node = (level: number, index: number): Promise<Uint8Array | null> =>
    second.shelf.read('ann', { kind: 'node', blob: large.id, level, index });
  const [top, one, other] = [await node(2, 0), await node(1, 0), await node(1, 1)];
  expect([top?.length, one?.length, other?.length]).toEqual([
    2 * HASH_BYTES,
    FAN_OUT * HASH_BYTES,
    HASH_BYTES,
  ]);
  expect(toHex(top?.subarray(0, HASH_BYTES) ?? new Uint8Array())).toBe(
    toHex(hashNode(1, one ?? new Uint8Array())),
  );
  await second.shelf.close();
});

test.each(['nodes', 'hashes', 'all'])('of what is kept, %s may be lost', async (lost) => {
  await using folder = await TemporaryFolder.make();
  const { shelf, source } = await openShelf(folder.path);
  await plant(source, { a: patterned(2 * CHUNK_BYTES) });
  const { offer } = await shelf.add(source);
  await shelf.close();
  await rm(join(folder.path, 'state', lost === 'all' ? '' : lost), { recursive: true });
  await mkdir(join(folder.path, 'state'), { recursive: true });
  await appendFile(join(folder.path, 'state', 'hashes'), '["/half of a line');
  const again = await openShelf(folder.path);
  expect((await again.shelf.add(source)).offer).toEqual(offer);
  const file = (await again.shelf.add(join(source, 'a'))).offer;
  expect(await again.shelf.read('ann', { kind: 'node', blob: file.id, level: 1, index: 0 })).toHaveLength(64);
  await again.shelf.close();
});

test('what cannot be shared is refused', async () => {
  await using folder = await TemporaryFolder.make();
  const { shelf, source } = await openShelf(folder.path);
  await plant(source, { file: patterned(10 * CHUNK_BYTES), 'back\\slash': '' });
  await expect(shelf.add('/dev/null')).rejects.toMatchObject({ code: 'bad-usage' });
  await expect(shelf.add(join(source, 'back\\slash'))).rejects.toMatchObject({ code: 'bad-usage' });
  await expect(shelf.add(join(source, 'nothing'))).rejects.toMatchObject({ code: 'bad-usage' });
  const stop = new AbortController();
  const added = shelf.add(source, { signal: stop.signal, onProgress: () => stop.abort() });
  await expect(added).rejects.toMatchObject({ code: 'aborted' });
  await symlink(join(source, 'file'), join(source, 'link'));
  expect((await shelf.add(join(source, 'link'))).offer).toMatchObject({
    name: 'link',
    size: 10 * CHUNK_BYTES,
  });
  await chmod(join(source, 'file'), 0o755);
  await shelf.refresh();
  expect(shelf.offersFor('ann')).toMatchObject([{ name: 'link' }]);
  await shelf.close();
});

test('the list says what is offered to whom, and each can be given to others or taken away', async () => {
  await using folder = await TemporaryFolder.make();
  const { shelf, source } = await openShelf(folder.path);
  await plant(source, { 'watched/one': '1', 'watched/two': '2', 'watched/three': '3', alone: '4' });
  const watched = join(source, 'watched');
  await shelf.watch(watched, { to: ['ann'] });
  const alone = join(source, 'alone');
  const { offer } = await shelf.add(alone, { to: ['bob'] });
  await shelf.refresh();
  const names = (peer: string): string =>
    shelf
      .offersFor(peer)
      .map(({ name }) => name)
      .sort()
      .join();

  expect(shelf.list()[0]).toEqual({ path: alone, name: 'alone', to: ['bob'], offer, isFound: false });
  expect(shelf.list()).toHaveLength(4);
  expect(shelf.watched).toEqual([{ path: watched, to: ['ann'] }]);

  expect(shelf.offerTo(alone, ['ann'])).toBe(true);
  expect([await shelf.read('bob', chunk(offer)), names('bob')]).toEqual([null, '']);
  expect(await shelf.read('ann', chunk(offer))).not.toBeNull();

  // One of a folder is for bob alone, also after it was gone, and whoever else gets the rest.
  expect(shelf.offerTo(join(watched, 'two'), ['bob'])).toBe(true);
  await rm(join(watched, 'two'));
  await shelf.refresh();
  expect(shelf.list().find(({ name }) => name === 'two')?.offer).toBeNull();
  await writeFile(join(watched, 'two'), '2');
  expect(shelf.offerTo(watched, undefined)).toBe(true);
  await shelf.refresh();
  expect([names('bob'), names('eve')]).toEqual(['one,three,two', 'one,three']);

  // What is taken away does not come back by itself.
  expect(shelf.remove(join(watched, 'one'))).toBe(true);
  await shelf.refresh();
  expect(names('eve')).toBe('three');
  await shelf.add(join(watched, 'one'));
  expect(names('eve')).toBe('one,three');

  // Of a folder, what was named by itself stays.
  expect(shelf.remove(watched)).toBe(true);
  await shelf.refresh();
  expect([names('eve'), names('bob'), shelf.watched]).toEqual(['one', 'one,two', []]);
  expect([shelf.remove(watched), shelf.offerTo(watched, ['ann'])]).toEqual([false, false]);
  await shelf.close();
});

test('a folder that is taken away while it is looked at is not offered', async () => {
  await using folder = await TemporaryFolder.make();
  const source = join(folder.path, 'source');
  await plant(source, { one: '1', two: '2' });
  let news = 0;
  const onNews = (): void => {
    news++;
    shelf.remove(source);
  };
  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state'), onNews });
  await shelf.watch(source);
  await shelf.refresh();
  expect([news, shelf.list()]).toEqual([1, []]);
  await shelf.close();
});
