import { expect, test } from 'vitest';
import { listing } from '../../src/cli/offers.ts';
import type { ManifestEntry } from '../../src/files/manifest.ts';

async function linesOf(count: number, hasMore = false): Promise<string[]> {
  async function* entries(): AsyncGenerator<ManifestEntry> {
    yield { kind: 'folder', path: 'sub', mtimeMs: 0 };
    for (let i = 1; i < count; i++)
      yield {
        kind: 'file',
        path: `sub/${i}`,
        size: 5,
        mtimeMs: 0,
        isExecutable: i % 2 === 1,
        id: new Uint8Array(32),
      };
  }
  const lines: string[] = [];
  for await (const line of listing('gift', entries(), hasMore)) lines.push(line);
  return lines;
}

test('what a folder holds', async () => {
  expect(await linesOf(3)).toEqual([
    '            gift/sub/',
    '       5 B  gift/sub/1  (executable)',
    '       5 B  gift/sub/2',
  ]);
});

test('a million things do not fill the terminal', async () => {
  const lines = await linesOf(100_000);
  expect(lines).toHaveLength(1_001);
  expect(lines.at(-1)).toBe('  … and 99000 more, of which 49500 are executable');
});

test.each([3, 5_000])('where only the beginning is known, nothing is said of the rest', async (count) => {
  const lines = await linesOf(count, true);
  expect(lines).toHaveLength(Math.min(count, 1_000) + 1);
  expect(lines.at(-1)).toMatch(/^ {2}… and more, executable or not: /);
});
