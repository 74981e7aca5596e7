import type { BenchOptions } from './bench-options.js';
import type { Measured } from './measured-process.js';
import { targetText, type Verdict, verdictOf } from './verdict.js';

/** Something that a pipeline and programs by hand do in turn. */
export interface BenchCase<ByHand extends string> {
  readonly name: string;
  /** Has one of them do it, once, from the same start as the others, and checks what came of it. */
  readonly measure: (subject: ByHand | 'pipeline') => Promise<Measured>;
  /** More columns, asked for when everything is measured. */
  readonly more?: () => Promise<Readonly<Record<string, unknown>>>;
}

/** A comparison of pipelines with programs that one would write by hand. */
export interface Benchmark<ByHand extends string> {
  /** Its name in the JSON. */
  readonly name: string;
  /** The programs by hand, by the names that they have in the table. Targets are about the first. */
  readonly byHand: readonly [ByHand, ...ByHand[]];
  /** What a message is in this system. Default `message`. */
  readonly unit?: 'message' | 'row';
  /** The throughput that a pipeline is to reach, of that of the first program by hand. Default 0.95. */
  readonly targetRatio?: number;
  /** What is measured. A generator may prepare each case before it yields it, and clear up after that. */
  readonly cases: Iterable<BenchCase<ByHand>> | AsyncIterable<BenchCase<ByHand>>;
}

/**
 * Measures each case in rounds, all programs in turn, of which the first round warms the caches and does not count. Prints the
 * medians as a table, or as JSON, and sets the exit code to 1 when a case misses its targets: the ratio, or at most 0.1 us of CPU
 * added per message where the program by hand needs less than 2; and {@link allowedMiB}.
 */
export async function runBenchmark<ByHand extends string>(
  { name, byHand, unit = 'message', targetRatio = 0.95, cases }: Benchmark<ByHand>,
  { messages, repeat, json }: BenchOptions,
): Promise<void> {
  const results: Record<string, unknown>[] = [];
  for await (const each of cases) {
    const medians = await measureInTurn([...byHand, 'pipeline'], repeat, each);
    const row = rowOf(medians, { byHand, unit, targetRatio }, (await each.more?.()) ?? {});
    results.push({ task: each.name, ...row });
  }
  if (json) console.log(JSON.stringify({ benchmark: name, messages, results }, undefined, 2));
  else console.table(Object.fromEntries(results.map(({ task, ...row }) => [String(task), row])));
  if (results.every(({ met }) => met)) return;
  console.error(targetText(targetRatio, unit));
  process.exitCode = 1;
}

/** What each of the programs took, by its name. */
type Medians<ByHand extends string> = Readonly<Record<ByHand | 'pipeline', Measured>>;

async function measureInTurn<ByHand extends string>(
  subjects: readonly (ByHand | 'pipeline')[],
  rounds: number,
  { name, measure }: BenchCase<ByHand>,
): Promise<Medians<ByHand>> {
  const runs = subjects.map((subject) => ({ subject, measured: [] as Measured[] }));
  for (let round = 0; round <= rounds; round++) {
    for (const { subject, measured } of runs) {
      const run = await measure(subject).catch((cause: unknown) => {
        throw new Error(`"${name}" could not be measured: ${subject}`, { cause });
      });
      if (round > 0) measured.push(run);
    }
  }
  const medians = runs.map(({ subject, measured }) => [subject, medianOf(measured)]);
  return Object.fromEntries(medians) as Medians<ByHand>; // with each of the subjects
}

/** Medians, but of memory the most. */
function medianOf(runs: readonly Measured[]): Measured {
  const median = (of: (run: Measured) => number): number =>
    runs.map(of).toSorted((a, b) => a - b)[runs.length >> 1] ?? Number.NaN;
  return {
    messages: median((run) => run.messages),
    messagesPerSecond: median((run) => run.messagesPerSecond),
    cpuMicroseconds: median((run) => run.cpuMicroseconds),
    peakMiB: Math.max(...runs.map((run) => run.peakMiB)),
  };
}

function rowOf<ByHand extends string>(
  medians: Medians<ByHand>,
  { byHand, unit, targetRatio }: Required<Pick<Benchmark<ByHand>, 'byHand' | 'unit' | 'targetRatio'>>,
  more: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const subjects = [...byHand, 'pipeline'] as const;
  const against = (subject: ByHand): Verdict => verdictOf(medians[subject], medians.pipeline, targetRatio);
  const { addedMicroseconds, addedMiB, met } = against(byHand[0]);
  const columns: [string, unknown][] = [
    ...subjects.map((each): [string, number] => [`${each} ${unit}s/s`, Math.round(medians[each].messagesPerSecond)]),
    ...byHand.map((each): [string, number] => [
      byHand.length === 1 ? 'ratio' : `ratio to ${each}`,
      rounded(against(each).ratio),
    ]),
    ...subjects.map((each): [string, number] => [`${each} CPU us/${unit}`, rounded(medians[each].cpuMicroseconds)]),
    [`added CPU us/${unit}`, rounded(addedMicroseconds)],
    ...Object.entries(more),
    ['added peak MiB', Math.round(addedMiB)],
    ['met', met],
  ];
  return Object.fromEntries(columns);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
