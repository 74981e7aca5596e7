import { afterAll, describe, expect, test } from 'vitest';
import type { Behaviour } from './behaviour.js';
import { behaviours as allBehaviours } from './behaviours.js';
import type { OpenHarness, Unable } from './harness.js';
import { type Subject, subjectOf } from './subject.js';
import { defaultPatienceMs, runBehaviour } from './trial.js';

/** How the suite is run. */
export interface ConformanceSettings {
  /** Names the suite. Default: `the connector conforms`. A connector with several modes runs the suite once for each. */
  readonly title?: string;
  /** Default: all of the suite. */
  readonly behaviours?: readonly Behaviour[];
  /** How long one answer of the system may take, in milliseconds. Default 10,000; raise it for a system that is slower. */
  readonly patienceMs?: number;
}

const defaultTimeoutMs = 30_000;

/**
 * Registers the suite that every connector passes: one test for each behaviour that its declared capabilities and its harness
 * allow, and one that lists the others with their reasons (vitest prints them with `--reporter=verbose`). Call it at the top of
 * a test file of vitest. The harness is opened while tests are collected, because what is to be tested depends on what the
 * connector declares.
 *
 * @example
 * import { conformance } from '@sluice/testkit';
 * import { openHarness } from './harness.js';
 *
 * conformance(openHarness);
 */
export function conformance(open: OpenHarness, settings: ConformanceSettings = {}): void {
  const { title = 'the connector conforms', behaviours = allBehaviours, patienceMs = defaultPatienceMs } = settings;
  // oxlint-disable-next-line vitest/valid-title -- the user's own
  describe(title, async () => {
    const harness = await open();
    afterAll(() => harness.close());
    const subject = await subjectOf(harness);
    const left: { readonly behaviour: Behaviour; readonly reason: Unable }[] = [];
    for (const behaviour of behaviours) {
      const reason = behaviour.inapplicable(subject);
      if (reason !== undefined) left.push({ behaviour, reason });
      else register(behaviour, subject, patienceMs);
    }
    test('what cannot be asked has a reason', async ({ annotate }) => {
      expect(left.filter(({ reason }) => reason.because.trim() === '')).toEqual([]);
      const asked = behaviours.length - left.length;
      const hint = left.length === 0 ? '' : ` Why ${left.length} do not apply is shown by --reporter=verbose.`;
      process.stdout.write(`${title}: ${asked} behaviours asked.${hint}\n`);
      for (const { behaviour, reason } of left) await annotate(`${behaviour.title}: ${reason.because}`, 'not asked');
    });
  });
}

function register(behaviour: Behaviour, subject: Subject, patienceMs: number): void {
  const { title, timeoutMs: timeout = defaultTimeoutMs } = behaviour;
  const report = (text: string): void => void process.stdout.write(`${subject.harness.connector.title}: ${text}\n`);
  // oxlint-disable-next-line vitest/valid-title, vitest/expect-expect -- a behaviour has its title, and rejects
  test(title, { timeout }, () => runBehaviour(behaviour, subject, { patienceMs, report }));
}
