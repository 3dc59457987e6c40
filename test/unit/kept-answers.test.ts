import { describe, expect, test } from 'vitest';
import { allocate } from '../../src/bytes.ts';
import { type Answered, KeptAnswers } from '../../src/rpc/kept-answers.ts';
import { Prng, seeds } from '../support/prng.ts';

const MAX_BYTES = 1000;

describe('kept answers', () => {
  test.each(seeds(5))('are the newest, in bounded memory (seed %i)', (seed) => {
    const prng = new Prng(seed);
    const kept = new KeptAnswers(MAX_BYTES);
    /** The oldest first, with the sizes of their answers. */
    let model: { entry: Answered; size: number }[] = [];
    const bytes = (): number => model.reduce((sum, { size }) => sum + size, 0);
    const gone: Answered[] = [];
    for (let step = 0; step < 3000; step++) {
      if (prng.below(3) > 0) {
        const entry: Answered = { answer: null };
        const size = 1 + prng.below(100);
        kept.keep(entry, [new Uint8Array(size)]);
        model.push({ entry, size });
        while (bytes() > MAX_BYTES) gone.push(...model.splice(0, 1).map((oldest) => oldest.entry));
      } else {
        const released = model[prng.below(model.length + 1)];
        if (released === undefined) continue;
        kept.release(released.entry);
        kept.release(released.entry);
        gone.push(released.entry);
        model = model.filter((other) => other !== released);
      }
      expect(model.every(({ entry }) => entry.answer !== null)).toBe(true);
    }
    expect(gone.length).toBeGreaterThan(100);
    expect(gone.every(({ answer }) => answer === null)).toBe(true);
  });

  test('keep nothing alive of what they were cut from', () => {
    const kept = new KeptAnswers(MAX_BYTES);
    const entry: Answered = { answer: null };
    kept.keep(entry, [allocate(100).fill(7)]);
    expect(entry.answer).toEqual([new Uint8Array(100).fill(7)]);
    expect(entry.answer?.[0]?.buffer.byteLength).toBe(100);
  });

  test('do not include one that is larger than the memory', () => {
    const kept = new KeptAnswers(MAX_BYTES);
    const small: Answered = { answer: null };
    const large: Answered = { answer: null };
    kept.keep(small, [new Uint8Array(1)]);
    kept.keep(large, [new Uint8Array(MAX_BYTES), new Uint8Array(1)]);
    expect([small.answer, large.answer]).toEqual([null, null]);
  });
});
