import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type History, histories } from './history.js';
import { findProblems } from './invariants.js';
import { describeLives, playHistory } from './play-history.js';

/**
 * `SLUICE_HISTORIES=1000000` plays more; `SLUICE_SEED` and `SLUICE_PATH` play one again. CI plays the same histories each time, so
 * that it judges the change; everybody else plays new ones.
 */
const count = Number(process.env['SLUICE_HISTORIES'] ?? 10_000);
const seed = Number(process.env['SLUICE_SEED'] ?? (process.env['CI'] === undefined ? Date.now() % 2_147_483_647 : 1));
const path = process.env['SLUICE_PATH'];

const random = Math.random;
const { stackTraceLimit } = Error;
beforeAll(() => {
  Error.stackTraceLimit = 0; // nobody reads the stacks of scripted errors, and they take a twentieth of the time
});
afterAll(() => {
  Math.random = random;
  Error.stackTraceLimit = stackTraceLimit;
});

it(`keeps every promise in ${count} random histories (SLUICE_SEED=${seed})`, {
  timeout: count * 100 + 20_000,
}, async () => {
  const result = await fc.check(
    fc.asyncProperty(histories, async (history) => {
      const problems = await problemsOf(history);
      if (problems.length > 0) throw new Error(problems.join('\n'));
    }),
    { numRuns: count, seed, ...(path === undefined ? {} : { path }) },
  );
  expect(result.failed, explain(result)).toBe(false);
});

async function problemsOf(history: History): Promise<string[]> {
  const played = await playHistory(history);
  const problems = findProblems(played);
  return problems.length === 0 ? [] : [...problems.slice(0, 20), `lives: ${describeLives(played)}`];
}

/** What a person needs to see a failing history again. */
function explain({ counterexample, counterexamplePath, errorInstance }: fc.RunDetails<[History]>): string {
  if (counterexample === null) return 'no history could be played';
  return [
    errorInstance instanceof Error ? errorInstance.message : String(errorInstance),
    `history: ${JSON.stringify(counterexample[0], (_, value: unknown) => (value === Number.POSITIVE_INFINITY ? 'Infinity' : value))}`,
    `again: SLUICE_SEED=${seed} SLUICE_PATH=${counterexamplePath} npx vitest run packages/core/test/engine/model.property.test.ts`,
  ].join('\n');
}
