import { defineConfig } from 'vitest/config';

/** Replaces a module for all that import it: where one has it already, the real one stays. */
const ALONE = 'test/property/nonces.test.ts';

export default defineConfig({
  test: {
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What is waited for comes soon, but on a machine that has other things to do.
    expect: { poll: { timeout: 15_000 } },
    coverage: { provider: 'v8', include: ['src/**'], reporter: ['text-summary'] },
    projects: [
      { extends: true, test: { name: 'alone', include: [ALONE] } },
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [ALONE],
          // A worker imports a module once for all of its files, not once for each: so no file may change its process
          // for good. Processes, no threads: the networks of tests are named by process (test/support/namespaces.ts).
          isolate: false,
          pool: 'forks',
        },
      },
    ],
  },
});
