import {
  memoryCheckpoints,
  type PipelineDefinition,
  type PipelineEvent,
  type PipelineStats,
  pipeline,
} from '@sluice/core';
import type { NativeMessage } from './harness.js';
import { messagesBefore } from './numbered-source.js';
import type { Trial } from './trial.js';

/** A pipeline that was started. It is stopped when the behaviour is over. */
export interface RunningPipeline {
  readonly events: readonly PipelineEvent[];
  stats(): PipelineStats;
  /** Ends it and resolves when what was read is settled; rejects with what has stopped it for good. */
  stop(): Promise<PipelineStats>;
  /** Resolves when its source has ended. */
  readonly done: Promise<PipelineStats>;
}

/** Starts a pipeline that tries again soon and keeps its positions in memory, unless the definition says otherwise. */
export function startPipeline(trial: Trial, definition: Omit<PipelineDefinition, 'name'>): RunningPipeline {
  const events: PipelineEvent[] = [];
  const stopping = new AbortController();
  const started = pipeline({
    name: trial.name,
    checkpoints: memoryCheckpoints(),
    flush: { intervalMs: 50 },
    retry: { initialDelayMs: 20, maxDelayMs: 500 },
    onEvent: (event) => events.push(event),
    ...definition,
  });
  const done = started.run({ signal: stopping.signal });
  const stop = (): Promise<PipelineStats> => {
    stopping.abort();
    return trial.within(done, 'the end of the pipeline', trial.patienceMs * 3);
  };
  trial.finally(() => stop().catch(() => undefined)); // why it failed is asked where it matters
  done.catch(() => undefined);
  return { events, stats: started.stats, stop, done };
}

/** All messages of numbered partitions that a run has settled, by what it says of itself at its end. */
export function settledMessages(
  trial: Trial,
  { positions, unsettled }: PipelineStats,
): ReadonlyMap<string, readonly NativeMessage[]> {
  if (unsettled > 0) throw new Error(`the pipeline left ${unsettled} messages unsettled`);
  const { carries } = trial.sink.harness;
  return new Map(
    Object.entries(positions).map(([name, position]) => {
      const partition = name.slice('source:'.length);
      return [partition, messagesBefore({ carries }, partition, Number(position))];
    }),
  );
}

/** Why a pipeline is behind, for errors. */
export function lastTrouble({ events }: RunningPipeline): string {
  const trouble = events.findLast((event) => event.type === 'degraded');
  return trouble?.type === 'degraded' ? `, last trouble: ${trouble.error.message}` : '';
}

/** Resolves when the pipeline has written more than until now. */
export async function goesOn(trial: Trial, running: RunningPipeline): Promise<void> {
  const before = running.stats().written;
  await unlessItEnds(
    running,
    trial.until(() => running.stats().written > before + 20, 'it writes', trial.patienceMs * 6),
  );
}

/**
 * Resolves when the pipeline has settled all that its source had given out until now. Before that more may be stored than is
 * settled: what was made durable while the answer was lost is read again only now.
 */
export async function catchesUp(
  trial: Trial,
  running: RunningPipeline,
  given: ReadonlyMap<string, number>,
): Promise<void> {
  const ends = [...given];
  const isSettled = (): boolean => {
    const { positions } = running.stats();
    return ends.every(([partition, end]) => Number(positions[`source:${partition}`] ?? 0) >= end);
  };
  await unlessItEnds(running, trial.until(isSettled, 'it settles what it has read', trial.patienceMs * 6));
}

/** It cannot end by itself but with an error. */
async function unlessItEnds(running: RunningPipeline, progress: Promise<unknown>): Promise<void> {
  await Promise.race([progress, running.done]).catch((error: unknown) => {
    throw new Error(`the pipeline does not go on${lastTrouble(running)}`, { cause: error });
  });
}
