import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isWellFormed, ReceivedCounters } from '../../src/streams/recovery/acks.ts';
import { MAX_ACK_RANGES } from '../../src/wire/stream-messages.ts';

test('an ACK says exactly what came, its newest ranges, whatever the order', () => {
  const arrivals = fc.uniqueArray(fc.nat({ max: 400 }), { maxLength: 300 });
  fc.assert(
    fc.property(arrivals, fc.nat({ max: 20 }), (counters, shuffle) => {
      // Mostly in order, as on a link: each moves by a few places at most.
      counters.sort((a, b) => a - b + (((a * 31 + b) % 7) * shuffle) / 7 - shuffle / 2);
      const received = new ReceivedCounters();
      const came = new Set<number>();
      for (const counter of counters) {
        received.add(counter, 0);
        came.add(counter);
        if (counter % 5 !== 0) continue;
        const ack = received.take(0);
        if (ack === null) continue;
        expect(isWellFormed(ack, 400)).toBe(true);
        expect(ack.ranges.length).toBeLessThanOrEqual(2 * MAX_ACK_RANGES);
        const said = new Set<number>();
        for (let i = 0; i < ack.ranges.length; i += 2)
          for (let c = ack.ranges[i] as number; c <= (ack.ranges[i + 1] as number); c++) said.add(c);
        for (const each of said) expect(came.has(each)).toBe(true);
        const floor = ack.ranges.at(-2) as number;
        const isWhole = ack.ranges.length < 2 * MAX_ACK_RANGES;
        for (const each of came) if (isWhole || each >= floor) expect(said.has(each)).toBe(true);
      }
    }),
  );
});
