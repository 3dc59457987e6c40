/**
 * `npm run bench -- [--rounds N] [--seconds S] [--only KIND] [--chart FILE.svg] [--json]`
 *
 * Compares kinds of request and response with raw dgram, side by side: every round runs every case, and a ratio is
 * taken within its round, so that other work on the machine slows both alike. Slow figures fail nothing.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { writeChart } from './chart.mjs';
import { measureColdStart } from './cold-start.mjs';
import { shapes } from './flood.mjs';
import { peers } from './peers/index.mjs';
import { Child, closeAll, killAll } from './processes.mjs';
import { machine, printReport, spread } from './report.mjs';
import { measureStages } from './stages.mjs';

/** Many short rounds: which processor the system puts a process on changes the figures more than anything else. */
const DEFAULTS = { rounds: 15, seconds: 0.3 };
const OUTSTANDING = { raw: [1, 64, 256], plain: [1, 64], sealed: [1, 64], library: [1, 64, 256] };
/** What others would use instead; each where it is installed. */
const OUTSTANDING_OF_PEERS = [1, 64];
const MAX_ROUNDS = 100;
const MAX_SECONDS = 60;
/** Until what a case uses is compiled. */
const WARM_UP_SECONDS = 2;
const FLOOD_SECONDS = 0.1;

const options = await parseOptions();
try {
  const before = machine();
  const { cases, strangers } = await measureProcesses();
  const coldStart = options.only === undefined ? await measureColdStart(options.rounds) : undefined;
  const report = { before, after: machine(), options, cases, strangers, coldStart, stages: measureStages() };
  if (options.chart !== undefined) writeChart(options.chart, report);
  if (options.json) console.log(JSON.stringify(report));
  else printReport(report);
} finally {
  killAll();
}

async function parseOptions() {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: String(DEFAULTS.rounds) },
      seconds: { type: 'string', default: String(DEFAULTS.seconds) },
      only: { type: 'string' },
      chart: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const rounds = Math.min(MAX_ROUNDS, Math.max(1, Math.floor(Number(values.rounds)) || 1));
  const seconds = Math.min(MAX_SECONDS, Math.max(0.05, Number(values.seconds) || DEFAULTS.seconds));
  const wanted = (kind) => ['raw', values.only ?? kind].includes(kind);
  const missing = [];
  for (const [name, peer] of Object.entries(peers)) {
    if (!wanted(name)) continue;
    const reason = await peer.missing();
    if (reason === null) OUTSTANDING[name] = OUTSTANDING_OF_PEERS;
    else missing.push(`${peer.label}: ${reason}`);
  }
  const kinds = Object.keys(OUTSTANDING).filter(wanted);
  return { rounds, seconds, kinds, missing, only: values.only, chart: values.chart, json: values.json };
}

async function measureProcesses() {
  const keys = { server: randomBytes(32).toString('hex'), client: randomBytes(32).toString('hex') };
  const pairs = new Map();
  for (const kind of options.kinds) pairs.set(kind, await startPair(kind, keys));
  const targets = { empty: await startServer('sink', keys), library: await startServer('library', keys) };
  const stranger = await Child.start();

  const cases = options.kinds.flatMap((kind) =>
    OUTSTANDING[kind].map((outstanding) => ({ kind, outstanding, rounds: [] })),
  );
  for (const { kind } of cases) await runCase(pairs.get(kind), 64, WARM_UP_SECONDS);
  const floods = Object.entries(shapes).map(([shape, { name }]) => ({ shape, name, rounds: [] }));
  for (let round = 0; round < options.rounds; round++) {
    // Every other round backwards: a machine that slows down or warms up favours no case.
    for (const c of round % 2 === 0 ? cases : cases.toReversed()) {
      c.rounds.push(await runCase(pairs.get(c.kind), c.outstanding, options.seconds));
    }
    for (const f of floods) {
      const empty = await runFlood(stranger, targets.empty, f.shape);
      const library = await runFlood(stranger, targets.library, f.shape);
      f.rounds.push({ empty, library });
    }
    if (!options.json) process.stderr.write(`round ${round + 1} of ${options.rounds}\n`);
  }
  await closeAll();
  return { cases: cases.map((c) => summarizeCase(c, cases)), strangers: floods.map(summarizeFlood) };
}

async function startServer(kind, keys) {
  const child = await Child.start();
  return { child, port: await child.call('serve', { kind, keys }) };
}

async function startPair(kind, keys) {
  const server = await startServer(kind, keys);
  const client = await Child.start();
  await client.call('connect', { kind, keys, port: server.port });
  return { server: server.child, client };
}

async function runCase({ server, client }, outstanding, seconds) {
  const before = await server.call('usage');
  const run = await client.call('run', { outstanding, seconds });
  const after = await server.call('usage');
  return {
    perSecond: run.perSecond,
    clientUs: run.cpuUs / run.answers,
    serverUs: (after.cpuUs - before.cpuUs) / run.answers,
    p50Us: run.p50Us,
    p99Us: run.p99Us,
    lost: run.lost,
  };
}

/** The receiver's processor time for each datagram that it got; what the kernel dropped before it is not counted. */
async function runFlood(stranger, { child, port }, shape) {
  const before = await child.call('usage');
  await stranger.call('flood', { port, shape, seconds: FLOOD_SECONDS });
  const after = await child.call('usage');
  return (after.cpuUs - before.cpuUs) / (after.received - before.received);
}

function summarizeCase({ kind, outstanding, rounds }, cases) {
  const base = cases.find((other) => other.kind === 'raw' && other.outstanding === outstanding);
  const of = (name) => spread(rounds.map((round) => round[name]));
  return {
    kind: peers[kind]?.label ?? kind,
    outstanding,
    perSecond: of('perSecond'),
    ratio: spread(rounds.map((round, i) => round.perSecond / base.rounds[i].perSecond)),
    clientUs: of('clientUs'),
    serverUs: of('serverUs'),
    p50Us: of('p50Us'),
    p99Us: of('p99Us'),
    lost: rounds.reduce((sum, { lost }) => sum + lost, 0),
  };
}

function summarizeFlood({ name, rounds }) {
  return {
    name,
    emptyUs: spread(rounds.map(({ empty }) => empty)),
    libraryUs: spread(rounds.map(({ library }) => library)),
    ratio: spread(rounds.map(({ empty, library }) => library / empty)),
  };
}
