/** What may be said by somebody who means harm: it is refused, and nothing is written where it should not be. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { concat } from '../../src/bytes.ts';
import { CHUNK_BYTES } from '../../src/files/content-tree.ts';
import { Download } from '../../src/files/download.ts';
import { ManifestReader } from '../../src/files/manifest.ts';
import { type FolderOffer, type Offer, offerFromCbor, offerToCbor } from '../../src/files/offer.ts';
import { Shelf } from '../../src/files/shelf.ts';
import { type CborValue, encodeTrusted } from '../../src/wire/cbor.ts';
import { copy } from '../support/files.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const ID = new Uint8Array(32).fill(7);

function file(path: CborValue, size: CborValue = 0): CborValue {
  return [path, size, 0, false, ID];
}

const HOSTILE: Readonly<Record<string, readonly CborValue[]>> = {
  'out of the folder': [file('../escaped')],
  'out of the folder, further in': [['a', 0], file('a/../../escaped')],
  'an absolute path': [file('/etc/escaped')],
  'a path of Windows': [file('..\\escaped')],
  'an empty name': [file('')],
  'an empty part': [['a', 0], file('a//b')],
  'a name that ends with a slash': [['a', 0], file('a/')],
  'a control character': [file('a\nb')],
  NUL: [file('a\0b')],
  'a text that is turned round': [file('photo\u202egpj.exe')],
  'a byte order mark': [file('a\ufeff')],
  'a device of Windows': [file('NUL.txt')],
  'an unfinished download': [file('.udp-tool-partial-0000')],
  'a long name': [file('a'.repeat(256))],
  'a deep path': [...deep(65)],
  'the same name twice': [file('a'), file('a')],
  'a file that is also a folder': [file('a'), file('a/b')],
  'a folder that is also a file': [['a', 0], file('a')],
  'not in order': [file('b'), file('a')],
  'in no folder': [file('a/b')],
  'in a folder that is over': [['a', 0], file('b'), file('a/c')],
  'a size below zero': [file('a', -1)],
  'a size that is no integer': [file('a', 0.5)],
  'sizes beyond what a number holds': [file('a', Number.MAX_SAFE_INTEGER), file('b', 1)],
  'a time beyond what a date holds': [['a', Number.MAX_SAFE_INTEGER]],
  'a name that is no text': [file(7)],
  'a short id': [['a', 0, 0, false, new Uint8Array(31)]],
  'too few items': [['a']],
  'a map': [{ path: 'a' }],
  'a nested array': [[['a'], 0]],
};

function deep(depth: number): CborValue[] {
  return Array.from({ length: depth }, (_, i) => [
    Array(i + 1)
      .fill('a')
      .join('/'),
    0,
  ]);
}

test.each(Object.keys(HOSTILE))('a manifest with %s', async (name) => {
  await using folder = await TemporaryFolder.make();
  const bytes = concat(...(HOSTILE[name] ?? []).map((entry) => encodeTrusted(entry)));
  await refusedManifest(folder.path, bytes);
});

test('a manifest that ends too early, and one that is none', async () => {
  await using folder = await TemporaryFolder.make();
  const good = encodeTrusted(file('a'));
  await refusedManifest(folder.path, concat(good, good.subarray(0, 20)));
  await refusedManifest(folder.path, new Uint8Array(3 * CHUNK_BYTES).fill(0x82));
  await refusedManifest(folder.path, Uint8Array.of(0x9f, 0xff));
  await refusedManifest(folder.path, Uint8Array.of(0x82, 0x7b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
});

/** Shares the bytes as a file, and has them fetched as what is in a folder. */
async function refusedManifest(
  folder: string,
  bytes: Uint8Array,
  said: Partial<FolderOffer> = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const shelf = await Shelf.open({ stateDir: join(folder, 'state') });
  await writeFile(join(folder, 'bytes'), bytes);
  const { offer } = await shelf.add(join(folder, 'bytes'));
  const { id, mtimeMs, size: manifestSize } = offer;
  const forged: FolderOffer = {
    kind: 'folder',
    name: 'copy',
    size: 0,
    files: 1,
    id,
    mtimeMs,
    manifestSize,
    ...said,
  };
  const into = join(folder, 'a/b/into');
  await mkdir(into, { recursive: true });
  const download = await Download.open({ offer: forged, into, conflict: 'fail' });
  await expect(copy(shelf, download)).rejects.toMatchObject({ code: 'integrity' });
  expect(download.next()).toBeNull();
  expect(download.isComplete).toBe(false);
  // What is there already is judged again.
  await download.suspend();
  await expect(
    Download.open({ offer: forged, into, conflict: 'fail' }).then((again) => copy(shelf, again)),
  ).rejects.toMatchObject({
    code: 'integrity',
  });
  await shelf.close();
  const left = await readdir(folder, { recursive: true });
  expect(left.filter((path) => path.includes('escaped') || path.endsWith('copy'))).toEqual([]);
}

test('an offer that says another size, or another number of files, than the manifest', async () => {
  await using folder = await TemporaryFolder.make();
  const bytes = encodeTrusted(file('a', 5));
  await refusedManifest(join(folder.path, 'one'), bytes, { size: 4 });
  await refusedManifest(join(folder.path, 'other'), bytes, { size: 5, files: 2 });
});

test('a million entries are the most', () => {
  const reader = new ManifestReader();
  for (let thousand = 0; thousand < 1_000; thousand++) {
    // Encoded by hand: an array of a text of six characters, and 0.
    let entries = '';
    for (let i = 0; i < 1_000; i++) entries += `\x82\x66${String(thousand * 1_000 + i).padStart(6, '0')}\x00`;
    expect(reader.push(Buffer.from(entries, 'latin1'))).toHaveLength(1_000);
  }
  expect(reader.push(encodeTrusted(['9', 0]))).toBeNull();
  expect(reader.problem).toContain('1000000');
});

test('a size that no disk has is refused before anything is asked for', async () => {
  await using folder = await TemporaryFolder.make();
  const offer: Offer = {
    kind: 'file',
    name: 'a',
    size: Number.MAX_SAFE_INTEGER,
    files: 1,
    id: ID,
    mtimeMs: 0,
    isExecutable: false,
  };
  await expect(Download.open({ offer, into: folder.path, conflict: 'fail' })).rejects.toMatchObject({
    code: 'disk-full',
  });
  expect(await readdir(folder.path)).toEqual([]);
});

test('two offers whose ids begin alike do not grow in one folder', async () => {
  await using folder = await TemporaryFolder.make();
  for (const last of [1, 2]) {
    const id = ID.with(31, last);
    const offer: Offer = { kind: 'folder', name: 'a', size: 1, files: 1, id, mtimeMs: 0, manifestSize: 9 };
    await (await Download.open({ offer, into: folder.path, conflict: 'fail' })).suspend();
  }
  expect(await readdir(folder.path)).toHaveLength(2);
});

test.each(['..', 'a/b', '', '.udp-tool-partial-00', 'con'])('the name %j is not used', async (name) => {
  await using folder = await TemporaryFolder.make();
  const offer: Offer = { kind: 'file', name, size: 0, files: 1, id: ID, mtimeMs: 0, isExecutable: false };
  await expect(Download.open({ offer, into: folder.path, conflict: 'fail' })).rejects.toMatchObject({
    code: 'integrity',
  });
  expect(offerFromCbor(offerToCbor(offer))).toBeNull();
});

test('offers on the wire', () => {
  const one: Offer = { kind: 'file', name: 'ä', size: 5, files: 1, id: ID, mtimeMs: -1, isExecutable: true };
  const other: Offer = { kind: 'folder', name: 'b', size: 5, files: 3, id: ID, mtimeMs: 2, manifestSize: 99 };
  for (const offer of [one, other]) expect(offerFromCbor(offerToCbor(offer))).toEqual(offer);
  const good = offerToCbor(one) as CborValue[];
  const forgeries = [
    null,
    {},
    [],
    good.slice(1),
    good.with(1, -1),
    good.with(2, 2),
    good.with(3, 'id'),
    good.with(5, 'x'),
  ];
  for (const forged of forgeries) expect(offerFromCbor(forged)).toBeNull();
});
