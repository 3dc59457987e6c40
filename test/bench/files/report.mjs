import { table } from '../report.mjs';

export function printReport({ before, after, options, sections, leftOut }) {
  console.log(`Node ${before.node}, ${before.cpu}, ${before.cpuCount} CPUs`);
  console.log(
    `load average ${before.loadAverage.toFixed(2)} before, ${after.loadAverage.toFixed(2)} after; ` +
      `${options.runs} runs, medians`,
  );
  console.log(
    'MB/s: from the start of the receiving program to its end, the file closed. own: what the tool says.',
  );
  for (const { title, kind, cases } of sections) {
    console.log(`\n${title}\n\n${printers[kind](cases)}`);
  }
  if (leftOut.length > 0) console.log(`\n${leftOut.map((line) => `left out: ${line}`).join('\n')}`);
}

const printers = {
  speed: (cases) =>
    table(
      ['tool', 'MiB', 'MB/s', 'low to high', 'own', 'udp-tool is'],
      cases.map(({ name, mebibytes, rate, ownRate, ratio }) => [
        name,
        String(mebibytes),
        figure(rate.median),
        `${figure(rate.low)} to ${figure(rate.high)}`,
        Number.isFinite(ownRate) ? figure(ownRate) : '',
        ratio === undefined ? '' : `${ratio.toFixed(2)} ×`,
      ]),
    ),
  competition: (cases) =>
    table(
      ['tool', 'its share %', 'the other %', 'together %'],
      cases.map(({ name, tool, rival, together }) => [
        name,
        ...[tool, rival, together].map(({ median }) => (median * 100).toFixed(0)),
      ]),
    ),
};

function figure(rate) {
  return rate.toFixed(rate < 10 ? 2 : 1);
}
