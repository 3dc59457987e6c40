import { describe, expect, test } from 'vitest';
import type { CongestionController, Feedback } from '../../src/streams/recovery/congestion-controller.ts';
import { Recovery } from '../../src/streams/recovery/recovery.ts';

const DATAGRAM = 1_200;

/** Lets everything through, and writes down what it is told. */
class Recorder implements CongestionController {
  readonly name = 'recorder';
  cwnd: number = 1e9;
  pacingRate: number = Number.POSITIVE_INFINITY;
  readonly feedback: Feedback[] = [];
  readonly events: string[] = [];

  restart(datagramBytes: number): void {
    this.events.push(`restart ${datagramBytes}`);
  }

  onFeedback(feedback: Feedback): void {
    this.feedback.push({ ...feedback });
  }

  onPersistentCongestion(): void {
    this.events.push('persistent congestion');
  }

  onSpuriousLoss(datagrams: number): void {
    this.events.push(`spurious ${datagrams}`);
  }
}

function recovery(): { recovery: Recovery<number>; controller: Recorder } {
  const controller = new Recorder();
  return { recovery: new Recovery({ controller, maxDatagramBytes: DATAGRAM }), controller };
}

function send(to: Recovery<number>, counters: readonly number[], now: number): void {
  for (const counter of counters) to.onSent(counter, DATAGRAM, counter, now);
}

const ack = (...ranges: number[]) => ({ largest: ranges[1] as number, delayMs: 0, ranges });

describe('round trips (RFC 9002 §5)', () => {
  test('the first sample, then the smoothed ones, with the delay that the receiver tells', () => {
    const { recovery: it } = recovery();
    send(it, [0, 1, 2, 3], 0);
    it.onAck(ack(0, 0), 100);
    expect(it.rtt).toMatchObject({ smoothedMs: 100, variationMs: 50, minMs: 100 });
    // 140 − 20 = 120: variation ¾ · 50 + ¼ · |100 − 120| = 42.5; smoothed ⅞ · 100 + ⅛ · 120 = 102.5.
    it.onAck({ largest: 1, delayMs: 20, ranges: [0, 1] }, 140);
    expect(it.rtt).toMatchObject({ smoothedMs: 102.5, variationMs: 42.5, minMs: 100 });
    // A delay of 50 is believed up to 25, and nothing that leads below the minimum is: 110 stays 110.
    it.onAck({ largest: 2, delayMs: 50, ranges: [0, 2] }, 110);
    expect(it.rtt.smoothedMs).toBeCloseTo(0.875 * 102.5 + 0.125 * 110, 9);
  });

  test('only the largest is a sample, and only when it is new', () => {
    const { recovery: it } = recovery();
    send(it, [0, 1], 0);
    it.onAck(ack(1, 1), 10);
    it.onAck(ack(0, 1), 500);
    expect(it.rtt.smoothedMs).toBe(10);
  });
});

describe('loss (RFC 9002 §6.1)', () => {
  test('three behind the largest acknowledged', () => {
    const { recovery: it } = recovery();
    send(it, [0, 1, 2, 3, 4], 0);
    expect(it.onAck(ack(3, 3), 50)).toEqual({ acked: [3], lost: [0] });
    expect(it.bytesInFlight).toBe(3 * DATAGRAM);
    expect(it.lostDatagrams).toBe(1);
  });

  test('counters, not datagrams: holes are of others', () => {
    const { recovery: it } = recovery();
    send(it, [10, 20], 0);
    expect(it.onAck(ack(20, 20), 50)).toEqual({ acked: [20], lost: [10] });
  });

  test('nine eighths of a round trip after it was sent, once a later one was acknowledged', () => {
    const { recovery: it } = recovery();
    send(it, [0], 0);
    send(it, [1], 5);
    expect(it.onAck(ack(1, 1), 85)).toEqual({ acked: [1], lost: [] });
    expect(it.nextTimeout()).toBe(80 * (9 / 8));
    expect(it.timeout(89.9)).toEqual({ lost: [], probes: [] });
    expect(it.timeout(90)).toEqual({ lost: [0], probes: [] });
    expect(it.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });

  test('what was only late widens the allowance, and the controller hears of it', () => {
    const { recovery: it, controller } = recovery();
    send(it, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 0);
    expect(it.onAck(ack(5, 5), 50)?.lost).toEqual([0, 1, 2]);
    expect(it.onAck(ack(5, 5, 1, 1), 51)).toEqual({ acked: [], lost: [] });
    expect(controller.events).toContain('spurious 1');
    expect(it.spuriousLosses).toBe(1);
    // 1 came four behind the largest: so five are lost now, not three.
    send(it, [10, 11, 12, 13, 14, 15, 16], 52);
    it.onAck(ack(5, 9), 53);
    expect(it.onAck(ack(14, 14), 100)?.lost).toEqual([]);
    expect(it.onAck(ack(15, 15), 100)?.lost).toEqual([10]);
  });
});

test('a loss by time that was none gives the others more time at once', () => {
  const { recovery: it } = recovery();
  send(it, [1], 0);
  send(it, [2, 3], 5);
  it.onAck(ack(3, 3), 55);
  expect(it.timeout(50 * (9 / 8)).lost).toEqual([1]);
  expect(it.nextTimeout()).toBe(5 + 50 * (9 / 8));
  it.onAck(ack(3, 3, 1, 1), 57);
  expect(it.nextTimeout()).toBe(5 + 50 * (10 / 8));
});

test.each([
  ['what was never sent', [8, 10]],
  ['ranges that overlap', [8, 9, 5, 8]],
  ['ranges that ascend', [1, 9, 0, 20]],
  ['a range that ends before it begins', [9, 9, 5, 4]],
  ['half a range', [9, 9, 5]],
  ['none', []],
  ['a negative counter', [8, 9, -2, -1]],
  ['no number', [Number.NaN, 9]],
  ['more ranges than one may say', Array.from({ length: 66 }, (_, i) => 9 - Math.floor(i / 2) / 8)],
])('an acknowledgement of %s is none', (_what, ranges) => {
  const { recovery: it, controller } = recovery();
  send(it, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 0);
  expect(it.onAck({ largest: ranges[1] ?? 9, delayMs: 0, ranges }, 10)).toBeNull();
  expect(it.onAck({ largest: 9, delayMs: -1, ranges: [9, 9] }, 10)).toBeNull();
  expect(it.onAck({ largest: 8, delayMs: 0, ranges: [9, 9] }, 10)).toBeNull();
  expect(it.bytesInFlight).toBe(10 * DATAGRAM);
  expect(controller.feedback).toEqual([]);
});

describe('probes (RFC 9002 §6.2)', () => {
  test('after the smoothed round trip, four variations and the delay of the other side; doubled each time', () => {
    const { recovery: it } = recovery();
    send(it, [0, 1, 2, 3], 0);
    // Nothing measured: 333 + 4 · 166.5 + 25.
    expect(it.nextTimeout()).toBe(1024);
    it.onAck(ack(0, 0), 100);
    expect(it.nextTimeout()).toBe(100 + 4 * 50 + 25);
    expect(it.timeout(325)).toEqual({ lost: [], probes: [1, 2] });
    expect(it.ptoCount).toBe(1);
    expect(it.nextTimeout()).toBe(325 + 2 * 325);
    expect(it.timeout(975)).toEqual({ lost: [], probes: [1, 2] });
    expect(it.nextTimeout()).toBe(975 + 4 * 325);
    for (let i = 0; i < 60; i++) it.timeout(it.nextTimeout());
    const last = it.nextTimeout();
    it.timeout(last);
    expect(it.nextTimeout() - last).toBe(5_000);
    it.onAck(ack(0, 1), last + 1);
    expect(it.ptoCount).toBe(0);
  });

  test('two may go, whatever window and pacer say', () => {
    const { recovery: it, controller } = recovery();
    send(it, [0], 0);
    controller.cwnd = DATAGRAM;
    expect(it.maySend(DATAGRAM, 1)).toBe(false);
    expect(it.nextSendAt(DATAGRAM, 1)).toBe(Number.POSITIVE_INFINITY);
    it.timeout(it.nextTimeout());
    for (const counter of [1, 2]) {
      expect(it.maySend(DATAGRAM, 2_000)).toBe(true);
      send(it, [counter], 2_000);
    }
    expect(it.maySend(DATAGRAM, 2_000)).toBe(false);
  });

  test('a round trip that is known already counts from the beginning', () => {
    const controller = new Recorder();
    const it = new Recovery<number>({ controller, maxDatagramBytes: DATAGRAM, initialRttMs: 20 });
    send(it, [0], 0);
    expect(it.nextTimeout()).toBe(20 + 4 * 10 + 25);
  });
});

describe('persistent congestion (RFC 9002 §7.6)', () => {
  /** Two are lost that were sent so far apart; maybe one between them came. */
  function lose(apartMs: number, ackedBetween: 'none' | 'early' | 'late'): string[] {
    const { recovery: it, controller } = recovery();
    send(it, [0], 0);
    it.onAck(ack(0, 0), 100);
    send(it, [1], 101);
    send(it, [2], 150);
    if (ackedBetween === 'early') it.onAck(ack(2, 2, 0, 0), 151);
    send(it, [3], 101 + apartMs);
    send(it, [4, 5, 6], 102 + apartMs);
    const ranges = ackedBetween === 'late' ? [6, 6, 2, 2, 0, 0] : [6, 6, 0, 0];
    it.onAck(ack(...ranges), 202 + apartMs);
    return controller.events;
  }

  // Probe time-out after two samples of 100: 100 + 4 · 37.5 + 25 = 275.
  test('three probe time-outs apart', () => {
    expect(lose(3 * 275 + 1, 'none')).toContain('persistent congestion');
    expect(lose(3 * 275, 'none')).not.toContain('persistent congestion');
  });

  test.each(['early', 'late'] as const)('not if one came that was sent between them: %s', (when) => {
    expect(lose(10_000, when)).not.toContain('persistent congestion');
  });
});

describe('the window and the pacer', () => {
  test('a datagram larger than the window goes alone', () => {
    const { recovery: it, controller } = recovery();
    controller.cwnd = 2_400;
    expect(it.maySend(16_384, 0)).toBe(true);
    it.onSent(0, 16_384, 0, 0);
    expect(it.maySend(1, 0)).toBe(false);
  });

  test('ten datagrams at once, then as fast as the rate', () => {
    const { recovery: it, controller } = recovery();
    controller.pacingRate = DATAGRAM;
    let counter = 0;
    for (; it.maySend(DATAGRAM, 0); counter++) send(it, [counter], 0);
    expect(counter).toBe(10);
    const at = it.nextSendAt(DATAGRAM, 0);
    expect(at).toBeGreaterThan(0);
    expect(at).toBeLessThanOrEqual(1);
    let late = 0;
    for (let now = 1; now <= 100; now++) for (; it.maySend(DATAGRAM, now); late++) send(it, [counter++], now);
    expect(Math.abs(late - 100)).toBeLessThanOrEqual(1);
  });

  test('two milliseconds of a high rate are made up for at once, and no more', () => {
    const { recovery: it, controller } = recovery();
    controller.pacingRate = 100 * DATAGRAM;
    let counter = 0;
    const burst = (now: number): number => {
      const before = counter;
      while (it.maySend(DATAGRAM, now)) send(it, [counter++], now);
      return counter - before;
    };
    burst(0);
    expect(burst(2)).toBeGreaterThanOrEqual(199);
    expect(burst(1_000)).toBeLessThanOrEqual(201);
  });
});

describe('a change of the path', () => {
  test('begins anew; what is in flight stays known, but measures nothing', () => {
    const { recovery: it, controller } = recovery();
    send(it, [0, 1, 2], 0);
    it.onAck(ack(0, 0), 10);
    it.onPathChange(20);
    expect(it.bytesInFlight).toBe(0);
    expect(it.rtt.smoothedMs).toBeNull();
    expect(controller.events).toEqual(['restart 1200', 'restart 1200']);
    const before = controller.feedback.length;
    expect(it.onAck(ack(0, 1), 900)).toEqual({ acked: [1], lost: [] });
    expect(it.rtt.smoothedMs).toBeNull();
    expect(controller.feedback.length).toBe(before);
    send(it, [3], 901);
    expect(it.bytesInFlight).toBe(DATAGRAM);
    it.onAck(ack(0, 3), 931);
    expect(it.rtt.smoothedMs).toBe(30);
    expect(it.bytesInFlight).toBe(0);
    expect(it.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('the delivery rate', () => {
  test('what came over how long it took, whichever of sending and coming was slower', () => {
    const { recovery: it, controller } = recovery();
    for (let i = 0; i < 10; i++) send(it, [i], 10 * i);
    for (let i = 0; i < 10; i++) it.onAck(ack(0, i), 100 + 10 * i);
    // The last was sent at 90, before anything had come: all ten in the 190 since the first was sent.
    expect(controller.feedback.at(-1)?.deliveryRate).toBeCloseTo((10 * DATAGRAM) / 190, 9);
    for (let i = 10; i < 60; i++) {
      send(it, [i], 200 + 10 * (i - 10));
      if (i >= 20) it.onAck(ack(0, i - 10), 200 + 10 * (i - 10));
    }
    expect(controller.feedback.at(-1)?.deliveryRate).toBeCloseTo(DATAGRAM / 10, 9);
    expect(controller.feedback.at(-1)?.isApplicationLimited).toBe(false);
  });

  test('a sender with nothing to send says nothing about the path, until that has been acknowledged', () => {
    const { recovery: it, controller } = recovery();
    send(it, [0], 0);
    it.onApplicationLimited();
    send(it, [1], 1);
    it.onAck(ack(0, 1), 100);
    expect(controller.feedback.at(-1)?.isApplicationLimited).toBe(true);
    send(it, [2], 101);
    it.onAck(ack(0, 2), 200);
    expect(controller.feedback.at(-1)?.isApplicationLimited).toBe(false);
  });
});
