/** Medians, and tables that a person can read. */
import { cpus, loadavg } from 'node:os';

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median and quartiles: half of the rounds lie between `low` and `high`. */
export function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const quartile = Math.floor(sorted.length / 4);
  return { median: median(sorted), low: sorted[quartile], high: sorted[sorted.length - 1 - quartile] };
}

/** What the figures depend on. The load average tells of others' work on the machine, and of the benchmark's own. */
export function machine() {
  return {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cpuCount: cpus().length,
    loadAverage: loadavg()[0],
  };
}

/** Columns to the right but the first, each as wide as it must be. */
export function table(head, rows) {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const line = (cells) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

export function printReport({ before, after, options, cases, strangers, coldStart, stages }) {
  console.log(`Node ${before.node}, ${before.cpu}, ${before.cpuCount} CPUs, loopback`);
  console.log(
    `load average ${before.loadAverage.toFixed(2)} before, ${after.loadAverage.toFixed(2)} after; ` +
      `${options.rounds} rounds of ${options.seconds} s, medians\n`,
  );
  console.log('Requests. Ratios are to raw with as many outstanding in the same round.\n');
  console.log(
    table(
      ['case', 'out', 'req/s', 'ratio', 'quartiles', 'client µs', 'server µs', 'p50 µs', 'p99 µs', 'late'],
      cases.map((c) => [
        c.kind,
        String(c.outstanding),
        c.perSecond.median.toFixed(0),
        c.ratio.median.toFixed(2),
        `${c.ratio.low.toFixed(2)} to ${c.ratio.high.toFixed(2)}`,
        c.clientUs.median.toFixed(1),
        c.serverUs.median.toFixed(1),
        c.p50Us.median.toFixed(0),
        c.p99Us.median.toFixed(0),
        String(c.lost),
      ]),
    ),
  );
  console.log(
    '\nStrangers. Processor time of the receiver a datagram, to that of an empty message handler.\n',
  );
  console.log(
    table(
      ['datagram', 'empty µs', 'library µs', 'ratio', 'quartiles'],
      strangers.map((s) => [
        s.name,
        s.emptyUs.median.toFixed(2),
        s.libraryUs.median.toFixed(2),
        s.ratio.median.toFixed(2),
        `${s.ratio.low.toFixed(2)} to ${s.ratio.high.toFixed(2)}`,
      ]),
    ),
  );
  if (coldStart !== undefined) {
    console.log('\nCold start, the whole command. Ratios are to node -e 0 in the same round.\n');
    console.log(
      table(
        ['command', 'ms', 'ratio', 'quartiles'],
        coldStart.rows.map(({ name, ms, ratio }) => [
          name,
          ms.median.toFixed(0),
          ratio.median.toFixed(2),
          `${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)}`,
        ]),
      ),
    );
  }
  const missing = [...options.missing, ...(coldStart?.missing ? [coldStart.missing] : [])];
  for (const line of missing) console.log(`left out: ${line}`);
  console.log('\nStages, one by one in one process.\n');
  console.log(
    table(
      ['stage', 'µs'],
      stages.map(({ stage, us }) => [stage, us.toFixed(us < 10 ? 2 : 0)]),
    ),
  );
}
