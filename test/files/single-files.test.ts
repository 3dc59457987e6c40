import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CHUNK_BYTES } from '../../src/files/content-tree.ts';
import { Download } from '../../src/files/download.ts';
import { Shelf } from '../../src/files/shelf.ts';
import { copy, patterned } from '../support/files.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

test.each([0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7])('a file of %i bytes', async (size) => {
  await using folder = await TemporaryFolder.make();
  const source = join(folder.path, 'source');
  await writeFile(source, patterned(size));
  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
  const { offer } = await shelf.add(source);

  const download = await Download.open({ offer, into: folder.path, name: 'copy', conflict: 'fail' });
  await copy(shelf, download);
  const path = await download.finish();
  await shelf.close();

  expect(path).toBe(join(folder.path, 'copy'));
  expect(Buffer.compare(await readFile(path), patterned(size))).toBe(0);
  expect(Math.floor((await stat(path)).mtimeMs)).toBe(offer.mtimeMs);
});
