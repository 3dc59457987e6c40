/** The quick tests of the protocol, on a source with one fault: the file of UDP_TOOL_MUTANT is read from another place. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes moments goes first: most faults are found there. */
const ORDER = ['test/vectors', 'test/unit', 'test/property', 'test/sim', 'test/security', 'test/integration'];
const [file, instead] = (process.env['UDP_TOOL_MUTANT'] ?? '').split('=');
const root = fileURLToPath(new URL('../..', import.meta.url));

class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number =>
      ORDER.findIndex((folder) => moduleId.includes(`${folder}/`));
    return files.sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  root,
  plugins: [
    {
      name: 'mutant',
      enforce: 'pre',
      load(id) {
        return instead && id === `${root}${file}` ? readFileSync(instead, 'utf8') : null;
      },
    },
  ],
  test: {
    bail: 1,
    isolate: false,
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 30_000,
    sequence: { sequencer: QuickFirst },
    include: [
      'test/{unit,vectors,property,sim}/**/*.test.ts',
      'test/security/{every-bit,pairing}.test.ts',
      'test/integration/{endpoint,careless-callers}.test.ts',
    ],
    // What takes long, and what is of other parts.
    exclude: [
      'test/property/{nonces,conversations}.test.ts',
      'test/sim/congestion.test.ts',
      'test/unit/{lan,documents,service,gui-*,messages,conversations}.test.ts',
    ],
  },
});
