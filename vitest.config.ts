import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

const tests = ['packages/*/test/**/*.test.ts', 'templates/*/test/**/*.test.ts', 'examples/test/**/*.test.ts'];
const integrationTests = tests.map((pattern) => pattern.replace('*.test.ts', '*.integration.test.ts'));

export default defineConfig({
  test: {
    retry: 0,
    allowOnly: false,
    projects: [
      {
        test: {
          name: 'unit',
          include: tests,
          exclude: [...configDefaults.exclude, ...integrationTests],
          // vitest leaves a core idle, which is half of a small machine.
          maxWorkers: availableParallelism(),
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          include: integrationTests,
          // These start processes and servers and measure time: one after the other, when the unit tests are done.
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
