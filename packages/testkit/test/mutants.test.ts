import { describe, expect, test } from 'vitest';
import type { Behaviour } from '../src/conformance/behaviour.js';
import { behaviours } from '../src/conformance/behaviours.js';
import { subjectOf } from '../src/conformance/subject.js';
import { runBehaviour } from '../src/conformance/trial.js';
import { memoryHarness } from './memory-harness.js';
import { startMemoryServer } from './memory-server.js';
import { killMutants } from './mutants/kill-mutants.js';
import type { Mutant } from './mutants/mutant.js';
import { mutants } from './mutants/mutants.js';

/** Broken connectors make behaviours wait in vain, so they wait for less; healthy ones answer in a few milliseconds. */
const patienceMs = 1500;

function behaviourOf(title: string): Behaviour {
  const found = behaviours.find((behaviour) => behaviour.title === title);
  if (found === undefined) throw new Error(`no behaviour "${title}"`);
  return found;
}

/** Runs the mutant's behaviour, with the mutation or without. */
async function tryBehaviour({ behaviour: title, mode, mutate, modules }: Mutant, mutated: boolean): Promise<void> {
  const server = startMemoryServer();
  const harness = memoryHarness(server, mode);
  const connector = mutated ? mutate(harness.connector, server) : harness.connector;
  try {
    const module = modules?.[mutated ? 'broken' : 'healthy'] ?? harness.module;
    const subject = await subjectOf({ ...harness, connector, module });
    const behaviour = behaviourOf(title);
    expect(behaviour.inapplicable(subject), 'the mode must allow the behaviour').toBeUndefined();
    await runBehaviour(behaviour, subject, { patienceMs });
  } finally {
    await harness.close();
  }
}

describe('the suite', () => {
  test('has each title once', () => {
    const titles = behaviours.map(({ title }) => title);
    expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([]);
  });

  test('has a mutant for each behaviour', () => {
    const proven = new Set([...mutants, ...killMutants].map(({ behaviour }) => behaviour));
    expect(behaviours.map(({ title }) => title).filter((title) => !proven.has(title))).toEqual([]);
  });
});

describe.for(mutants)('a connector that $what', (mutant) => {
  test(`fails "${mutant.behaviour}", and the error says so`, async () => {
    const failed = await tryBehaviour(mutant, true).then(() => 'passes', String);
    expect(failed, `it says: ${failed}`).toMatch(mutant.says);
  });

  test('passes without the fault', async () => {
    await expect(tryBehaviour(mutant, false)).resolves.toBeUndefined();
  });
});
