import { isAbsolute, posix, win32 } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { comparePaths, foldName, nameProblem, pathProblem } from '../../src/files/names.ts';

const piece = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '..',
    '.',
    '',
    '/',
    '\\',
    '\0',
    '\u202e',
    'con',
    'C:',
    '\ud800',
    '\ufeff',
    'a',
    '.udp-tool-',
  ),
);
const anything = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));

test('a path that is let through stays below its folder, on any system', () => {
  fc.assert(
    fc.property(anything, (path) => {
      if (pathProblem(path) !== null) return;
      expect(posix.join('/one/two', path)).toBe(`/one/two/${path}`);
      expect(isAbsolute(path)).toBe(false);
      expect(win32.join('X:\\one\\two', path).startsWith('X:\\one\\two\\')).toBe(true);
      expect(path).not.toMatch(/[\p{Cc}\p{Surrogate}]/u);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  'a',
  '...',
  '.a',
  'a b',
  '12:30',
  'conx',
  'com',
  'COM0x',
  '👩‍👩‍👧',
  'ﬀ',
  'e\u0301',
  '\u{10ffff}',
  'a'.repeat(255),
  'a~1',
])('%j is a name', (name) => expect(nameProblem(name)).toBeNull());

test.each([
  'con',
  'CON.txt',
  'nul ',
  'Lpt1',
  'com¹.a',
  'CONIN$',
  '.UDP-TOOL-x',
  'é'.repeat(128),
  'a\u2028b',
  '\x9b',
])('%j is none', (name) => expect(nameProblem(name)).not.toBeNull());

test('the order of paths is an order, and what is in a folder follows it at once', () => {
  const name = fc.string({
    minLength: 1,
    maxLength: 3,
    unit: fc.constantFrom('a', '!', '.', '\ue000', '\u{10000}'),
  });
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  fc.assert(
    fc.property(fc.uniqueArray(path, { maxLength: 30 }), (paths) => {
      const sorted = [...paths].sort(comparePaths);
      // No byte of UTF-8 text is zero.
      const key = (one: string): Buffer => Buffer.from(one.replaceAll('/', '\0'));
      expect(sorted).toEqual([...paths].sort((a, b) => Buffer.compare(key(a), key(b))));
      for (const folder of sorted) {
        const below = sorted.filter((one) => one.startsWith(`${folder}/`));
        const first = sorted.indexOf(folder) + 1;
        expect(sorted.slice(first, first + below.length)).toEqual(below);
      }
    }),
  );
});

test('names that differ in case or in how an accent is written are folded together', () => {
  for (const [one, other] of [
    ['A', 'a'],
    ['\u00e9', 'e\u0301'],
    ['STRASSE', 'straße'],
    ['Σ', 'ς'],
  ] as const)
    expect(foldName(one)).toBe(foldName(other));
  expect(foldName('a')).not.toBe(foldName('b'));
});
