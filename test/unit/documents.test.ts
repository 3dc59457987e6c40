/** What the documents point to is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };

const ROOT = join(import.meta.dirname, '../..');
const DOCUMENTS = ['.', 'docs', 'docs/formal', 'keys']
  .flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => join(folder, name)))
  .filter((path) => path.endsWith('.md'));

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const isThere = (path: string): boolean => existsSync(join(ROOT, path));

/** As code hosts make them of headings. */
function anchorsOf(path: string): string[] {
  const headings = withoutBoxes(read(path)).matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function withoutBoxes(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '');
}

describe.each(DOCUMENTS)('%s', (path) => {
  const text = read(path);
  const spans = [...withoutBoxes(text).matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);

  test('links to what is there', () => {
    const links = [...withoutBoxes(text).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)];
    const dead = links.filter(([, file = '', anchor]) => {
      const target = file === '' ? path : join(dirname(path), file);
      return !isThere(target) || (anchor !== undefined && !anchorsOf(target).includes(anchor));
    });
    expect(dead.map(([link]) => link)).toEqual([]);
  });

  test('names files that are there', () => {
    const words = spans
      .flatMap((span) => span.split(' '))
      .filter((word) => /^(src|test|docs|build)\/[\w./-]+$/.test(word));
    expect(words.filter((word) => !isThere(word))).toEqual([]);
  });

  test('names commands that are there', () => {
    const scripts = [...text.matchAll(/\bnpm run (?:--?\w+ )*(\w+(?::\w+)*)/g)].map(
      ([, script = '']) => script,
    );
    expect(scripts.filter((script) => !(script in manifest.scripts))).toEqual([]);
  });
});
