import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Drops } from '../../src/gui/features/files/drops.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

async function* bytes(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('half');
  throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
}

test('a file and a folder are kept, each in a folder of its own, until they are removed', async () => {
  await using folder = await TemporaryFolder.make();
  const drops = new Drops(folder.path, () => 0);
  const file = drops.begin('note.txt');
  await drops.write(file, '', bytes('hel', 'lo'));
  const album = drops.begin('album');
  await drops.write(album, 'a/b.txt', bytes('b'));
  await drops.write(album, 'c.txt', bytes());
  const [filePath, albumPath] = [drops.finish(file), drops.finish(album)];
  expect(await readFile(filePath, 'utf8')).toBe('hello');
  expect(await readFile(join(albumPath, 'a', 'b.txt'), 'utf8')).toBe('b');
  expect(await readFile(join(albumPath, 'c.txt'), 'utf8')).toBe('');
  await drops.removeAt(filePath);
  await drops.removeAt(folder.path); // none of them
  expect(await readdir(folder.path)).toEqual([album]);
});

test.each(['..', '.', '', 'a/b', '../x', 'a\\b', 'a\u0000b', 'nul', '\u202egpj.exe'])(
  'a name %j is refused, alone and within a folder',
  async (name) => {
    await using folder = await TemporaryFolder.make();
    const drops = new Drops(folder.path, () => 0);
    expect(() => drops.begin(name)).toThrow(expect.objectContaining({ code: 'bad-usage' }));
    const album = drops.begin('album');
    if (name !== '' && name !== 'a/b')
      await expect(drops.write(album, `inner/${name}`, bytes('x'))).rejects.toMatchObject({
        code: 'bad-usage',
      });
    expect(await readdir(folder.path)).toEqual([]);
  },
);

test('nothing is written to what is unknown, or whole, or there already', async () => {
  await using folder = await TemporaryFolder.make();
  const drops = new Drops(folder.path, () => 0);
  await expect(drops.write('ab', '', bytes('x'))).rejects.toMatchObject({ code: 'bad-usage' });
  const id = drops.begin('note.txt');
  await drops.write(id, '', bytes('first'));
  await expect(drops.write(id, '', bytes('second'))).rejects.toMatchObject({ code: 'exists' });
  const path = drops.finish(id);
  await expect(drops.write(id, '', bytes('third'))).rejects.toMatchObject({ code: 'bad-usage' });
  expect(await readFile(path, 'utf8')).toBe('first');
});

test('of a file that does not come whole nothing is left', async () => {
  await using folder = await TemporaryFolder.make();
  const drops = new Drops(folder.path, () => 0);
  const id = drops.begin('note.txt');
  await expect(drops.write(id, '', broken())).rejects.toMatchObject({ code: 'aborted' });
  expect(await readdir(join(folder.path, id))).toEqual([]);
  await drops.cancel(id);
  expect(await readdir(folder.path)).toEqual([]);
});

test('what is left of another time goes, but for what is still offered', async () => {
  await using folder = await TemporaryFolder.make();
  await mkdir(join(folder.path, 'old'));
  await mkdir(join(folder.path, 'kept'));
  await writeFile(join(folder.path, 'kept', 'note.txt'), 'x');
  await new Drops(folder.path, () => 0).clear([join(folder.path, 'kept', 'note.txt')]);
  expect(await readdir(folder.path)).toEqual(['kept']);
});

test('no more are begun than a page can mean, and one whose page went away is forgotten', async () => {
  await using folder = await TemporaryFolder.make();
  let now = 0;
  const drops = new Drops(folder.path, () => now);
  const first = drops.begin('album');
  await drops.write(first, 'a.txt', bytes('a'));
  for (let i = 1; i < 64; i++) drops.begin('x');
  expect(() => drops.begin('x')).toThrow(expect.objectContaining({ code: 'spool-full' }));
  now = 600_000;
  drops.begin('x');
  await expect.poll(() => readdir(folder.path)).toEqual([]);
  expect(() => drops.finish(first)).toThrow(expect.objectContaining({ code: 'bad-usage' }));
});
