import { expect, test } from 'vitest';
import { createClock } from '../../src/transport/clock.ts';

const HOUR = 3_600_000;

function machine() {
  const time = { monotonic: 5_000, date: 1e12, uptime: 7_000 };
  const clock = createClock({
    monotonic: () => time.monotonic,
    date: () => time.date,
    uptime: () => Math.floor(time.uptime / 1_000) * 1_000, // as coarse as macOS has it
  });
  const startedAt = clock.now();
  const pass = (ms: number): void => {
    time.monotonic += ms;
    time.date += ms;
    time.uptime += ms;
  };
  const sleep = (ms: number): void => {
    time.date += ms;
    time.uptime += ms;
  };
  return { time, pass, sleep, elapsed: () => clock.now() - startedAt };
}

test('it goes on while the machine sleeps', () => {
  const { pass, sleep, elapsed } = machine();
  pass(10_000);
  expect(elapsed()).toBe(10_000);
  sleep(HOUR);
  expect(Math.abs(elapsed() - HOUR - 10_000)).toBeLessThanOrEqual(1_000);
  pass(500);
  sleep(2 * HOUR);
  pass(500);
  expect(Math.abs(elapsed() - 3 * HOUR - 11_000)).toBeLessThanOrEqual(1_000);
});

test.each([HOUR, -HOUR, 1e11])('nobody moves it by setting the date by %i ms', (by) => {
  const { time, pass, elapsed } = machine();
  pass(1_000);
  time.date += by;
  expect(elapsed()).toBe(1_000);
  pass(1_000);
  expect(elapsed()).toBe(2_000);
});

test('nor does a date that runs a little slow', () => {
  const { time, pass, elapsed } = machine();
  for (let i = 1; i <= 10_000; i++) {
    pass(1_000);
    time.date -= 1;
    expect(elapsed()).toBe(i * 1_000);
  }
});

test('it never goes back', () => {
  const { time, pass, sleep, elapsed } = machine();
  sleep(HOUR);
  const before = elapsed();
  time.date -= 2 * HOUR;
  expect(elapsed()).toBe(before);
  pass(1);
  expect(elapsed()).toBe(before + 1);
});
