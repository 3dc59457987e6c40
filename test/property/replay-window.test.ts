import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplayWindow, WINDOW_SIZE } from '../../src/session/replay-window.ts';
import { COUNTER_LIMIT } from '../../src/wire/header.ts';

/** The window without a ring: it remembers everything. */
class Model {
  readonly #seen = new Set<number>();
  #last = -1;

  check(counter: number): boolean {
    return counter > this.#last || (this.#last - counter <= WINDOW_SIZE && !this.#seen.has(counter));
  }

  commit(counter: number): void {
    this.#seen.add(counter);
    this.#last = Math.max(this.#last, counter);
  }

  get last(): number {
    return this.#last;
  }
}

const RING = WINDOW_SIZE + 32;

/** Steps from the highest counter so far: near it, at the window's edges, and over one ring or many. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -70, max: 70 }) },
  { weight: 4, arbitrary: fc.integer({ min: -RING - 5, max: 5 }) },
  { weight: 2, arbitrary: fc.integer({ min: -WINDOW_SIZE - 2, max: -WINDOW_SIZE + 2 }) },
  { weight: 2, arbitrary: fc.integer({ min: WINDOW_SIZE - 33, max: RING + 33 }) },
  { weight: 1, arbitrary: fc.integer({ min: RING, max: 2 ** 33 }) },
);
const start = fc.constantFrom(0, 31, 2 ** 31 - 40, 2 ** 32 - 40, 2 ** 47, COUNTER_LIMIT - 3 * RING);

test('the window agrees with a set that forgets nothing', () => {
  fc.assert(
    fc.property(start, fc.array(step, { minLength: 1, maxLength: 200 }), (base, steps) => {
      const window = new ReplayWindow();
      const model = new Model();
      for (const delta of steps) {
        const from = model.last < 0 ? base : model.last;
        const counter = Math.min(COUNTER_LIMIT - 1, Math.max(0, from + delta));
        const fresh = model.check(counter);
        expect(window.check(counter)).toBe(fresh);
        if (fresh) {
          window.commit(counter);
          model.commit(counter);
        }
        expect(window.last).toBe(model.last);
        expect(window.check(counter)).toBe(false);
      }
    }),
    { numRuns: 300 },
  );
});

test('after any history, the whole window agrees with the set', () => {
  fc.assert(
    fc.property(start, fc.array(step, { minLength: 1, maxLength: 60 }), (base, steps) => {
      const window = new ReplayWindow();
      const model = new Model();
      for (const delta of steps) {
        const counter = Math.min(COUNTER_LIMIT - 1, Math.max(0, Math.max(base, model.last) + delta));
        if (!model.check(counter)) continue;
        window.commit(counter);
        model.commit(counter);
      }
      const differing: number[] = [];
      for (let counter = Math.max(0, model.last - RING - 2); counter <= model.last + 2; counter++) {
        if (window.check(counter) !== model.check(counter)) differing.push(counter);
      }
      expect(differing).toEqual([]);
    }),
    { numRuns: 100 },
  );
});
