import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FlightWindow, type Flying } from '../../src/rpc/flight-window.ts';

interface Item extends Flying {
  readonly name: number;
}

const MAX = 100;

describe('a flight window', () => {
  test('lets through in order, never more than its bytes, and forgets nothing', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ do: fc.constant('enter' as const), bytes: fc.integer({ min: 1, max: 150 }) }),
        fc.record({ do: fc.constant('leave' as const), which: fc.nat() }),
      ),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const window = new FlightWindow<Item>(MAX);
        const items: Item[] = [];
        const sent: number[] = [];
        const check = (): void => {
          const flying = items.filter(({ flight }) => flight === 'in flight');
          const bytes = flying.reduce((sum, item) => sum + item.bytes, 0);
          expect(bytes <= MAX || flying.length === 1).toBe(true);
        };
        for (const step of all) {
          if (step.do === 'enter') {
            const item: Item = { name: items.length, bytes: step.bytes, flight: 'none' };
            items.push(item);
            if (window.enter(item)) sent.push(item.name);
          } else {
            const live = items.filter(({ flight }) => flight !== 'none');
            const item = live[step.which % live.length];
            if (item !== undefined) window.leave(item);
          }
          sent.push(...window.next().map(({ name }) => name));
          check();
        }
        for (;;) {
          for (const item of items) if (item.flight === 'in flight') window.leave(item);
          const next = window.next();
          if (next.length === 0) break;
          sent.push(...next.map(({ name }) => name));
          check();
        }
        expect(sent).toEqual([...new Set(sent)].sort((a, b) => a - b));
        expect(items.some(({ flight }) => flight !== 'none')).toBe(false);
      }),
    );
  });
});
