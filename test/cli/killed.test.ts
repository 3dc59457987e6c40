/** Messages, and processes that are killed at any moment: nothing promised is lost, nothing comes twice. */
import { describe, expect, test } from 'vitest';
import { killedReceiver, killedSender } from '../faults/killed-messages.ts';
import { Prng } from '../support/prng.ts';

const KILLS = 10;

describe('a message', () => {
  test(`whose sender is killed, ${KILLS} times`, async () => {
    const { lost, notes } = await killedSender.run(KILLS, new Prng(11));
    expect(lost).toEqual([]);
    expect(Number.parseInt(notes?.[0] ?? '', 10)).toBeGreaterThan(KILLS);
  });

  test(`whose receiver is killed, ${KILLS} times`, async () => {
    const { lost, notes } = await killedReceiver.run(KILLS, new Prng(12));
    expect(lost).toEqual([]);
    expect(Number.parseInt(notes?.[0] ?? '', 10)).toBeGreaterThan(KILLS);
  });
});
