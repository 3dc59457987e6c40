/** The scenarios are TypeScript, and so are the machines and networks of tests that they use. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Below node_modules/, so that the packages that stay outside are found. */
const OUT = join(ROOT, `node_modules/.cache/udp-tool-faults/${process.pid}.mjs`);

/** Where each of them is, some of them ask: what they start lies beside. */
const keepingPlaces = {
  name: 'keeping-places',
  /** @param {import('esbuild').PluginBuild} building */
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]test[\\/].*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const contents = source.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href));
      return { contents, loader: 'ts' };
    });
  },
};

/** What scenarios.ts exports. */
export async function load() {
  await build({
    entryPoints: [join(ROOT, 'test/faults/scenarios.ts')],
    outfile: OUT,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    plugins: [keepingPlaces],
  });
  try {
    return await import(pathToFileURL(OUT).href);
  } finally {
    await rm(OUT, { force: true });
  }
}
