/** Bundles an entry of the tests with src/, which is changed on the way: to count, to look inside, or to be wrong in one place. */
import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, transform } from 'esbuild';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SRC = join(ROOT, 'src/');
/** Below node_modules/, so that the packages that stay outside are found. */
const OUT = join(ROOT, 'node_modules/.cache/udp-tool-bundles');

/**
 * A part of the source, and what stands there instead: to see whether it is noticed.
 * @typedef {{ file: string, from: string, to: string }} Mutation
 */

/** The bundle goes without the file that was to be changed. */
export class NotUsed extends Error {}

/** What it makes of each file, by path: the same is bundled again and again. */
const changed = new Map();

/**
 * @param {string} entry below test/
 * @param {(javascript: string) => string} change of every file of src/
 * @param {Mutation | null} mutation
 * @param {Readonly<Record<string, string>>} instead the file that is imported in the place of another, which only that
 *   file itself still imports
 */
export async function load(entry, change, mutation = null, instead = {}) {
  const mutated = new Set();
  const bundle = await loadWith(entry, [replacing(instead), changing(change, mutation, mutated)]);
  if (mutation !== null && !mutated.has(mutation)) throw new NotUsed(`${mutation.file} is not used`);
  return bundle;
}

/**
 * @param {string} entry below test/
 * @param {import('esbuild').Plugin[]} plugins
 */
export async function loadWith(entry, plugins) {
  const outfile = join(OUT, `${randomUUID()}.mjs`); // workers share a process, and this folder

  await build({
    entryPoints: [join(ROOT, 'test', entry)],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    plugins,
  });
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    await rm(outfile, { force: true });
  }
}

/** @param {Readonly<Record<string, string>>} instead */
function replacing(instead) {
  return {
    name: 'instead',
    /** @param {import('esbuild').PluginBuild} building */
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir, importer }) => {
        const other = instead[relative(ROOT, join(resolveDir, path))];
        return other === undefined || relative(ROOT, importer) === other
          ? undefined
          : { path: join(ROOT, other) };
      });
    },
  };
}

/**
 * @param {(javascript: string) => string} change
 * @param {Mutation | null} mutation
 * @param {Set<Mutation>} mutated gets it
 */
function changing(change, mutation, mutated) {
  if (!changed.has(change)) changed.set(change, new Map());
  const known = changed.get(change);
  return {
    name: 'change',
    /** @param {import('esbuild').PluginBuild} building */
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (!path.startsWith(SRC)) return undefined;
        if (mutation === null || relative(ROOT, path) !== mutation.file) {
          const contents = known.get(path) ?? change(await javascriptOf(await readFile(path, 'utf8')));
          known.set(path, contents);
          return { contents, loader: 'js' };
        }
        const source = await readFile(path, 'utf8');
        if (source.split(mutation.from).length !== 2)
          throw new Error(`not once in ${mutation.file}: ${mutation.from}`);
        mutated.add(mutation);
        const wrong = source.replace(mutation.from, () => mutation.to);
        return { contents: change(await javascriptOf(wrong)), loader: 'js' };
      });
    },
  };
}

/** @param {string} source TypeScript */
async function javascriptOf(source) {
  return (await transform(source, { loader: 'ts', target: 'node20' })).code;
}
