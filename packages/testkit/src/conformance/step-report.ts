import type { SinkStep } from './watched-sink.js';

/** What a pipeline asks of the outside, as far as the order of these steps decides what a crash leaves. */
export type Step = SinkStep | 'commit';

/** One line that the child tells, in the order in which it happened. What was told survives the child. */
export type StepRecord =
  | {
      readonly type: 'begin';
      readonly step: Step;
      readonly atMs: number /** The parent kills now. */;
      readonly aimed: boolean;
    }
  | { readonly type: 'end'; readonly step: Step; readonly atMs: number; readonly error?: string }
  /** Just before it kills itself. */
  | { readonly type: 'kill'; readonly gap: string }
  /** A partition is read from here, so what lies before it counts as written. */
  | { readonly type: 'read'; readonly partition: string; readonly from: number }
  /** A flush succeeded that stored these positions, or a source was told this position. */
  | { readonly type: 'flushed' | 'committed'; readonly positions: Readonly<Record<string, number>> }
  | { readonly type: 'done'; readonly positions: Readonly<Record<string, number>> }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };

/** Where the run stands, followed from its steps. */
export interface StepTrack {
  /** The name of the stretch that lies before this step, or in which it begins: `between write and flush`. */
  before(step: Step): string;
  follow(record: StepRecord): void;
  /** The name of the stretch now, as far as it does not depend on what comes next: `in write`, `after write`. */
  now(): string;
}

/** At the start of a process. */
export function stepTrack(): StepTrack {
  let last: Step | undefined;
  const underWay: Step[] = [];
  return {
    before(step) {
      const current = underWay.at(-1);
      if (current !== undefined) return inStep(current);
      return last === undefined ? `before ${step}` : `between ${last} and ${step}`;
    },
    follow(record) {
      if (record.type === 'begin') underWay.push(record.step);
      if (record.type !== 'end') return;
      underWay.splice(underWay.lastIndexOf(record.step), 1);
      last = record.step;
    },
    now() {
      const current = underWay.at(-1);
      if (current !== undefined) return inStep(current);
      return last === undefined ? 'before open' : `after ${last}`;
    },
  };
}

/** The name of the stretch from the beginning of a step to its end. */
export function inStep(step: Step): string {
  return `in ${step}`;
}

/** A stretch that a run went through. */
export interface Gap {
  readonly name: string;
  /** How often. */
  readonly times: number;
  /** The step that it lies in or before. */
  readonly step: Step;
  /** How long a step took as a rule, in milliseconds; 0 between steps. */
  readonly typicalMs: number;
}

/** The stretches that a whole run went through, in the order of their first time. */
export function gapsOf(records: readonly StepRecord[]): Gap[] {
  const track = stepTrack();
  const begun = new Map<Step, number[]>();
  const found = new Map<string, { step: Step; durations: number[] }>();
  const note = (name: string, step: Step, ms: number): void => {
    const gap = found.get(name) ?? { step, durations: [] };
    gap.durations.push(ms);
    found.set(name, gap);
  };
  for (const record of records) {
    if (record.type === 'begin') {
      const name = track.before(record.step);
      if (!name.startsWith('in ')) note(name, record.step, 0);
      begun.set(record.step, [...(begun.get(record.step) ?? []), record.atMs]);
    } else if (record.type === 'end') {
      note(inStep(record.step), record.step, record.atMs - (begun.get(record.step)?.shift() ?? record.atMs));
    }
    track.follow(record);
  }
  return [...found].map(([name, { step, durations }]) => ({
    name,
    step,
    times: durations.length,
    typicalMs: durations.toSorted((a, b) => a - b)[Math.floor(durations.length / 2)] ?? 0,
  }));
}
