/**
 * npm run adversary -- [--kind requests|introduced|messages] [--schedules N] [--seed FIRST] [--workers N]: as many schedules as you
 * like, of one kind or of each; the seeds one after the other from a first one that is drawn and printed.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { load } from './load.mjs';

const REPORT_EVERY = 500;
const LINE_EVERY = 20_000;
const NOTHING = {
  schedules: 0,
  steps: 0,
  datagrams: 0,
  relayed: 0,
  answered: 0,
  worstMs: 0,
  reads: 0,
  readable: 0,
};
const KINDS = { requests: 'runSchedule', introduced: 'runIntroduced', messages: 'runMessages' };

if (isMainThread) await main();
else await work(workerData);

async function main() {
  const { values } = parseArgs({
    options: {
      kind: { type: 'string' },
      schedules: { type: 'string', default: '20000' },
      seed: { type: 'string' },
      workers: { type: 'string', default: String(availableParallelism()) },
    },
  });
  const schedules = Number(values.schedules);
  const first = Number(values.seed ?? Date.now() % 1_000_000_000);
  const workers = Number(values.workers);
  const kinds = values.kind === undefined ? Object.keys(KINDS) : [values.kind];
  if (!kinds.every((kind) => kind in KINDS)) {
    console.error(`--kind is one of ${Object.keys(KINDS).join(', ')}.`);
    process.exit(2);
  }
  if (![schedules, first, workers].every(Number.isSafeInteger) || schedules < 1 || workers < 1) {
    console.error('--schedules, --seed and --workers are whole numbers.');
    process.exit(2);
  }
  for (const kind of kinds) await runAll(kind, { first, schedules, workers });
}

function runAll(kind, { first, schedules, workers }) {
  console.log(`${kind}: seeds from ${first}, ${schedules} schedules, ${workers} workers`);
  const begun = performance.now();
  const total = { ...NOTHING };
  let lines = 0;
  const line = () =>
    console.log(
      `${kind}: ${total.schedules} schedules in ${Math.round((performance.now() - begun) / 1000)} s: ${total.steps} steps, ` +
        `${total.datagrams} datagrams, ${total.relayed} relayed, ${total.answered} answers; at worst answered ${Math.round(total.worstMs)} ms after the ` +
        `attacker let go; everything recorded tried ${total.reads} times: ${total.readable} readable at once, none later`,
    );
  return new Promise((resolve) => {
    let running = workers;
    for (let index = 0; index < workers; index++) {
      const worker = new Worker(fileURLToPath(import.meta.url), {
        workerData: { kind, first, schedules, index, workers },
      });
      worker.on('message', ({ failure, ...counts }) => {
        if (failure !== undefined) {
          console.log(`FAILED: ${failure}`);
          process.exitCode = 1;
          return;
        }
        for (const [name, count] of Object.entries(counts))
          total[name] = name === 'worstMs' ? Math.max(total[name], count) : total[name] + count;
        const due = Math.floor(total.schedules / LINE_EVERY);
        if (due > lines) line();
        lines = due;
      });
      worker.on('exit', () => {
        if (--running > 0) return;
        line();
        resolve();
      });
    }
  });
}

/** Every so manyth seed, from its own first one. */
async function work({ kind, first, schedules, index, workers }) {
  const { [KINDS[kind]]: runSchedule } = await load();
  let counts = { ...NOTHING };
  for (let i = index; i < schedules; i += workers) {
    counts.schedules++;
    try {
      const { steps, datagrams, relayed, answered, recoveredAfterMs, readable } = await runSchedule(
        first + i,
      );
      counts.steps += steps;
      counts.datagrams += datagrams;
      counts.relayed += relayed;
      counts.answered += answered;
      counts.worstMs = Math.max(counts.worstMs, recoveredAfterMs);
      counts.reads += readable === null ? 0 : 1;
      counts.readable += readable?.atOnce ?? 0;
    } catch (error) {
      parentPort.postMessage({ failure: `seed ${first + i}: ${error.message}` });
    }
    if (counts.schedules === REPORT_EVERY) {
      parentPort.postMessage(counts);
      counts = { ...NOTHING };
    }
  }
  parentPort.postMessage(counts);
}
