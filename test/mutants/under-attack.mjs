/** node under-attack.mjs FILE INSTEAD: fails where the attacker or the fuzzer's corpus find something with that file's code. */
import { readFile } from 'node:fs/promises';
import { load as loadAttacker } from '../adversary/load.mjs';
import { load as loadFuzzer } from '../fuzz/bundle.mjs';
import { readCorpus } from '../fuzz/corpus.mjs';
import { NotUsed } from '../support/bundle.mjs';

/** Of requests; and a quarter as many where peers are introduced. */
const SCHEDULES = 400;

const [file, instead] = process.argv.slice(2);
const mutation = {
  file,
  from: await readFile(new URL(`../../${file}`, import.meta.url), 'utf8'),
  to: await readFile(instead, 'utf8'),
};
const attacker = await loadUnlessUnused(loadAttacker);
for (let seed = 1; seed <= SCHEDULES; seed++) {
  attacker?.runSchedule(seed);
  if (seed % 4 === 0) attacker?.runIntroduced(seed);
}
const fuzzer = await loadUnlessUnused(loadFuzzer);
for (const target of fuzzer?.targets ?? []) {
  for (const input of [...(await readCorpus(target.name)), ...target.seeds()]) await target.run(input);
}

async function loadUnlessUnused(load) {
  try {
    return await load(mutation);
  } catch (error) {
    if (error instanceof NotUsed) return null;
    throw error;
  }
}
