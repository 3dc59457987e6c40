/** What fuzzing found to be different from each other, once more: and whatever is found is added here. */
import { describe, expect, test } from 'vitest';
import { readCorpus } from './corpus.mjs';
import { targets } from './targets/index.ts';

describe('every input that was kept', () => {
  test.each(targets)('$name', async (target) => {
    const inputs = await readCorpus(target.name);
    expect(inputs.length).toBeGreaterThan(5);
    for (const input of [...inputs, ...target.seeds()]) {
      const hex = Buffer.from(input).toString('hex');
      await expect((async () => target.run(input))(), hex).resolves.toBeUndefined();
    }
  });
});
