// What the engine costs: pipelines from a source of ready messages to a sink that forgets them, with tracker, checkpoints and
// metrics on, each in turn with a hand-written loop over the same drivers. Counted is the CPU time of the whole process,
// which other work on the machine hardly changes. `--json` prints the result as JSON. Exits with 1 when a pipeline needs more
// than double its target.
import { type Case, cases, runByHand, runPipeline } from './cases.ts';
import type { Feed } from './in-process.ts';

const runs = 5;
const durationMs = 500;

/** The median of the runs, in nanoseconds for each message or batch. */
interface Result {
  readonly name: string;
  readonly per: Case['per'];
  readonly targetNs?: number;
  readonly byHandNs: number;
  readonly pipelineNs: number;
  /** Throughput of the pipeline compared with the loop. */
  readonly ratio: number;
}

type Run = (of: Case, feed: Feed) => Promise<void>;

/** CPU nanoseconds for each message or batch. */
async function measure(run: Run, of: Case): Promise<number> {
  const messages = Array.from({ length: of.batchMessages }, () => of.message);
  const feed: Feed = { messages, partitions: of.partitions, durationMs, batches: 0 };
  globalThis.gc?.();
  const before = process.cpuUsage();
  await run(of, feed);
  const { user, system } = process.cpuUsage(before);
  const count = of.per === 'batch' ? feed.batches : feed.batches * of.batchMessages;
  return ((user + system) * 1000) / count;
}

/** All cases in turn in every run, so that whatever else the machine does meets each of them. */
async function measureAll(): Promise<Result[]> {
  const byHand = cases.map((): number[] => []);
  const engine = cases.map((): number[] => []);
  // The first run warms the code up and does not count.
  for (let run = 0; run <= runs; run++) {
    for (const [index, of] of cases.entries()) {
      const ns = [await measure(runByHand, of), await measure(runPipeline, of)] as const;
      if (run === 0) continue;
      byHand[index]?.push(ns[0]);
      engine[index]?.push(ns[1]);
    }
  }
  return cases.map(({ name, per, targetNs }, index) => {
    const byHandNs = median(byHand[index] ?? []);
    const pipelineNs = median(engine[index] ?? []);
    const ratio = byHandNs / pipelineNs;
    return { name, per, ...(targetNs === undefined ? {} : { targetNs }), byHandNs, pipelineNs, ratio };
  });
}

function median(of: readonly number[]): number {
  return of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)] ?? Number.NaN;
}

function print(results: readonly Result[]): void {
  console.log(`CPU time, median of ${runs} runs of ${durationMs} ms in turn; batches of 500 but where it says one`);
  console.table(
    results.map(({ name, per, targetNs, byHandNs, pipelineNs, ratio }) => ({
      pipeline: name,
      'by hand': `${byHandNs.toFixed(1)} ns`,
      'with the engine': `${pipelineNs.toFixed(1)} ns`,
      target: targetNs === undefined ? '' : `${targetNs} ns`,
      per,
      ratio: ratio.toFixed(3),
    })),
  );
}

const results = await measureAll();
const missed = results
  .filter(({ targetNs, pipelineNs }) => pipelineNs > 2 * (targetNs ?? Number.POSITIVE_INFINITY))
  .map(({ name, per, targetNs, pipelineNs }) => `${name}: ${pipelineNs.toFixed(1)} ns per ${per}, target ${targetNs} ns`);
if (process.argv.includes('--json')) console.log(JSON.stringify({ runs, durationMs, results, missed }, null, 2));
else print(results);
for (const text of missed) console.error(`missed by more than double: ${text}`);
if (missed.length > 0) process.exitCode = 1;
