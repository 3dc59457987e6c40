/**
 * npm run mutants -- [--count N] [--seed S] [--workers N] [FOLDER OR FILE…]: puts one fault after the other into the source,
 * drawn by lot, and prints those that no test of the protocol notices: neither the quick ones, nor the attacker, nor the
 * fuzzer's corpus. The source itself stays as it is.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mutantsOf } from './mutations.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['src/crypto', 'src/wire', 'src/session', 'src/rpc'];
/** What takes longer has no end. */
const LONGEST_MS = 300_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    workers: { type: 'string', default: String(availableParallelism()) },
  },
});
const [count, seed, workers] = [values.count, values.seed, values.workers].map(Number);
if (![count, seed, workers].every(Number.isSafeInteger) || count < 1 || workers < 1) {
  console.error('--count, --seed and --workers are whole numbers.');
  process.exit(2);
}

const folder = await mkdtemp(join(tmpdir(), 'udp-tool-mutants-'));
try {
  await main();
} finally {
  await rm(folder, { recursive: true });
}

async function main() {
  const all = [];
  for (const file of await filesOf(positionals.length > 0 ? positionals : FOLDERS)) {
    for (const mutant of await mutantsOf(await readFile(join(ROOT, file), 'utf8')))
      all.push({ file, ...mutant });
  }
  const lot = (i) => createHash('sha256').update(`${seed} ${i}`).digest('hex');
  const drawn = all
    .map((mutant, i) => ({ mutant, lot: lot(i) }))
    .sort((a, b) => (a.lot < b.lot ? -1 : 1))
    .slice(0, count)
    .map(({ mutant }) => mutant);
  console.log(`seed ${seed}: ${drawn.length} of ${all.length} faults\n`);
  const left = [...drawn.entries()];
  let unnoticed = 0;
  const work = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [i, { file, was, is, code }] = next;
      if (await isNoticed(file, code, join(folder, `${i}.ts`))) continue;
      unnoticed++;
      console.log(`${file}\n  - ${was}\n  + ${is}`);
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  console.log(`\n${drawn.length - unnoticed} of ${drawn.length} noticed`);
}

async function filesOf(paths) {
  const files = [];
  for (const path of paths) {
    const names = (await stat(join(ROOT, path))).isDirectory() ? await readdir(join(ROOT, path)) : [''];
    files.push(...names.map((name) => relative(ROOT, join(ROOT, path, name))));
  }
  return files.filter((file) => file.endsWith('.ts'));
}

async function isNoticed(file, code, path) {
  await writeFile(path, code);
  const env = { ...process.env, UDP_TOOL_MUTANT: `${file}=${path}` };
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const config = join(ROOT, 'test/mutants/vitest.config.ts');
  return (
    !(await passes([vitest, 'run', '--config', config], env)) ||
    !(await passes([join(ROOT, 'test/mutants/under-attack.mjs'), file, path], env))
  );
}

/** @param {readonly string[]} args of Node */
function passes(args, env) {
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: 'ignore', detached: true });
  const timer = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), LONGEST_MS);
  return new Promise((done) => {
    child.on('close', (status) => {
      clearTimeout(timer);
      done(status === 0);
    });
  });
}
