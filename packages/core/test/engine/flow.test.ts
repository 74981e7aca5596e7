import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Flow, originOf, runSteps } from '../../src/engine/flow.js';
import { createMessage, type Message } from '../../src/message.js';
import type { BatchFailure } from '../../src/sink-driver.js';
import { filter, flatMap, map, type Transform } from '../../src/transform.js';

/** A step, as what it does to the number in a message; chosen by the number, so that messages differ. */
interface StepPlan {
  readonly kind: 'map' | 'filter' | 'flatMap';
  readonly factor: number;
  readonly throwsAt: number;
  readonly asyncAt: number;
}

const numberOf = (message: Message): number => Number(message.payload);
const of = (payload: number): Message => createMessage({ payload });

/** What a step makes of one number; undefined: it throws. */
function outcome({ kind, factor, throwsAt }: StepPlan, value: number): number[] | undefined {
  if (value % 11 === throwsAt) return undefined;
  if (kind === 'map') return [value * factor + 1];
  if (kind === 'filter') return value % factor === 0 ? [] : [value];
  return Array.from({ length: value % (factor + 1) }, (_, index) => value * 3 + index);
}

function stepOf(plan: StepPlan): Transform {
  function decide<T>(message: Message, wrap: (numbers: number[]) => T): T | Promise<T> {
    const value = numberOf(message);
    const result = outcome(plan, value);
    const isAsync = value % 7 === plan.asyncAt;
    if (result === undefined) {
      const error = new Error(`no ${value}`);
      if (isAsync) return Promise.reject(error);
      throw error;
    }
    return isAsync ? Promise.resolve(wrap(result)) : wrap(result);
  }
  if (plan.kind === 'map') return map((message) => decide(message, ([value]) => of(value ?? 0)));
  if (plan.kind === 'filter') return filter((message) => decide(message, (left) => left.length > 0));
  return flatMap((message) => decide(message, (values) => values.map(of)));
}

/** One message after the other, through all steps: the plainest way to say what has to come out. */
function naive(values: readonly number[], plans: readonly StepPlan[]): { kept: [number, number][]; failed: number[] } {
  let kept = values.map((value, origin): [number, number] => [value, origin]);
  const failed: number[] = [];
  for (const plan of plans) {
    kept = kept.flatMap(([value, origin]) => {
      const result = outcome(plan, value);
      if (result === undefined) failed.push(origin);
      return (result ?? []).map((next): [number, number] => [next, origin]);
    });
  }
  return { kept, failed: failed.toSorted((a, b) => a - b) };
}

const stepPlan: fc.Arbitrary<StepPlan> = fc.record({
  kind: fc.constantFrom('map', 'filter', 'flatMap'),
  factor: fc.integer({ min: 1, max: 4 }),
  throwsAt: fc.integer({ min: 0, max: 30 }),
  asyncAt: fc.integer({ min: 0, max: 20 }),
});

describe('the steps of a pipeline', () => {
  it('do what one message after the other would do, whatever drops, expands, throws or is asynchronous', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(100), { maxLength: 30 }),
        fc.array(stepPlan, { maxLength: 5 }),
        async (values, plans) => {
          const failures: BatchFailure[] = [];
          const flow = await runSteps({ messages: values.map(of), origins: undefined }, plans.map(stepOf), failures);
          const expected = naive(values, plans);
          expect(flow.messages.map((message, index) => [numberOf(message), originOf(flow, index)])).toEqual(
            expected.kept,
          );
          expect(failures.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual(expected.failed);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('are synchronous while no step returns a promise', () => {
    const flow = runSteps(
      { messages: [of(1), of(2)], origins: undefined },
      [map((message) => message), filter(() => true)],
      [],
    );
    expect(flow).not.toBeInstanceOf(Promise);
  });

  it('need no list of origins while nothing is dropped or expanded', () => {
    const flow = runSteps(
      { messages: [of(1), of(2)], origins: undefined },
      [map((message) => message), filter(() => true)],
      [],
    ) as Flow;
    expect(flow.origins).toBeUndefined();
  });

  it('run asynchronous functions one after the other, in order', async () => {
    let running = 0;
    const order: number[] = [];
    const step = map(async (message) => {
      running++;
      expect(running).toBe(1);
      await Promise.resolve();
      order.push(numberOf(message));
      running--;
      return message;
    });
    await runSteps({ messages: [of(1), of(2), of(3)], origins: undefined }, [step], []);
    expect(order).toEqual([1, 2, 3]);
  });

  it('name the step and the reason of a failure', () => {
    const failures: BatchFailure[] = [];
    const broken: Transform = {
      kind: 'map',
      label: 'to-fahrenheit.ts',
      apply: () => {
        throw new Error('no temperature');
      },
    };
    void runSteps({ messages: [of(1)], origins: undefined }, [broken], failures);
    expect(failures).toMatchObject([
      {
        index: 0,
        error: { code: 'message_invalid', message: 'to-fahrenheit.ts could not handle the message: no temperature' },
      },
    ]);
  });
});
