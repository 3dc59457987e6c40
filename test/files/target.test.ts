/** The final name: what is there already, what the disk refuses, and streams. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CHUNK_BYTES } from '../../src/files/content-tree.ts';
import { Download } from '../../src/files/download.ts';
import type { Offer, Subject } from '../../src/files/offer.ts';
import { Shelf } from '../../src/files/shelf.ts';
import { StreamDownload } from '../../src/files/stream-download.ts';
import type { Conflict } from '../../src/files/target.ts';
import { copy, described, patterned, plant } from '../support/files.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

/** A file and a folder that are offered, and a folder for what is fetched. */
async function prepare(root: string): Promise<{ shelf: Shelf; file: Offer; folder: Offer; into: string }> {
  await plant(join(root, 'source'), {
    'file.tar': patterned(2 * CHUNK_BYTES + 1),
    'folder/a': 'new',
    'folder/b': 'new',
  });
  const shelf = await Shelf.open({ stateDir: join(root, 'state') });
  const { offer: file } = await shelf.add(join(root, 'source/file.tar'));
  const { offer: folder } = await shelf.add(join(root, 'source/folder'));
  await mkdir(join(root, 'into'));
  return { shelf, file, folder, into: join(root, 'into') };
}

async function fetched(shelf: Shelf, offer: Offer, into: string, conflict: Conflict): Promise<string> {
  const download = await Download.open({ offer, into, conflict });
  await copy(shelf, download);
  return download.finish();
}

test.each(['file', 'folder'] as const)('a %s whose name is taken', async (kind) => {
  await using root = await TemporaryFolder.make();
  const { shelf, into, ...offers } = await prepare(root.path);
  const offer = offers[kind];
  const [second, third] = kind === 'file' ? ['file (2).tar', 'file (3).tar'] : ['folder (2)', 'folder (3)'];
  if (kind === 'file') await writeFile(join(into, 'file.tar'), 'mine');
  else await plant(join(into, 'folder'), { mine: 'mine' });
  const before = await described(into);
  for (const conflict of ['fail', 'skip'] as const)
    await expect(fetched(shelf, offer, into, conflict)).rejects.toMatchObject({ code: 'exists' });
  expect(await described(into)).toEqual(before);
  expect(await fetched(shelf, offer, into, 'rename')).toBe(join(into, second));
  expect(await fetched(shelf, offer, into, 'rename')).toBe(join(into, third));
  expect(await described(into)).toEqual(expect.arrayContaining(before));
  if (kind === 'folder') {
    await expect(fetched(shelf, offer, into, 'overwrite')).rejects.toMatchObject({ code: 'exists' });
    expect(await described(into)).toEqual(expect.arrayContaining(before));
  } else {
    await fetched(shelf, offer, into, 'overwrite');
    expect((await readFile(join(into, 'file.tar'))).length).toBe(offer.size);
  }
  await shelf.close();
});

test('a name that is taken meanwhile is left, and what was fetched stays for another try', async () => {
  await using root = await TemporaryFolder.make();
  const { shelf, file, into } = await prepare(root.path);
  const download = await Download.open({ offer: file, into, conflict: 'fail' });
  await copy(shelf, download);
  await writeFile(join(into, 'file.tar'), 'mine');
  await expect(download.finish()).rejects.toMatchObject({ code: 'exists' });
  await download.suspend();
  expect(await readFile(join(into, 'file.tar'), 'utf8')).toBe('mine');

  const again = await Download.open({ offer: file, into, conflict: 'rename' });
  expect(await copy(shelf, again)).toBe(1); // the node alone
  expect(await again.finish()).toBe(join(into, 'file (2).tar'));
  await shelf.close();
});

test('a folder that takes the name meanwhile is not replaced', async () => {
  await using root = await TemporaryFolder.make();
  const { shelf, file, into } = await prepare(root.path);
  const download = await Download.open({ offer: file, into, conflict: 'overwrite' });
  await copy(shelf, download);
  await mkdir(join(into, 'file.tar'));
  await expect(download.finish()).rejects.toMatchObject({ code: 'exists' });
  await download.discard();
  expect(await readdir(into)).toEqual(['file.tar']);
  await shelf.close();
});

test('what arrives after it was stopped is not written', async () => {
  await using root = await TemporaryFolder.make();
  const { shelf, file, into } = await prepare(root.path);
  const download = await Download.open({ offer: file, into, conflict: 'fail' });
  await copy(shelf, download, 1);
  const { subject } = download.next() as { subject: Subject };
  const bytes = (await shelf.read('ann', subject)) as Uint8Array;
  const accepting = download.accept(subject, bytes);
  await download.suspend();
  expect(await accepting).toBe('accepted');
  expect(await download.accept(subject, bytes)).toBe('unwanted');
  const again = await Download.open({ offer: file, into, conflict: 'fail' });
  expect(await copy(shelf, again)).toBe(1 + 2);
  await again.discard();
  expect(await readdir(into)).toEqual([]);
  await shelf.close();
});

test('a link that has the name is replaced, and what it leads to is not', async () => {
  await using root = await TemporaryFolder.make();
  const { shelf, file, into } = await prepare(root.path);
  await writeFile(join(root.path, 'outside'), 'precious');
  await symlink(join(root.path, 'outside'), join(into, 'file.tar'));
  await fetched(shelf, file, into, 'overwrite');
  await shelf.close();
  expect(await readFile(join(root.path, 'outside'), 'utf8')).toBe('precious');
  expect((await readFile(join(into, 'file.tar'))).length).toBe(file.size);
});

test('the disk is full in the middle; with room it goes on', async (context) => {
  await using root = await TemporaryFolder.make();
  const { shelf, file, folder, into } = await prepare(root.path);
  // Room for about two chunks, which is enough for what the folder has and not for the file.
  if (!mount(into, `size=${4 * CHUNK_BYTES}`))
    return context.skip('needs root and a system that lets it mount a tmpfs');
  try {
    const download = await Download.open({ offer: file, into, conflict: 'fail' });
    await writeFile(join(into, 'in the way'), patterned(3 * CHUNK_BYTES));
    await expect(copy(shelf, download)).rejects.toMatchObject({
      code: 'disk-full',
      hint: expect.stringContaining('goes on'),
    });
    await download.suspend();
    expect((await readdir(into)).filter((name) => !name.startsWith('.'))).toEqual(['in the way']);
    await expect(Download.open({ offer: file, into, conflict: 'fail' })).rejects.toMatchObject({
      code: 'disk-full',
    });

    await rm(join(into, 'in the way'));
    expect(await fetched(shelf, file, into, 'fail')).toBe(join(into, 'file.tar'));
    expect(Buffer.compare(await readFile(join(into, 'file.tar')), patterned(file.size))).toBe(0);
    await fetched(shelf, folder, into, 'fail');
    execFileSync('mount', ['-o', 'remount,ro', into]);
    await expect(Download.open({ offer: file, into, conflict: 'rename' })).rejects.toMatchObject({
      code: 'no-permission',
    });
  } finally {
    execFileSync('umount', [into]);
    await shelf.close();
  }
});

function mount(path: string, options: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test.each([0, 1, 40 * CHUNK_BYTES + 1])(
  '%i bytes to a stream, in order, with a bound on what is ahead',
  async (size) => {
    await using root = await TemporaryFolder.make();
    await plant(join(root.path, 'source'), { file: patterned(size) });
    const shelf = await Shelf.open({ stateDir: join(root.path, 'state') });
    const { offer } = await shelf.add(join(root.path, 'source/file'));
    const written: Uint8Array[] = [];
    const download = new StreamDownload(offer, async (bytes) => void written.push(bytes));

    while (!download.isComplete) {
      const wanted = [];
      for (let one = download.next(); one !== null; one = download.next()) wanted.push(one.subject);
      expect(wanted.length).toBeLessThanOrEqual(32);
      for (const subject of wanted.reverse()) {
        const bytes = (await shelf.read('ann', subject)) as Uint8Array;
        expect(await download.accept(subject, bytes.slice(1))).toBe('wrong');
        expect(await download.accept(subject, bytes)).toBe('accepted');
      }
    }
    expect(Buffer.compare(Buffer.concat(written), patterned(size))).toBe(0);
    expect(download.progress).toEqual({ doneBytes: size, totalBytes: size, doneFiles: 1, totalFiles: 1 });
    await shelf.close();
  },
);
