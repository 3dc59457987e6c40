import { describe, expect, test } from 'vitest';
import { ACK_DELAY_MS, ReceivedCounters } from '../../src/streams/recovery/acks.ts';
import { MAX_ACK_RANGES } from '../../src/wire/stream-messages.ts';

function came(...counters: number[]): ReceivedCounters {
  const received = new ReceivedCounters();
  for (const counter of counters) received.add(counter, 100);
  return received;
}

test('nothing came, nothing is due', () => {
  expect(came().ackDueAt).toBe(Number.POSITIVE_INFINITY);
  expect(came().take(0)).toBeNull();
});

test('one alone waits for company; the second makes it due', () => {
  const received = came(0);
  expect(received.ackDueAt).toBe(100 + ACK_DELAY_MS);
  received.add(1, 103);
  expect(received.ackDueAt).toBe(103);
  expect(received.take(104)).toEqual({ largest: 1, delayMs: 1, ranges: [0, 1] });
  expect(received.ackDueAt).toBe(Number.POSITIVE_INFINITY);
  expect(received.take(104)).toBeNull();
});

test('it may be taken along before it is due', () => {
  expect(came(0).take(101)).toEqual({ largest: 0, delayMs: 1, ranges: [0, 0] });
});

test.each([
  ['a gap', [0, 1], 3],
  ['one that was overtaken', [0, 2], 1],
  ['a beginning in the middle', [], 7],
])('%s makes haste', (_what, before, counter) => {
  const received = came(...before);
  received.take(100);
  received.add(counter, 200);
  expect(received.ackDueAt).toBe(200);
});

describe('datagrams that ask for no acknowledgement', () => {
  test('make none due, fill gaps, and are not named above the largest that asks', () => {
    const received = came(0, 1);
    received.take(100);
    received.add(2, 100, false);
    expect(received.ackDueAt).toBe(Number.POSITIVE_INFINITY);
    received.add(3, 100);
    expect(received.ackDueAt).toBe(100 + ACK_DELAY_MS);
    received.add(4, 100, false);
    received.add(6, 100, false);
    expect(received.take(100)).toEqual({ largest: 3, delayMs: 0, ranges: [0, 3] });
  });
});

test('the newest 32 ranges are told; older ones again, once gaps have closed', () => {
  const evens = Array.from({ length: 40 }, (_, i) => 2 * i);
  const received = came(...evens);
  const first = received.take(100);
  expect(first?.ranges.length).toBe(2 * MAX_ACK_RANGES);
  expect(first?.ranges.slice(0, 4)).toEqual([78, 78, 76, 76]);
  for (const even of evens.slice(1)) received.add(even - 1, 100);
  expect(received.take(100)?.ranges).toEqual([0, 78]);
});

test('memory is bounded: endless gaps cost no more than those told', () => {
  const received = new ReceivedCounters();
  for (let i = 0; i < 100_000; i++) received.add(3 * i, i);
  expect(received.take(100_000)?.ranges.length).toBe(2 * MAX_ACK_RANGES);
  // Forgotten long ago: of no use, and no harm.
  received.add(1, 100_001);
  expect(received.take(100_001)?.largest).toBe(3 * 99_999);
});
