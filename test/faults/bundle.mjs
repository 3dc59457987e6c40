/** The scenarios are TypeScript, and so are the machines and networks of tests that they use. */
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { loadWith } from '../support/bundle.mjs';

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
export function load() {
  return loadWith('faults/scenarios.ts', [keepingPlaces]);
}
