import { describe, expect, test } from 'vitest';
import { REQUEST_WINDOW } from '../../src/rpc/constants.ts';
import { IdWindow } from '../../src/rpc/id-window.ts';
import { Prng, seeds } from '../support/prng.ts';

describe('a window of ids', () => {
  test.each(seeds(5))('holds what a map would hold (seed %i)', (seed) => {
    const prng = new Prng(seed);
    const window = new IdWindow<{ id: number }>();
    const model = new Map<number, { id: number }>();
    let next = 1 + prng.below(1000);
    for (let step = 0; step < 5000; step++) {
      if (prng.below(2) === 0 && window.isFree(next)) {
        const item = { id: next++ };
        window.add(item);
        model.set(item.id, item);
      } else {
        const id = next - prng.below(2 * REQUEST_WINDOW);
        if (id < 1) continue;
        expect(window.get(id)).toBe(model.get(id));
        expect(window.delete(id)).toBe(model.get(id));
        model.delete(id);
      }
      expect(window.size).toBe(model.size);
    }
    expect(window.values()).toEqual([...model.values()]);
  });

  test('has no room for an id while one is there that is a window older', () => {
    const window = new IdWindow<{ id: number }>();
    window.add({ id: 5 });
    expect(window.isFree(5 + REQUEST_WINDOW - 1)).toBe(true);
    expect(window.isFree(5 + REQUEST_WINDOW)).toBe(false);
    window.delete(5);
    expect(window.isFree(5 + REQUEST_WINDOW)).toBe(true);
  });
});
