import { expect, test } from 'vitest';
import { mutantsOf } from './mutations.mjs';

const SOURCE = `
function isFull(count: number, isOpen: boolean): boolean {
  if (!isOpen) return true;
  log(count);
  return count + 1 > LIMIT;
}
`;

test('each fault is one small change of the whole file', async () => {
  const mutants = await mutantsOf(SOURCE);
  expect(mutants.map(({ was, is }) => `${was} / ${is}`)).toEqual([
    'if (!isOpen) return true; / if (false) return true;',
    'if (!isOpen) return true; / if (isOpen) return true;',
    'if (!isOpen) return true; / if (!isOpen) return false;',
    'log(count); / ;',
    'return count + 1 > LIMIT; / return count + 1 >= LIMIT;',
    'return count + 1 > LIMIT; / return count - 1 > LIMIT;',
    'return count + 1 > LIMIT; / return count + (1 + 1) > LIMIT;',
  ]);
  for (const { code, is } of mutants) expect(code).toContain(is);
});
