/**
 * npm run faults -- [SCENARIO…] [--times N] [--seed S]: breaks things, one scenario after the other, all if none is
 * named, and prints what that cost. What each does and how often is in docs/faults.md.
 */
import { parseArgs } from 'node:util';
import { load } from './bundle.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { times: { type: 'string' }, seed: { type: 'string' } },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const times = values.times === undefined ? undefined : Number(values.times);
if (!Number.isSafeInteger(seed) || !(times === undefined || times > 0)) {
  console.error('--times and --seed are numbers.');
  process.exit(2);
}
const { scenarios, runScenario, rowText, HEAD } = await load();
const unknown = positionals.filter((name) => !scenarios.some((scenario) => scenario.name === name));
if (unknown.length > 0) {
  console.error(
    `There is no scenario ${unknown.join(', ')}. There are: ${scenarios.map(({ name }) => name).join(', ')}.`,
  );
  process.exit(2);
}
console.log(`seed ${seed}\n\n${HEAD}`);
const notes = [];
for (const scenario of scenarios) {
  if (positionals.length > 0 && !positionals.includes(scenario.name)) continue;
  if (scenario.missing !== null) {
    console.log(`| ${scenario.name} | not run: ${scenario.missing} | | | |`);
    continue;
  }
  const row = await runScenario(scenario, seed, times);
  console.log(rowText(row));
  for (const line of row.figures.notes ?? []) notes.push(`${scenario.name}: ${line}`);
  for (const line of row.figures.lost) {
    process.exitCode = 1;
    notes.push(`${scenario.name}: LOST: ${line}`);
  }
}
if (notes.length > 0) console.log(`\n${notes.join('\n')}`);
