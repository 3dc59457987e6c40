/** All of them, for main.mjs. */
import { abandonedForReal } from './abandoned-for-real.ts';
import { abandonedSessions } from './abandoned-sessions.ts';
import { day } from './day.ts';
import { frozenProcesses } from './frozen.ts';
import { fullDisk } from './full-disk.ts';
import { killedReceiver, killedSender } from './killed-messages.ts';
import { killedInHandshake, killedServer } from './killed-server.ts';
import { killedGet, killedGiver } from './killed-transfer.ts';
import { network } from './network.ts';
import { refusedSends } from './refused-sends.ts';
import type { Scenario } from './scenario.ts';

export { HEAD, rowText, runScenario } from './scenario.ts';

export const scenarios: readonly Scenario[] = [
  killedServer,
  killedInHandshake,
  killedSender,
  killedReceiver,
  killedGet,
  killedGiver,
  fullDisk,
  network,
  refusedSends,
  frozenProcesses,
  day,
  abandonedSessions,
  abandonedForReal,
];
