/** What a tool and its rival, a TCP flow with CUBIC, leave each other of a link that both fill, counted where it ends. */
import { mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { missingCommand } from '../peers/shared.mjs';
import { spread } from '../report.mjs';
import { emulated } from './links.mjs';
import { nameOf } from './speed.mjs';

const TCP_FLOW = fileURLToPath(new URL('tcp-flow.mjs', import.meta.url));
/** The rival is there first; then both find their shares, before these are measured. */
const HEAD_START_MS = 2_000;
const SETTLING_MS = 8_000;
const WINDOW_MS = 20_000;

export const missingCounters = () => missingCommand('nft', ['--version'], 'nftables');

/** Rows of `{ name, tool, rival, together }`: parts of the link's rate. */
export async function measureCompetition(bench, row) {
  const { programs, folder, sources, tools, options } = bench;
  const link = await emulated(programs, folder, row.link);
  const { sender, receiver } = link;
  const servers = [];
  try {
    // Nobody gets all of it before the end.
    const longestMs = WINDOW_MS + 2 * SETTLING_MS;
    const file = await sources.ofSize(Math.ceil((longestMs * row.link.rateMbit) / 8 / 1000));
    const place = [sender.address, String(await sender.port())];
    servers.push(await programs.serve([...sender.launcher, process.execPath, TCP_FLOW, 'source', ...place]));
    const scene = {
      link,
      target: join(folder, 'received', basename(file.source)),
      rival: [...receiver.launcher, process.execPath, TCP_FLOW, 'sink', ...place],
      counters: await countersOf(programs, receiver, place[1]),
      bitsPerWindow: row.link.rateMbit * 1000 * WINDOW_MS,
    };
    const cases = [];
    for (const tool of tools) {
      for (const controller of tool.overTcp ? link.controllers : [null]) {
        const serving = await tool.serve({ programs, folder, link, ...file });
        servers.push(serving.child);
        cases.push({ name: nameOf(tool, controller), controller, serving, rounds: [] });
      }
    }
    for (let round = 0; round < options.runs; round++) {
      for (const one of cases) {
        one.rounds.push(await compete(bench, scene, one));
        bench.progress(`${one.name}: ${Math.round(one.rounds.at(-1).tool * 100)} % of the link`);
      }
    }
    return cases.map(({ name, rounds }) => {
      const of = (key) => spread(rounds.map((round) => round[key]));
      return { name, tool: of('tool'), rival: of('rival'), together: of('together') };
    });
  } finally {
    for (const child of servers) await programs.end(child);
    await link.close();
  }
}

async function compete({ programs, signal }, scene, { controller, serving }) {
  const { link, target, counters, bitsPerWindow } = scene;
  const pause = (ms) => delay(ms, undefined, { signal });
  await rm(dirname(target), { recursive: true, force: true });
  await mkdir(dirname(target));
  await link.pin('cubic');
  const rival = await programs.serve(scene.rival);
  let getting;
  try {
    await pause(HEAD_START_MS);
    if (controller !== null) await link.pin(controller);
    getting = programs.begin(serving.receive(target));
    await pause(SETTLING_MS);
    const before = await counters();
    await pause(WINDOW_MS);
    const after = await counters();
    if (getting.exitCode !== null) throw new Error('The transfer ended before the measurement did.');
    const part = (name) => ((after[name] - before[name]) * 8) / bitsPerWindow;
    return { tool: part('total') - part('rival'), rival: part('rival'), together: part('total') };
  } finally {
    if (getting !== undefined) await programs.end(getting);
    await programs.end(rival);
    await rm(dirname(target), { recursive: true, force: true });
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
