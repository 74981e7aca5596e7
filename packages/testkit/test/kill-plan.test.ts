import { expect, test } from 'vitest';
import { killPlan } from '../src/conformance/kill-plan.js';
import type { Gap } from '../src/conformance/step-report.js';

const gaps: readonly Gap[] = [
  { name: 'before open', step: 'open', times: 1, typicalMs: 0 },
  { name: 'in write', step: 'write', times: 30, typicalMs: 0.2 },
  { name: 'in flush', step: 'flush', times: 10, typicalMs: 4 },
  { name: 'between write and flush', step: 'flush', times: 10, typicalMs: 0 },
];

test('a plan begins with one kill of each stretch that is certain to hit', () => {
  const plan = killPlan(1);
  const first = gaps.map(() => plan.next(gaps));
  expect(first.map(({ gap }) => gap).toSorted()).toEqual(gaps.map(({ name }) => name).toSorted());
  for (const aim of first) expect(aim).toMatchObject({ occurrence: 1, afterMs: 0, by: 'itself' });
});

test('a plan aims most at flushes, less at other steps, and at every stretch between', () => {
  const plan = killPlan(1);
  const counts = new Map<string, number>();
  for (let kill = 0; kill < 130; kill++) {
    const { gap } = plan.next(gaps);
    counts.set(gap, (counts.get(gap) ?? 0) + 1);
  }
  expect(Object.fromEntries(counts)).toEqual({
    'before open': 10,
    'in write': 30,
    'in flush': 80,
    'between write and flush': 10,
  });
});

test('a plan leaves no part of a flush out', () => {
  const plan = killPlan(1);
  const tenths = new Set<number>();
  for (let kill = 0; kill < 130; kill++) {
    const { gap, afterMs } = plan.next(gaps);
    if (gap === 'in flush') tenths.add(Math.floor((afterMs / 4) * 10));
  }
  expect([...tenths].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('the same seed gives the same aims', () => {
  const [one, other] = [killPlan(7), killPlan(7)];
  for (let kill = 0; kill < 50; kill++) expect(one.next(gaps)).toEqual(other.next(gaps));
});

test('a plan tells the stretches that every run goes through and in which nobody died', () => {
  const plan = killPlan(1);
  plan.passed(gaps);
  plan.passed(gaps.filter(({ name }) => name !== 'before open'));
  for (const gap of ['between write and flush', 'in write', 'in write']) plan.fell(gap);
  expect(plan.missed).toEqual(['in flush']);
  expect(plan.count).toBe(3);
  expect(plan.report()).toBe(['3 kills fell', '     2 in write', '     1 between write and flush'].join('\n'));
});
