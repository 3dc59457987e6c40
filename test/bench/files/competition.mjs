/** What a tool and its rival, a TCP flow with CUBIC, leave each other of a link that both fill, counted where it ends. */
import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { missingCommand } from '../peers/shared.mjs';
import { spread } from '../report.mjs';
import { emulated } from './links.mjs';
import { nameOf } from './speed.mjs';

const TCP_FLOW = fileURLToPath(new URL('tcp-flow.mjs', import.meta.url));
/** The rival is there first; then both find their shares, before these are measured. */
const HEAD_START_MS = 2_000;
const SETTLING_MS = 3_000;
const WINDOW_MS = 20_000;

export const missingCounters = () => missingCommand('nft', ['--version'], 'nftables');

/** Rows of `{ name, tool, rival, together }`: parts of the link's rate. */
export async function measureCompetition(bench, { link: numbers }) {
  const { programs, folder, sources, tools, options, signal } = bench;
  const link = await emulated(programs, folder, numbers);
  const { sender, receiver } = link;
  const started = [];
  const start = async (...args) => {
    const { child } = await programs.serve(...args);
    started.push(child);
  };
  try {
    const bitsPerWindow = numbers.rateMbit * 1000 * WINDOW_MS;
    // Nobody gets all of it before the end.
    const file = await sources.ofSize(
      Math.ceil(((WINDOW_MS + 2 * SETTLING_MS) * numbers.rateMbit) / 8 / 1000),
    );
    const place = [sender.address, String(await sender.port())];
    await start([...sender.launcher, process.execPath, TCP_FLOW, 'source', ...place]);
    const counters = await countersOf(programs, receiver, place[1]);

    const compete = async ({ controller, serving }) => {
      const received = join(folder, 'received');
      await rm(received, { recursive: true, force: true });
      await mkdir(received);
      await link.pin('cubic');
      const rival = await programs.serve([
        ...receiver.launcher,
        process.execPath,
        TCP_FLOW,
        'sink',
        ...place,
      ]);
      await pause(HEAD_START_MS, undefined, { signal });
      if (controller !== null) await link.pin(controller);
      const getting = programs.begin(serving.receive(join(received, basename(file.source))));
      try {
        await pause(SETTLING_MS, undefined, { signal });
        const before = await counters();
        await pause(WINDOW_MS, undefined, { signal });
        const after = await counters();
        if (getting.exitCode !== null) throw new Error('The transfer ended before the measurement did.');
        const part = (name) => ((after[name] - before[name]) * 8) / bitsPerWindow;
        return { tool: part('total') - part('rival'), rival: part('rival'), together: part('total') };
      } finally {
        await Promise.all([programs.end(getting), programs.end(rival.child)]);
        await rm(received, { recursive: true, force: true });
      }
    };

    const cases = [];
    for (const tool of tools) {
      for (const controller of tool.overTcp ? link.controllers : [null]) {
        const serving = await tool.serve({ programs, folder, link, ...file });
        started.push(serving.child);
        cases.push({ name: nameOf(tool, controller), controller, serving, rounds: [] });
      }
    }
    for (let round = 0; round < options.runs; round++) {
      for (const one of cases) {
        one.rounds.push(await compete(one));
        bench.progress(`${one.name}: ${Math.round(one.rounds.at(-1).tool * 100)} % of the link`);
      }
    }
    return cases.map(({ name, rounds }) => {
      const of = (key) => spread(rounds.map((round) => round[key]));
      return { name, tool: of('tool'), rival: of('rival'), together: of('together') };
    });
  } finally {
    for (const child of started) await programs.end(child);
    await link.close();
  }
}

/** Bytes of IP that came over the link so far: `{ total, rival }`. */
async function countersOf(programs, { launcher }, port) {
  const rules = `table ip bench {
    counter total {}
    counter rival {}
    chain arrivals {
      type filter hook input priority filter;
      iifname "link0" counter name "total"
      iifname "link0" tcp sport ${port} counter name "rival"
    }
  }`;
  await programs.run([...launcher, 'nft', rules]);
  return async () => {
    const { stdout } = await programs.run([...launcher, 'nft', '--json', 'list', 'counters']);
    const counters = JSON.parse(stdout).nftables.flatMap(({ counter }) => counter ?? []);
    return Object.fromEntries(counters.map(({ name, bytes }) => [name, bytes]));
  };
}
