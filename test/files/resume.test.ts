/** Whatever becomes of an unfinished download on the disk, going on with it gives the right bytes. */
import { appendFile, lstat, mkdir, open, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CHUNK_BYTES } from '../../src/files/content-tree.ts';
import { Download } from '../../src/files/download.ts';
import type { Offer } from '../../src/files/offer.ts';
import { Shelf } from '../../src/files/shelf.ts';
import { copy, described, describedAs, filesBelow, patterned, plant } from '../support/files.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const TREE = {
  'a/small': 'text',
  'a/large': patterned(5 * CHUNK_BYTES + 5),
  'b/empty': '',
  'b/holes': Buffer.concat([
    Buffer.alloc(2 * CHUNK_BYTES),
    patterned(CHUNK_BYTES),
    Buffer.alloc(CHUNK_BYTES + 9),
  ]),
  'b/run.sh': '#!/bin/sh',
};

type Damage = (path: string, at: number) => Promise<void>;

const DAMAGES: Readonly<Record<string, Damage>> = {
  none: async () => {},
  truncated: async (path, at) => truncate(path, Math.floor((await lstat(path)).size * at)),
  longer: (path) => appendFile(path, patterned(CHUNK_BYTES + 3)),
  overwritten: async (path, at) => {
    const file = await open(path, 'r+');
    await file.write(patterned(1000, 77), 0, 1000, Math.floor((await lstat(path)).size * at));
    await file.close();
  },
  removed: (path) => rm(path),
};

const interruption = fc.record({
  pieces: fc.integer({ min: 0, max: 9 }),
  damage: fc.constantFrom(...Object.keys(DAMAGES)),
  file: fc.nat(),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
});

test.each(['source', 'source/a/large', 'source/b/holes'])(
  '%s, interrupted again and again, and damaged',
  async (path) => {
    await using folder = await TemporaryFolder.make();
    await plant(join(folder.path, 'source'), TREE);
    const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
    const { offer } = await shelf.add(join(folder.path, path));
    const expected = await describedAs('copy', join(folder.path, path));
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(interruption, { maxLength: 6 }), async (interruptions) => {
        const into = join(folder.path, `into-${run++}`);
        await mkdir(into);
        for (const { pieces, damage, file, at } of interruptions) {
          const download = await begin(offer, into);
          await copy(shelf, download, pieces);
          await download.suspend();
          const files = await filesBelow(into);
          const damaged = files[file % Math.max(1, files.length)];
          if (damaged !== undefined) await DAMAGES[damage]?.(damaged, at);
        }
        const download = await begin(offer, into);
        await copy(shelf, download);
        await download.finish();
        expect(await described(into)).toEqual(expected);
      }),
      { numRuns: 15 },
    );
    await shelf.close();
  },
);

test('what is there already is not asked for again', async () => {
  await using folder = await TemporaryFolder.make();
  await plant(join(folder.path, 'source'), TREE);
  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
  const { offer } = await shelf.add(join(folder.path, 'source/a/large'));
  const first = await begin(offer, folder.path);
  expect(await copy(shelf, first, 1 + 4)).toBe(5); // the node, and chunks
  await first.suspend();
  const second = await begin(offer, folder.path);
  expect(await copy(shelf, second)).toBe(1 + 2);
  expect(second.progress).toMatchObject({ doneBytes: offer.size, doneFiles: 1 });
  await second.discard();
  await shelf.close();

  expect((await readdir(folder.path)).sort()).toEqual(['source', 'state']);
});

test('chunks of zeros are neither asked for nor stored', async () => {
  await using folder = await TemporaryFolder.make();
  await writeFile(join(folder.path, 'source'), '');
  await truncate(join(folder.path, 'source'), 64 * CHUNK_BYTES + 1);
  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
  const { offer } = await shelf.add(join(folder.path, 'source'));
  const download = await begin(offer, folder.path);
  expect(await copy(shelf, download)).toBe(1);
  const { size, blocks } = await lstat(await download.finish());
  await shelf.close();

  expect({ size, blocks }).toEqual({ size: 64 * CHUNK_BYTES + 1, blocks: 0 });
});

test('only one at a time fetches the same into a folder', async () => {
  await using folder = await TemporaryFolder.make();
  await plant(join(folder.path, 'source'), TREE);
  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
  const { offer } = await shelf.add(join(folder.path, 'source'));
  const first = await begin(offer, folder.path);
  await expect(begin(offer, folder.path)).rejects.toMatchObject({ code: 'locked' });
  await first.suspend();
  // Of a process that was killed: no system has a process of that number.
  const [partial = ''] = (await readdir(folder.path)).filter((name) => name.startsWith('.udp-tool-'));
  await writeFile(join(folder.path, partial, `lock-${2 ** 31 - 1}-1-0123456789abcdef`), '');
  const second = await begin(offer, folder.path);
  await second.discard();
  await shelf.close();
});

test('links that are planted in an unfinished download lead nowhere', async () => {
  await using folder = await TemporaryFolder.make();
  await plant(join(folder.path, 'source'), TREE);
  await plant(join(folder.path, 'outside'), { large: 'precious' });
  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
  const { offer } = await shelf.add(join(folder.path, 'source'));
  const outside = await described(join(folder.path, 'outside'));
  for (const [link, target] of [
    ['tree/a', 'outside'],
    ['tree', 'outside'],
    ['tree/a/large', 'outside/large'],
    ['manifest', 'outside/large'],
  ] as const) {
    const first = await begin(offer, folder.path);
    await copy(shelf, first, 3);
    await first.suspend();
    const [partial = ''] = (await readdir(folder.path)).filter((name) => name.startsWith('.udp-tool-'));
    await rm(join(folder.path, partial, link), { recursive: true });
    await symlink(join(folder.path, target), join(folder.path, partial, link));

    const goOn = async (): Promise<number> => copy(shelf, await begin(offer, folder.path));
    await expect(goOn()).rejects.toMatchObject({ code: 'exists' });
    expect(await described(join(folder.path, 'outside'))).toEqual(outside);
    await rm(join(folder.path, partial), { recursive: true });
  }
  await shelf.close();
});

function begin(offer: Offer, into: string): Promise<Download> {
  return Download.open({ offer, into, name: 'copy', conflict: 'fail' });
}
