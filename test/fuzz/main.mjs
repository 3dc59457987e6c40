/**
 * npm run fuzz -- [TARGET…] [--seconds N] [--seed S] [--keep]: fuzzes one target after the other, all if none is named.
 * With --keep, inputs that take new branches go to corpus/TARGET.json.
 */
import { parseArgs } from 'node:util';
import { load } from './bundle.mjs';
import { readCorpus, writeCorpus } from './corpus.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    keep: { type: 'boolean' },
  },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const seconds = Number(values.seconds);
if (!(seconds > 0) || !Number.isSafeInteger(seed)) {
  console.error('--seconds and --seed are numbers.');
  process.exit(2);
}
const { fuzz, targets } = await load();
const unknown = positionals.filter((name) => !targets.some((target) => target.name === name));
if (unknown.length > 0) {
  console.error(
    `There is no target ${unknown.join(', ')}. There are: ${targets.map(({ name }) => name).join(', ')}.`,
  );
  process.exit(2);
}
for (const target of targets) {
  if (positionals.length > 0 && !positionals.includes(target.name)) continue;
  const corpus = await readCorpus(target.name);
  const begun = performance.now();
  const { runs, features, kept, failure } = await fuzz({ target, seed, corpus, seconds });
  const perSecond = Math.round(runs / ((performance.now() - begun) / 1000));
  console.log(
    `${target.name}: seed ${seed}, ${runs} inputs, ${perSecond} a second, ${features} features, ${kept.length} kept`,
  );
  if (failure !== null) {
    process.exitCode = 1;
    console.log(
      `FAILED with ${Buffer.from(failure.input).toString('hex') || '(nothing)'}\n${failure.error?.stack}`,
    );
  } else if (values.keep) {
    const minimised = async (inputs) =>
      (await fuzz({ target: { ...target, seeds: () => [] }, seed, corpus: inputs, runs: 0 })).kept;
    await writeCorpus(target.name, kept, minimised);
  }
}
