import { execFileSync } from 'node:child_process';
import { readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CHUNK_BYTES } from '../../src/files/content-tree.ts';
import { Download } from '../../src/files/download.ts';
import { Shelf } from '../../src/files/shelf.ts';
import { copy, described, patterned, plant, type Tree } from '../support/files.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const TREE: Tree = {
  'a file': 'text',
  'a/b/c': patterned(3 * CHUNK_BYTES + 5),
  'a/b/same': patterned(3 * CHUNK_BYTES + 5),
  'a!': 'after what is in "a"',
  'empty file': '',
  'empty folder': null,
  'run.sh': '#!/bin/sh\n',
  zeros: Buffer.alloc(2 * CHUNK_BYTES),
  'ends in zeros': Buffer.concat([Buffer.from('1'), Buffer.alloc(2 * CHUNK_BYTES)]),
  'größer/日本語/👩‍👩‍👧/\u{10ffff}': 'any Unicode',
  'größer/\ue000': 'which UTF-16 sorts otherwise',
};

test('a folder arrives as it is: structure, names, times, run bits, empty ones', async () => {
  await using folder = await TemporaryFolder.make();
  const source = join(folder.path, 'source');
  await plant(source, TREE);
  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
  const { offer, skipped } = await shelf.add(source);
  expect(skipped).toEqual([]);

  const download = await Download.open({ offer, into: folder.path, name: 'copy', conflict: 'fail' });
  await copy(shelf, download);
  expect(download.isComplete).toBe(true);
  expect(download.progress).toEqual({
    doneBytes: offer.size,
    totalBytes: offer.size,
    doneFiles: 10,
    totalFiles: 10,
  });
  const path = await download.finish();
  await shelf.close();

  expect(await described(path)).toEqual(await described(source));
  expect((await readdir(folder.path)).sort()).toEqual(['copy', 'source', 'state']);
});

test('the last pieces of files may come at once: each file ends once', async () => {
  await using folder = await TemporaryFolder.make();
  const source = join(folder.path, 'source');
  await plant(source, { one: patterned(4 * CHUNK_BYTES), other: patterned(5 * CHUNK_BYTES, 2) });
  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
  const { offer } = await shelf.add(source);
  const download = await Download.open({ offer, into: folder.path, name: 'copy', conflict: 'fail' });
  while (!download.isComplete) {
    const accepting: Promise<unknown>[] = [];
    for (let wanted = download.next(); wanted !== null; wanted = download.next()) {
      const bytes = await shelf.read('anybody', wanted.subject);
      if (bytes !== null) accepting.push(download.accept(wanted.subject, bytes));
    }
    if (accepting.length === 0) throw new Error('nothing more can be asked for');
    await Promise.all(accepting);
  }
  expect(download.progress).toMatchObject({ doneBytes: offer.size, doneFiles: 2 });
  await download.finish();
  expect(await described(join(folder.path, 'copy'))).toEqual(await described(source));
  await shelf.close();
});

test('what cannot be sent is skipped, and said', async () => {
  await using folder = await TemporaryFolder.make();
  const source = join(folder.path, 'source');
  await plant(source, { file: 'text', 'con.txt': 'a device elsewhere', 'back\\slash': '' });
  await symlink('/etc/passwd', join(source, 'link'));
  execFileSync('mkfifo', [join(source, 'pipe')]);
  await writeFile(Buffer.concat([Buffer.from(`${source}/`), Buffer.of(0xff, 0xfe)]), 'no UTF-8');
  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
  const { offer, skipped } = await shelf.add(source);
  await shelf.close();

  expect(offer.files).toBe(1);
  const reasons = skipped.map(({ path, reason }) => `${path.slice(source.length + 1)}: ${reason}`).sort();
  expect(reasons).toEqual([
    'back\\slash: its name cannot be sent: it has a slash',
    'con.txt: its name cannot be sent: it is a device on Windows',
    'link: links are not followed',
    'pipe: it is neither a file nor a folder',
    '\ufffd\ufffd: its name cannot be sent: its name is not UTF-8',
  ]);
});

test('small files, more than are asked for at once', async () => {
  await using folder = await TemporaryFolder.make();
  const source = join(folder.path, 'source');
  const tree: Record<string, string> = {};
  for (let i = 0; i < 400; i++) tree[`${i % 10}/${i}`] = String(i % 700);
  await plant(source, tree);
  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
  const { offer } = await shelf.add(source);
  const download = await Download.open({ offer, into: folder.path, name: 'copy', conflict: 'fail' });
  while (!download.isComplete) await Promise.all(Array.from({ length: 8 }, () => copy(shelf, download)));
  const path = await download.finish();
  await shelf.close();

  expect(await described(path)).toEqual(await described(source));
});
