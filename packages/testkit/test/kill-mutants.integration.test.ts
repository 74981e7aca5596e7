import { expect, test } from 'vitest';
import { killBehaviours } from '../src/conformance/kill.js';
import { subjectOf } from '../src/conformance/subject.js';
import { runBehaviour } from '../src/conformance/trial.js';
import { killMutants } from './mutants/kill-mutants.js';
import { openSqliteHarness } from './sqlite-harness.js';

test.for(killMutants)('a connector that $what is caught by kills', { timeout: 120_000 }, async (mutant) => {
  const behaviour = killBehaviours.find(({ title }) => title === mutant.behaviour);
  if (behaviour === undefined) throw new Error(`no behaviour "${mutant.behaviour}"`);
  const harness = await openSqliteHarness(mutant);
  try {
    const subject = await subjectOf(harness);
    expect(behaviour.inapplicable(subject)).toBeUndefined();
    await expect(runBehaviour(behaviour, subject)).rejects.toThrow(mutant.says);
  } finally {
    await harness.close();
  }
});
