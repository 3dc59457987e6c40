/**
 * `npm run bench:floods -- [--rate N] [--rounds N] [--seconds S] [--only TEXT] [--json]`
 *
 * What strangers' datagrams cost a server, beside a socket whose message handler is empty, in the same rounds; and what a
 * well-behaved client sees while they come. Needs a C compiler; spoofed sources need root. Loopback only.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Child, closeAll, killAll } from '../processes.mjs';
import { machine, median, table } from '../report.mjs';
import { keyPairOf, kinds, release } from './ammunition.mjs';

const SCRIPT = new URL('./child.mjs', import.meta.url);
/** At which the processor time a datagram is measured: no process is at its limit. */
const COST_RATE = 20_000;
const COST_SECONDS = 0.5;
const WARM_UP_SECONDS = 1;
const ASK_EVERY_MS = 20;
const OUTSTANDING = 256;
const MAX_RATE = 200_000;

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const rate = Math.min(MAX_RATE, Number(values.rate));
const rounds = Math.min(50, Number(values.rounds));
const seconds = Math.min(60, Number(values.seconds));
if (![rate, rounds, seconds].every((number) => number > 0)) {
  console.error('--rate, --rounds and --seconds are numbers.');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'udp-tool-floods-'));
const blaster = join(folder, 'blaster');
try {
  if (compiles()) await main();
} finally {
  killAll();
  rmSync(folder, { recursive: true });
}

function compiles() {
  const source = fileURLToPath(new URL('./blaster.c', import.meta.url));
  const { status } = spawnSync('cc', ['-O2', '-o', blaster, source], { stdio: 'inherit' });
  if (status === 0) return true;
  console.error('A C compiler called cc is needed: on Debian, "apt-get install gcc libc6-dev".');
  process.exitCode = 1;
  return false;
}

async function main() {
  const keys = Object.fromEntries(
    ['server', 'client', 'mac'].map((name) => [name, randomBytes(32).toString('hex')]),
  );
  const before = machine();
  const empty = await start('serveNothing', { keys });
  const server = await start('serve', { keys });
  const client = await Child.start(SCRIPT);
  await client.call('connect', { keys, name: 'client', port: server.port });
  const target = { port: server.port, server: keyPairOf(keys.server).publicKey, mac: keyPairOf(keys.mac) };
  await client.call('ask', { everyMs: 1, seconds: WARM_UP_SECONDS });

  const results = [];
  if ('nothing'.includes(values.only))
    results.push({ name: 'nothing', ...(await underFlood(server, client, null)) });
  for (const kind of kinds) {
    if (!kind.name.includes(values.only)) continue;
    if (kind.spoofed && process.getuid?.() !== 0) {
      console.error(`${kind.name}: needs root`);
      continue;
    }
    const file = join(folder, 'datagrams');
    write(file, await kind.make(target));
    const blast = { file, spoofed: kind.spoofed === true };
    const cost = await costOf(empty, server, blast);
    results.push({ name: kind.name, ...cost, ...(await underFlood(server, client, blast)) });
    await release();
    if (!values.json) process.stderr.write(`${kind.name}\n`);
  }
  if ('a trusted peer that asks as fast as it can'.includes(values.only)) {
    const greedy = await Child.start(SCRIPT);
    await greedy.call('connect', { keys, name: 'mac', port: server.port });
    await greedy.call('greedy', { outstanding: OUTSTANDING });
    const result = await underFlood(server, client, null);
    const answered = await greedy.call('rest');
    results.push({
      name: 'a trusted peer that asks as fast as it can',
      ...result,
      arrivedRate: answered / seconds,
    });
  }
  await closeAll();
  if (values.json) console.log(JSON.stringify({ machine: before, rate, seconds, results }));
  else print(before, results);
}

async function start(action, options) {
  const child = await Child.start(SCRIPT);
  return { child, port: await child.call(action, options) };
}

/** Each datagram behind its length. */
function write(file, datagrams) {
  const parts = datagrams.flatMap((datagram) => [
    Buffer.of(datagram.length >> 8, datagram.length & 255),
    datagram,
  ]);
  writeFileSync(file, Buffer.concat(parts));
}

/** Processor time of the whole receiving process a datagram that it got, in µs; the ratio is taken within a round. */
async function costOf(empty, server, blast) {
  const found = { emptyUs: [], serverUs: [], ratio: [] };
  for (let round = -1; round < rounds; round++) {
    const [emptyUs, serverUs] = [await costAt(empty, blast), await costAt(server, blast)];
    if (round < 0) continue; // until it is compiled
    found.emptyUs.push(emptyUs);
    found.serverUs.push(serverUs);
    found.ratio.push(serverUs / emptyUs);
  }
  return Object.fromEntries(Object.entries(found).map(([name, numbers]) => [name, median(numbers)]));
}

async function costAt({ child, port }, { file, spoofed }) {
  const before = await child.call('usage');
  await fire(port, COST_RATE, COST_SECONDS, file, spoofed);
  const after = await child.call('usage');
  return (after.cpuUs - before.cpuUs) / (after.received - before.received);
}

async function underFlood({ child, port }, client, blast) {
  const before = await child.call('usage');
  const flood =
    blast === null ? { sent: 0, answeredBytes: 0 } : fire(port, rate, seconds, blast.file, blast.spoofed);
  const seen = await client.call('ask', { everyMs: ASK_EVERY_MS, seconds });
  const { sent } = await flood;
  const after = await child.call('usage');
  return {
    sent,
    arrivedRate: (after.received - before.received - seen.asked) / seconds,
    // To others than the client; what is sent to the client is what the client got.
    answeredBytes: Math.max(0, after.sentBytes - before.sentBytes - seen.receivedBytes),
    drops: Object.fromEntries(
      Object.entries(after.drops)
        .map(([reason, count]) => [reason, count - before.drops[reason]])
        .filter(([, count]) => count > 0),
    ),
    growthKiB: (after.heapUsed - before.heapUsed) / 1024,
    rssMiB: after.rss / 1024 / 1024,
    cores: (after.cpuUs - before.cpuUs) / 1e6 / seconds,
    ...seen,
  };
}

async function fire(port, perSecond, duration, file, spoofed) {
  const args = [port, perSecond, duration, file, ...(spoofed ? ['spoof'] : [])].map(String);
  const child = spawn(blaster, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (bytes) => (output += bytes));
  await once(child, 'close');
  return JSON.parse(output);
}

function print(before, results) {
  console.log(
    `Node ${before.node}, ${before.cpu}, ${before.cpuCount} CPUs, loopback; ${rate} a second for ${seconds} s`,
  );
  console.log(
    'µs: processor time of the whole server a datagram; ratio to an empty handler in the same round, medians.\n',
  );
  const number = (value, digits) => (value === undefined ? '' : value.toFixed(digits));
  console.log(
    table(
      [
        'what comes',
        'µs',
        'ratio',
        'arrive/s',
        'cores',
        'bytes back',
        'growth KiB',
        'asked',
        'failed',
        'p50 ms',
        'p99 ms',
        'worst',
      ],
      results.map((r) => [
        r.name,
        number(r.serverUs, 1),
        number(r.ratio, 2),
        number(r.arrivedRate, 0),
        number(r.cores, 2),
        String(r.answeredBytes),
        number(r.growthKiB, 0),
        String(r.asked),
        String(r.failed),
        number(r.p50, 2),
        number(r.p99, 1),
        number(r.worst, 0),
      ]),
    ),
  );
  for (const { name, drops } of results) console.log(`${name}: ${JSON.stringify(drops)}`);
}
