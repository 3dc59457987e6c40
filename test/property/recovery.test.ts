import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bbr } from '../../src/streams/recovery/bbr.ts';
import type { CongestionController } from '../../src/streams/recovery/congestion-controller.ts';
import { Cubic } from '../../src/streams/recovery/cubic.ts';
import { Recovery } from '../../src/streams/recovery/recovery.ts';

const DATAGRAM = 1_200;

interface Step {
  readonly kind: 'send' | 'ack' | 'wait' | 'timeout' | 'path';
  readonly amount: number;
  readonly pattern: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('send', 'send', 'send', 'ack', 'ack', 'wait', 'timeout', 'path') as fc.Arbitrary<
    Step['kind']
  >,
  amount: fc.integer({ min: 1, max: 40 }),
  pattern: fc.nat({ max: 0xffffffff }),
});

/** Ranges of the counters up to `largest` whose bit in the pattern is set. */
function ranges(counters: readonly number[], pattern: number): number[] {
  const out: number[] = [];
  for (const [i, counter] of [...counters.entries()].reverse()) {
    if (out.length >= 64) break;
    if ((pattern >>> (i % 32)) % 2 === 0) continue;
    if (out.length > 0 && out.at(-2) === counter + 1) out[out.length - 2] = counter;
    else out.push(counter, counter);
  }
  return out;
}

const controllers = { cubic: () => new Cubic(), bbr: () => new Bbr() };

test.each(Object.entries(controllers))(
  '%s: each datagram ends once, as acknowledged or lost; bytes in flight are those of the rest',
  (_name, controller: () => CongestionController) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const cc = controller();
        const recovery = new Recovery<number>({ controller: cc, maxDatagramBytes: DATAGRAM });
        const ended = new Set<number>();
        const sent: number[] = [];
        const end = (contents: readonly number[]): void => {
          for (const content of contents) {
            expect(ended.has(content)).toBe(false);
            ended.add(content);
          }
        };
        let now = 0;
        let counter = 0;
        let pathBegin = 0;
        const check = (): void => {
          const open = sent.filter((each) => !ended.has(each) && each >= pathBegin);
          expect(recovery.bytesInFlight).toBe(open.length * DATAGRAM);
          expect(recovery.nextTimeout() === Number.POSITIVE_INFINITY).toBe(ended.size === sent.length);
        };
        for (const { kind, amount, pattern } of steps) {
          if (kind === 'wait') now += amount;
          if (kind === 'path') recovery.onPathChange(now);
          if (kind === 'path') pathBegin = counter;
          for (let i = 0; kind === 'send' && i < amount; i++) {
            const mustProbe = recovery.ptoCount > 0;
            if (!recovery.maySend(DATAGRAM, now)) break;
            recovery.onSent(counter, DATAGRAM, counter, now);
            sent.push(counter);
            if (!mustProbe) expect(recovery.bytesInFlight).toBeLessThanOrEqual(cc.cwnd + DATAGRAM);
            counter += 1 + (pattern % 3);
          }
          if (kind === 'ack') {
            const pairs = ranges(sent, pattern);
            if (pairs.length === 0) continue;
            const result = recovery.onAck({ largest: pairs[1] as number, delayMs: 0, ranges: pairs }, now);
            end(result?.acked ?? []);
            end(result?.lost ?? []);
          }
          if (kind === 'timeout' && recovery.nextTimeout() !== Number.POSITIVE_INFINITY) {
            now = Math.max(now, recovery.nextTimeout());
            const { lost, probes } = recovery.timeout(now);
            end(lost);
            for (const probe of probes) expect(ended.has(probe)).toBe(false);
            expect(lost.length + probes.length).toBeGreaterThan(0);
          }
          check();
        }
        if (counter === 0) return;
        const largest = sent.at(-1) as number;
        const last = recovery.onAck({ largest, delayMs: 0, ranges: [0, largest] }, now + 1);
        end(last?.acked ?? []);
        end(last?.lost ?? []);
        expect(ended.size).toBe(sent.length);
        expect(recovery.ackedDatagrams + recovery.lostDatagrams).toBe(sent.length);
        expect(recovery.bytesInFlight).toBe(0);
        check();
      }),
      { numRuns: 200 },
    );
  },
);

test('what nobody honest acknowledges changes nothing', () => {
  const pairs = fc.array(fc.oneof(fc.integer({ min: -5, max: 60 }), fc.double()), { maxLength: 70 });
  fc.assert(
    fc.property(pairs, fc.oneof(fc.integer({ min: -5, max: 60 }), fc.double()), (numbers, largest) => {
      const recovery = new Recovery<number>({ controller: new Cubic(), maxDatagramBytes: DATAGRAM });
      for (let i = 0; i < 8; i++) recovery.onSent(5 * i, DATAGRAM, i, 0);
      const result = recovery.onAck({ largest, delayMs: 1, ranges: numbers }, 10);
      if (result !== null) {
        expect(largest).toBeLessThanOrEqual(35);
        expect(numbers.length % 2).toBe(0);
        expect(numbers[1]).toBe(largest);
        for (let i = 1; i < numbers.length; i++)
          expect(numbers[i]).toSatisfy((each: number) =>
            i % 2 === 1 ? each >= (numbers[i - 1] as number) : each < (numbers[i - 2] as number),
          );
      } else {
        expect(recovery.bytesInFlight).toBe(8 * DATAGRAM);
        expect(recovery.rtt.smoothedMs).toBeNull();
      }
    }),
  );
});
