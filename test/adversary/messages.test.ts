/** Some schedules in which messages are written, and the faults that they would show. */
import { describe, expect, test } from 'vitest';
import { load } from './load.mjs';
import { MESSAGE_FAULTS } from './message-faults.ts';
import { firstBroken, runSeeds } from './seeds.ts';

const SCHEDULES = 200;

test('whatever the attacker does, messages come once and in order', async () => {
  const { runMessages } = await load();
  const { answered } = await runSeeds(runMessages, 1, SCHEDULES);
  expect(answered).toBeGreaterThan(3 * SCHEDULES); // else nothing would be shown
});

describe('a fault shows', () => {
  test.each(MESSAGE_FAULTS.map((fault) => [fault.fault, fault] as const))('%s', async (_name, fault) => {
    const { runMessages } = await load(fault);
    expect(fault.breaks).toContain(await firstBroken(runMessages, fault));
  });
});
