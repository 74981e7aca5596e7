import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Behaviour } from './behaviour.js';
import type { SinkPlace } from './harness.js';
import { type KillPlan, killPlan } from './kill-plan.js';
import { type KillOrder, type KillRun, runChild } from './kill-run.js';
import { messagesBefore } from './numbered-source.js';
import { gapsOf } from './step-report.js';
import { expectStored } from './stored-messages.js';
import { forSink, isUnable, optionsOf, type SinkSubject, type Subject } from './subject.js';
import type { Trial } from './trial.js';

/** Kills of one place before it is looked at; a few places at a time, because a child waits as often as it works. */
const killsOfPlace = 20;
const placesAtOnce = 2;
/** More than a child comes to write before it dies. */
const moreOfKilled = 400;
const partitions = ['a', 'b', 'c'] as const;

/** Processes that die while they write. */
export const killBehaviours: readonly Behaviour[] = [
  {
    title: 'a pipeline that is killed anywhere between or inside its steps stores every message exactly once',
    area: 'effectively once',
    inapplicable: forKills(({ atomic }) => (atomic ? undefined : { because: 'its sink is not atomic' })),
    timeoutMs: 600_000,
    run: (trial) => killAndCompare(trial, trial.sink.harness.kills ?? 200),
  },
  {
    title: 'a pipeline that is killed anywhere between or inside its steps loses nothing and keeps the order',
    area: 'faults',
    inapplicable: forKills(({ atomic }) =>
      atomic ? { because: 'its sink is atomic, so more is asked of it' } : undefined,
    ),
    timeoutMs: 300_000,
    run: (trial) => killAndCompare(trial, trial.sink.harness.kills ?? 40),
  },
];

function forKills(reason: (capabilities: SinkSubject['capabilities']) => ReturnType<Behaviour['inapplicable']>) {
  return (subject: Subject): ReturnType<Behaviour['inapplicable']> => {
    const { module } = subject.harness;
    return forSink(
      ({ capabilities, harness }) =>
        reason(capabilities) ?? harness.unkillable ?? (isUnable(module) ? module : undefined),
    )(subject);
  };
}

/** Kills pipelines until `kills` have died, and compares every place by its content. */
async function killAndCompare(trial: Trial, kills: number): Promise<void> {
  const plan = killPlan(kills);
  let places = 0;
  async function lane(): Promise<void> {
    while (places * killsOfPlace < kills) {
      places += 1;
      await killOnOnePlace(trial, plan, `${trial.name}-${places}`);
    }
  }
  await Promise.all(Array.from({ length: placesAtOnce }, lane));
  trial.report(plan.report());
  if (plan.missed.length > 0) throw new Error(`no kill fell ${plan.missed.join(', nor ')}, of ${plan.count}`);
}

async function killOnOnePlace(trial: Trial, plan: KillPlan, pipeline: string): Promise<void> {
  const place = await trial.sinkPlace();
  const order = await orderFor(trial, place, pipeline);
  const safe = new Map<string, number>();
  const watch = async (run: Promise<KillRun>): Promise<KillRun> => {
    const done = await run;
    follow(trial, done, safe);
    return done;
  };
  await watch(runChild({ ...order, more: 20 }));
  // Every run that is killed goes on after another, so the stretches are those of a second run.
  const whole = await watch(runChild({ ...order, more: 100 }));
  const gaps = gapsOf(whole.records);
  plan.passed(gaps);
  // An aim that a run does not come by is no kill, so a few tries more are allowed.
  for (let killed = 0, tries = 0; killed < killsOfPlace && tries < killsOfPlace * 2; tries++) {
    const { killedIn } = await watch(runChild({ ...order, more: moreOfKilled, aim: plan.next(gaps) }));
    if (killedIn === undefined) continue;
    plan.fell(killedIn);
    killed += 1;
  }
  // Behind everything that a killed child may have written and not settled.
  const { records } = await watch(runChild({ ...order, more: trial.sink.capabilities.atomic ? 20 : moreOfKilled }));
  const end = records.at(-1);
  if (end?.type !== 'done') throw new Error('the last run was not to be killed');
  const { carries } = trial.sink.harness;
  const written = new Map(
    partitions.map((name) => [name, messagesBefore({ carries }, name, end.positions[name] ?? 0)]),
  );
  await expectStored(place, written, { repeats: !trial.sink.capabilities.atomic });
}

/** What was told to be safe stays so: no later run may begin before it. */
function follow(trial: Trial, { records, killedIn }: KillRun, safe: Map<string, number>): void {
  const { atomic } = trial.sink.capabilities;
  for (const record of records) {
    if (record.type === 'read' && record.from < (safe.get(record.partition) ?? 0)) {
      const kept = `${safe.get(record.partition)} of partition "${record.partition}"`;
      throw new Error(`a run began again at ${record.from}, though everything before ${kept} was said to be stored`);
    }
    // A flush without a checkpoint in it says nothing about where the next run begins.
    const isSafe = record.type === 'committed' || (atomic && record.type === 'flushed');
    if (isSafe) for (const [name, position] of Object.entries(record.positions)) safe.set(name, position);
  }
  if (records.length === 0) throw new Error(`a child told nothing before it died ${killedIn ?? ''}`);
}

async function orderFor(trial: Trial, place: SinkPlace, pipeline: string): Promise<Omit<KillOrder, 'more'>> {
  const { module } = trial.harness;
  if (isUnable(module)) throw new Error(module.because);
  const order = {
    module,
    config: place.config,
    options: optionsOf(place),
    pipeline,
    carries: trial.sink.harness.carries,
    partitions,
    batchMessages: 5,
    writeMessages: 10,
    flushMessages: 30,
  };
  if (trial.sink.capabilities.atomic) return order;
  const checkpoints = await mkdtemp(join(tmpdir(), 'sluice-kill-'));
  trial.finally(() => rm(checkpoints, { recursive: true, force: true }));
  return { ...order, checkpoints };
}
