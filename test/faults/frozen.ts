/** Processes that stand still for a minute, as where a machine sleeps, and go on. */
import { Lab } from '../support/cli.ts';
import { Asker } from './asker.ts';
import { Executions } from './executions.ts';
import { Servers, trustForAll } from './killed-server.ts';
import { type Figures, later, type Scenario } from './scenario.ts';

const TIMEOUT_MS = 5_000;
const AT_ONCE = 4;
const MINUTE = 60_000;

/** @param standStill how long; told who asks */
export async function freeze(
  who: 'server' | 'client',
  times: number,
  standStill: (asker: Asker) => Promise<unknown>,
  timeoutMs = TIMEOUT_MS,
): Promise<Figures> {
  await using lab = await Lab.open();
  const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
  await trustForAll(pi, mac);
  const servers = new Servers(pi);
  const server = await servers.start();
  await mac.trust(pi, servers.port);
  const executions = new Executions(servers.file);
  const asker = await Asker.start(mac, { timeoutMs, atOnce: AT_ONCE });
  const frozen = who === 'server' ? server : asker.program;
  const recoveryMs: number[] = [];
  for (let i = 0; i < times; i++) {
    frozen.kill('SIGSTOP');
    await standStill(asker);
    frozen.kill('SIGCONT');
    recoveryMs.push(await asker.recovery());
  }
  const requests = await asker.end(executions);
  const unanswered = executions.count('no-answer');
  const notes = [`${who}: ${requests} requests, ${unanswered} of them without an answer in time`];
  return { runs: times, lost: await executions.lost(), recoveryMs, notes };
}

export const frozenProcesses: Scenario = {
  name: 'frozen',
  unit: 'minutes of standing still, of each side',
  times: 3,
  missing: null,
  async run(times): Promise<Figures> {
    const wait = (): Promise<void> => later(MINUTE);
    const [server, client] = await Promise.all([
      freeze('server', times, wait),
      freeze('client', times, wait),
    ]);
    return {
      runs: times,
      lost: [...server.lost, ...client.lost],
      recoveryMs: [...server.recoveryMs, ...client.recoveryMs],
      notes: [...(server.notes ?? []), ...(client.notes ?? [])],
    };
  },
};
