/**
 * `npm run bench:files -- [--runs N] [--size MEBIBYTES] [--only ROW] [--tool NAME] [--json]`
 *
 * Fetches a file with udp-tool, scp and TLS over TCP, in turns, over loopback, and over the links that the program in
 * `LINK_TOOL` emulates (see links.mjs; that needs root). Slow figures fail nothing.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { machine } from '../report.mjs';
import { measureCompetition, missingCounters } from './competition.mjs';
import { Programs } from './programs.mjs';
import { printReport } from './report.mjs';
import { rows, shared, twoSources } from './rows.mjs';
import { measureSpeed, measureTwoSources } from './speed.mjs';
import { tools } from './tools.mjs';
import { Sources } from './transfer.mjs';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    size: { type: 'string', default: '256' },
    only: { type: 'string' },
    tool: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const count = (text) => Math.max(1, Math.floor(Number(text)) || 1);
const options = { runs: count(values.runs), size: count(values.size) };

const interruption = new AbortController();
const { signal } = interruption;
const programs = new Programs(signal);
for (const name of ['SIGINT', 'SIGTERM']) {
  process.on(name, () => {
    interruption.abort(new Error('interrupted'));
    void programs.endAll();
  });
}

const folder = await mkdtemp(join(tmpdir(), 'udp-tool-bench-'));
try {
  const leftOut = [];
  const usable = [];
  for (const tool of tools.filter(({ name }) => name === (values.tool ?? name))) {
    const reason = await tool.missing();
    if (reason === null) usable.push(tool);
    else leftOut.push(`${tool.name}: ${reason}`);
  }
  const sources = new Sources(folder);
  const progress = (text) => process.stderr.write(`${text}\n`);
  const bench = { programs, folder, sources, tools: usable, options, signal, progress };

  const before = machine();
  const sections = [];
  for (const { row, kind, measure, missing } of plan()) {
    if (row.name !== (values.only ?? row.name)) continue;
    const reason = (row.link !== null && missingLinks()) || (await missing?.());
    if (reason) {
      leftOut.push(`${row.title}: ${reason}`);
      continue;
    }
    progress(`\n${row.title}`);
    try {
      sections.push({ title: row.title, kind, cases: await measure(bench, row) });
    } catch (error) {
      signal.throwIfAborted();
      // What is broken on one link may be well on the others, whose figures took minutes.
      leftOut.push(`${row.title}: ${error.message}`);
      process.exitCode = 1;
    }
  }
  const report = { before, after: machine(), options, sections, leftOut };
  if (values.json) console.log(JSON.stringify(report));
  else printReport(report);
} catch (error) {
  if (!signal.aborted) throw error;
  process.exitCode = 130;
} finally {
  await programs.endAll();
  await rm(folder, { recursive: true, force: true });
}

function plan() {
  return [
    ...rows.map((row) => ({ row, kind: 'speed', measure: measureSpeed })),
    { row: shared, kind: 'competition', measure: measureCompetition, missing: missingCounters },
    { row: twoSources, kind: 'speed', measure: measureTwoSources },
  ];
}

function missingLinks() {
  if (process.env.LINK_TOOL === undefined) return 'no program that emulates a link is named by LINK_TOOL';
  return process.getuid?.() === 0 ? null : 'only root can make networks';
}
