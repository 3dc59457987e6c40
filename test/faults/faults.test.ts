/** What `npm run faults` does for long, a few times; messages are in test/cli/killed.test.ts, files in test/cli/files.test.ts. */
import { describe, expect, test } from 'vitest';
import { Prng } from '../support/prng.ts';
import { Abandoned } from './abandoned-sessions.ts';
import type { Asker } from './asker.ts';
import { freeze } from './frozen.ts';
import { FEW_TROUBLES, fullDisk, tryAllOut } from './full-disk.ts';
import { killedInHandshake, killedServer } from './killed-server.ts';
import { FAULTS, network, tryOut } from './network.ts';
import type { Scenario } from './scenario.ts';

const TIMEOUT_MS = 500;
const FEW_FAULTS: readonly string[] = [
  'link down at the client',
  'the firewall of the client lets nothing out',
  'MTU 600 at the server',
  'another address of the client',
  'another address of the server, by its name',
];
const untilUnanswered = (asker: Asker): Promise<number> => asker.next(/^no-answer /m);

describe.concurrent('nothing is lost where', () => {
  const killed: readonly (readonly [Scenario, number])[] = [
    [killedServer, 2],
    [killedInHandshake, 1],
  ];
  for (const [scenario, times] of killed) {
    test(`${scenario.name}: ${times} ${scenario.unit}`, async () => {
      const { lost, runs } = await scenario.run(times, new Prng(1));
      expect(lost).toEqual([]);
      expect(runs).toBe(times);
    });
  }

  test.skipIf(fullDisk.missing)(`a disk is full or read-only${unless(fullDisk.missing)}`, async () => {
    const { lost, runs } = await tryAllOut(FEW_TROUBLES, 1);
    expect(lost).toEqual([]);
    expect(runs).toBe(4);
  });

  for (const fault of FAULTS.filter(({ name }) => FEW_FAULTS.includes(name))) {
    test.skipIf(network.missing)(`${fault.name}${unless(network.missing)}`, async () => {
      const wait = fault.isHarmless ? async () => {} : untilUnanswered;
      const { lost, recoveryMs } = await tryOut(fault, 1, wait, TIMEOUT_MS);
      expect(lost).toEqual([]);
      expect(recoveryMs.length).toBe(1);
    });
  }

  test('a server stands still, until requests are not answered', async () => {
    const { lost, recoveryMs } = await freeze('server', 2, untilUnanswered, TIMEOUT_MS);
    expect(lost).toEqual([]);
    expect(recoveryMs.length).toBe(2);
  });
});

test('of sessions that are opened and left, nothing stays', () => {
  const abandoned = new Abandoned(2, new Prng(1), 250);
  const { server } = abandoned;
  for (let i = 0; i < 300; i++) expect(abandoned.open()).toBe(true);
  expect(server.endpoint.sessionCount).toBe(128);
  // Once in 10 s for sessions, and once a second for 172 that went before, eight a second.
  expect(abandoned.forgetAll()).toBeLessThan(150);
  expect(server.endpoint.sessionCount).toBe(0);
  expect(server.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
});

/** In the title of what is skipped. */
function unless(reason: string | null): string {
  return reason === null ? '' : ` (not run: ${reason})`;
}
