/** Files, and either side killed on the way: what came is not fetched again, and in the end it is the same file. */
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Lab, LOOPBACK, type Machine, type Program } from '../support/cli.ts';
import { until } from '../support/endpoints.ts';
import { patterned } from '../support/files.ts';
import { type Figures, later, type Scenario } from './scenario.ts';

const FILE_BYTES = 8_000_000;
/** So that a transfer takes a second, whatever the machine. */
const LIMIT = '8M';
const LONGEST_MS = 400;
/** Before it may finish. */
const KILLS_A_FILE = 5;

interface Sharing {
  readonly share: Program;
  readonly port: number;
}

async function share(pi: Machine, file: string, port = 0): Promise<Sharing> {
  const program = pi.start(`share --json --no-lan --host ${LOOPBACK} --port ${port}`, file);
  const { addresses } = await program.event('sharing');
  return { share: program, port: Number(/:(\d+)$/.exec(String((addresses as string[])[0]))?.[1]) };
}

/** Bytes on the disk of what comes. */
function comeSoFar(home: string): number {
  const partial = readdirSync(home).find((name) => name.startsWith('.udp-tool-partial'));
  if (partial === undefined) return 0;
  const data = statSync(join(home, partial, 'data'), { throwIfNoEntry: false });
  return (data?.blocks ?? 0) * 512;
}

async function whatIsWrong(mac: Machine, content: Uint8Array): Promise<string[]> {
  const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  const there = await readFile(join(mac.home, 'shared')).catch(() => Buffer.alloc(0));
  const left = (await readdir(mac.home)).filter((name) => name.startsWith('.udp-tool-partial'));
  return [
    ...(sha(there) === sha(content) ? [] : ['the file is another one']),
    ...left.map((name) => `it left ${name}`),
  ];
}

export const killedGet: Scenario = {
  name: 'killed-get',
  unit: 'kills',
  times: 100,
  missing: null,
  async run(times, prng): Promise<Figures> {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await pi.trust(mac);
    const content = patterned(FILE_BYTES);
    const { port } = await share(pi, await pi.file('shared', content));
    await mac.trust(pi, port);
    const lost: string[] = [];
    let [runs, again, bytes] = [0, 0, 0];
    while (runs < times) {
      for (let kill = 0; kill < KILLS_A_FILE; kill++, runs++) {
        const before = comeSoFar(mac.home);
        const get = mac.start(`get shared --no-lan --json --limit ${LIMIT}`);
        await until('more came', () => comeSoFar(mac.home) > before);
        await later(prng.below(LONGEST_MS) / KILLS_A_FILE);
        await get.stop('SIGKILL');
      }
      const here = comeSoFar(mac.home);
      const { code, stdout, stderr } = await mac.run('get shared --no-lan --json');
      const done = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '{}');
      if (code !== 0) lost.push(`it did not go on: ${stderr}`);
      // A piece of which a block is missing comes again.
      again += Math.max(0, Number(done.receivedBytes) - (FILE_BYTES - here));
      bytes += FILE_BYTES;
      if (!(Number(done.receivedBytes) < FILE_BYTES)) lost.push('it began anew');
      lost.push(...(await whatIsWrong(mac, content)));
      await rm(join(mac.home, 'shared'), { force: true });
    }
    const notes = [
      `${bytes / FILE_BYTES} files; ${((again / bytes) * 100).toFixed(2)} % of their bytes came again at last`,
    ];
    return { runs, lost, recoveryMs: [], notes };
  },
};

export const killedGiver: Scenario = {
  name: 'killed-giver',
  unit: 'kills',
  times: 50,
  missing: null,
  async run(times, prng): Promise<Figures> {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await pi.trust(mac);
    const content = patterned(FILE_BYTES);
    const file = await pi.file('shared', content);
    let sharing = await share(pi, file);
    await mac.trust(pi, sharing.port);
    const lost: string[] = [];
    const recoveryMs: number[] = [];
    while (recoveryMs.length < times) {
      const get = mac.start(`get shared --no-lan --json --limit ${LIMIT}`);
      await until('something came', () => comeSoFar(mac.home) > 0);
      await later(prng.below(LONGEST_MS));
      await sharing.share.stop('SIGKILL');
      const before = comeSoFar(mac.home);
      sharing = await share(pi, file, sharing.port);
      const begun = performance.now();
      const isDone = (): boolean => readdirSync(mac.home).includes('shared');
      await until('more came', () => comeSoFar(mac.home) > before || isDone(), 60_000);
      recoveryMs.push(performance.now() - begun);
      const { code, stderr } = await get.end();
      if (code !== 0) lost.push(`it did not go on: ${stderr}`);
      lost.push(...(await whatIsWrong(mac, content)));
      await rm(join(mac.home, 'shared'), { force: true });
    }
    return { runs: recoveryMs.length, lost, recoveryMs };
  },
};
