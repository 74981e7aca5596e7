import type { KillAim } from './kill-run.js';
import { type Gap, inStep } from './step-report.js';

/** Where the kills of a suite are to fall, and where they fell. */
export interface KillPlan {
  /** A run that was not killed went through these stretches. */
  passed(gaps: readonly Gap[]): void;
  /** The next aim, among the stretches that a run on this place goes through. */
  next(gaps: readonly Gap[]): KillAim;
  /** A child died there. */
  fell(gap: string): void;
  /** How many died. */
  readonly count: number;
  /** Stretches that every run goes through and in which no child died. Those that only some come by may be missed. */
  readonly missed: readonly string[];
  /** A line for each stretch. */
  report(): string;
}

/** Kills that are spread over all stretches; the same seed gives the same aims. */
export function killPlan(seed: number): KillPlan {
  const random = randomNumbers(seed);
  const aimed = new Map<string, number>();
  const fallen = new Map<string, number>();
  let inEveryRun: readonly string[] | undefined;
  let count = 0;
  return {
    passed(gaps) {
      const names = gaps.map(({ name }) => name);
      inEveryRun = inEveryRun?.filter((name) => names.includes(name)) ?? names;
    },
    next(gaps) {
      const share = ({ name }: Gap): number => (aimed.get(name) ?? 0) / weightOf(name);
      const gap = gaps.toSorted((a, b) => share(a) - share(b))[0];
      if (gap === undefined) throw new Error('a run that takes no step cannot be killed between two');
      const earlier = aimed.get(gap.name) ?? 0;
      aimed.set(gap.name, earlier + 1);
      // The first one is certain to hit.
      if (earlier === 0) return { gap: gap.name, occurrence: 1, afterMs: 0, by: 'itself' };
      const isIn = gap.name.startsWith('in ');
      return {
        gap: gap.name,
        // Not the last ones: how often a run comes by differs a little from one to the next.
        occurrence: 1 + Math.floor(random() * Math.max(1, gap.times / 2)),
        afterMs: depth(earlier) * gap.typicalMs,
        by: isIn && random() < 0.25 ? 'parent' : 'itself',
      };
    },
    fell(gap) {
      count += 1;
      fallen.set(gap, (fallen.get(gap) ?? 0) + 1);
    },
    get count() {
      return count;
    },
    get missed() {
      return inEveryRun?.filter((gap) => !fallen.has(gap)) ?? [];
    },
    report() {
      const lines = [...fallen]
        .toSorted(([, a], [, b]) => b - a)
        .map(([gap, times]) => `  ${`${times}`.padStart(4)} ${gap}`);
      return [`${count} kills fell`, ...lines].join('\n');
    },
  };
}

/** Between two steps there is one place to die, in a step there are many, and a flush has most at stake. */
function weightOf(gap: string): number {
  if (!gap.startsWith('in ')) return 1;
  return gap === inStep('flush') ? 8 : 3;
}

/** How deep into a step the kill of this number falls: by the golden ratio, which leaves no part of it out for long. */
function depth(number: number): number {
  return ((number * 0.618_033_988_75) % 1) * 1.1;
}

/** Mulberry32: repeatable, and random enough for places to die at. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
