import { describe, expect, test } from 'vitest';
import { Bbr } from '../../src/streams/recovery/bbr.ts';
import type { CongestionController } from '../../src/streams/recovery/congestion-controller.ts';
import { Cubic } from '../../src/streams/recovery/cubic.ts';
import { Bottleneck, type BottleneckOptions, type Flow, mbits } from '../support/bottleneck.ts';
import { seeds } from '../support/prng.ts';

const MIB = 2 ** 20;
const MB_PER_S = 1_000;

const both: [string, () => CongestionController][] = [
  ['cubic', () => new Cubic()],
  ['bbr', () => new Bbr()],
];

/** Symmetric delay, a queue of so many milliseconds. */
function link(rttMs: number, mbit: number, queueMs: number): BottleneckOptions {
  return { rate: mbits(mbit), queueBytes: mbits(mbit) * queueMs, delayMs: rttMs / 2 };
}

function transfer(
  seed: number,
  options: BottleneckOptions,
  controller: CongestionController,
  bytes: number,
  limitMs: number,
): { flow: Flow; rate: number; dropped: number } {
  const net = new Bottleneck(seed, options, [{ controller, bytes }]);
  net.run(limitMs);
  const flow = net.flows[0] as Flow;
  expect(flow.doneAt, 'when all had come').toBeLessThan(limitMs);
  expect(flow.delivered).toBeGreaterThanOrEqual(bytes);
  return { flow, rate: flow.delivered / flow.doneAt, dropped: net.dropped };
}

/** Shares of the link over `ms`, after `settleMs`. */
function shares(net: Bottleneck, rate: number, settleMs: number, ms: number): number[] {
  net.run(settleMs);
  const before = net.flows.map((flow) => flow.delivered);
  net.run(ms);
  return net.flows.map((flow, i) => (flow.delivered - (before[i] as number)) / ms / rate);
}

describe.each(both)('%s', (_name, controller) => {
  test.each(seeds(1))('fills 500 Mbit/s over 20 ms from a cold start (seed %i)', (seed) => {
    const options = link(20, 500, 20);
    const { rate } = transfer(seed, options, controller(), 256 * MIB, 10_000);
    expect(rate / options.rate).toBeGreaterThan(0.95);
  });

  test.each(seeds(2))('a shallow queue still lets most through (seed %i)', (seed) => {
    const options = link(20, 100, 5);
    const { rate } = transfer(seed, options, controller(), 32 * MIB, 10_000);
    expect(rate / options.rate).toBeGreaterThan(0.9);
  });

  test.each(seeds(2))('a slow link, a local one, receivers that seldom look (seed %i)', (seed) => {
    const cases: [BottleneckOptions, number][] = [
      [link(10, 10, 50), 4 * MIB],
      [link(0.2, 1000, 3), 64 * MIB],
      [{ ...link(20, 100, 50), turnMs: 8 }, 32 * MIB],
      [{ ...link(20, 100, 50), ackLoss: 0.1 }, 32 * MIB],
    ];
    for (const [options, bytes] of cases)
      expect(transfer(seed, options, controller(), bytes, 10_000).rate / options.rate).toBeGreaterThan(0.9);
  });

  test.each(seeds(3))('half of everything lost, in both directions: it comes to an end (seed %i)', (seed) => {
    const options = { ...link(20, 10, 50), loss: 0.5, ackLoss: 0.5 };
    const { flow } = transfer(seed, options, controller(), MIB / 16, 10 * 60_000);
    const { ackedDatagrams, lostDatagrams, bytesInFlight } = flow.recovery;
    expect(ackedDatagrams + lostDatagrams).toBe(flow.sent.datagrams - bytesInFlight / 1_232);
  });

  test.each(seeds(3))('reordering is not taken for loss for long (seed %i)', (seed) => {
    const options = { ...link(20, 100, 50), jitterMs: 5 };
    const { flow, rate, dropped } = transfer(seed, options, controller(), 32 * MIB, 10_000);
    expect(rate / options.rate).toBeGreaterThan(0.9);
    expect(flow.recovery.lostDatagrams - flow.recovery.spuriousLosses).toBe(dropped);
    expect(flow.recovery.spuriousLosses).toBeLessThan(0.005 * flow.sent.datagrams);
  });

  test.each(seeds(2))('two of its kind share, whoever comes first (seed %i)', (seed) => {
    const options = link(20, 100, 40);
    const net = new Bottleneck(seed, options, [
      { controller: controller() },
      { controller: controller(), startAt: 2_000 },
    ]);
    const [first = 0, second = 0] = shares(net, options.rate, 15_000, 15_000);
    expect(first + second).toBeGreaterThan(0.95);
    expect(Math.min(first, second)).toBeGreaterThan(0.3);
  });
});

describe('bbr', () => {
  test.each(seeds(2))('1 %% of random loss does not slow it (seed %i)', (seed) => {
    const options = { ...link(20, 500, 20), loss: 0.01 };
    const { flow, rate } = transfer(seed, options, new Bbr(), 128 * MIB, 10_000);
    expect(rate).toBeGreaterThan(50 * MB_PER_S);
    expect(flow.recovery.spuriousLosses).toBe(0);
  });

  test.each(seeds(1))('100 ms and 0.5 %% of loss, 256 MiB from a cold start (seed %i)', (seed) => {
    const options = { ...link(100, 500, 20), loss: 0.005 };
    expect(transfer(seed, options, new Bbr(), 256 * MIB, 30_000).rate).toBeGreaterThan(40 * MB_PER_S);
  });

  test.each(seeds(2))('a link that delays, reorders and loses, as radio does (seed %i)', (seed) => {
    const options = { ...link(6, 100, 50), jitterMs: 10, loss: 0.01 };
    expect(transfer(seed, options, new Bbr(), 16 * MIB, 10_000).rate / options.rate).toBeGreaterThan(0.8);
  });

  describe.each([20, 50, 100])('beside cubic, in a queue of %i ms', (queueMs) => {
    test.each([
      ['together', 0, 0],
      ['cubic later', 0, 3_000],
      ['cubic first', 3_000, 0],
    ])('neither starves: %s', (_order, bbrAt, cubicAt) => {
      for (const seed of seeds(1)) {
        const options = link(20, 100, queueMs);
        const net = new Bottleneck(seed, options, [
          { controller: new Bbr(), startAt: bbrAt },
          { controller: new Cubic(), startAt: cubicAt },
        ]);
        const [bbr = 0, cubic = 0] = shares(net, options.rate, 6_000, 15_000);
        expect(bbr + cubic, `seed ${seed}`).toBeGreaterThan(0.95);
        expect(bbr, `seed ${seed}`).toBeGreaterThan(0.3);
        expect(bbr, `seed ${seed}`).toBeLessThan(0.7);
      }
    });
  });

  test.each(seeds(1))('a path that becomes wider, narrower, longer, shorter (seed %i)', (seed) => {
    const path = { ...link(20, 100, 30), loss: 0.001 };
    const net = new Bottleneck(seed, path, [{ controller: new Bbr() }]);
    const changes: [mbit: number, rttMs: number, settleMs: number][] = [
      [100, 20, 1_000],
      [20, 20, 2_000],
      [200, 20, 2_000],
      [200, 80, 12_000],
      [200, 20, 2_000],
    ];
    for (const [mbit, rttMs, settleMs] of changes) {
      path.rate = mbits(mbit);
      path.delayMs = rttMs / 2;
      const [share = 0] = shares(net, path.rate, settleMs, 2_000);
      expect(share, `${mbit} Mbit/s, ${rttMs} ms`).toBeGreaterThan(0.9);
    }
  });

  test.each(seeds(1))('a rival that has gone leaves nothing behind (seed %i)', (seed) => {
    const options = { ...link(20, 100, 50), loss: 0.002 };
    const net = new Bottleneck(seed, options, [
      { controller: new Bbr() },
      { controller: new Cubic(), bytes: 10 * MIB },
    ]);
    net.run(15_000);
    expect((net.flows[1] as Flow).doneAt).toBeGreaterThan(0);
    const before = (net.flows[0] as Flow).delivered;
    net.run(5_000);
    expect(((net.flows[0] as Flow).delivered - before) / 5_000 / options.rate).toBeGreaterThan(0.9);
  });
});
