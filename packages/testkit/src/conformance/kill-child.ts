// Runs a pipeline of numbered messages into the sink under test, tells each step as it happens, and dies where it is told to.
import { writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import { fileCheckpoints, isConnectorError, pipeline, type Sink } from '@sluice/core';
import { type Checkpoint, isConnector } from '@sluice/core/driver';
import type { KillOrder } from './kill-run.js';
import { numberedSource, numberOf } from './numbered-source.js';
import { inStep, type Step, type StepRecord, stepTrack } from './step-report.js';
import { watchedSink } from './watched-sink.js';

// The only program that passes this argument is kill-run.ts.
const order = JSON.parse(process.argv[2] ?? '') as KillOrder;
const reportFd = 3;
const sourceId = 'source';
const track = stepTrack();
let misses = 0;

/** Written at once: what the parent has read has happened, whenever this process dies. */
function tell(record: StepRecord): void {
  track.follow(record);
  writeSync(reportFd, `${JSON.stringify(record)}\n`);
}

function die(gap: string): never {
  tell({ type: 'kill', gap });
  process.kill(process.pid, 'SIGKILL');
  // The signal is delivered before anything else can happen.
  for (;;);
}

/** Whether this is the stretch, and the time among its like, to die in. */
function isAim(gap: string): boolean {
  return order.aim?.gap === gap && ++misses === order.aim.occurrence;
}

async function step<T>(name: Step, call: () => Promise<T>): Promise<T> {
  const before = track.before(name);
  if (isAim(before)) die(before);
  const aimed = isAim(inStep(name));
  tell({ type: 'begin', step: name, atMs: performance.now(), aimed: aimed && order.aim?.by === 'parent' });
  const running = call();
  if (aimed) await dieDuring(name, running);
  try {
    const value = await running;
    tell({ type: 'end', step: name, atMs: performance.now() });
    return value;
  } catch (error) {
    tell({ type: 'end', step: name, atMs: performance.now(), error: String(error) });
    throw error;
  }
}

/** Dies some time after the step has begun, or at its end; the engine never hears of that. */
async function dieDuring(name: Step, running: Promise<unknown>): Promise<never> {
  let ended = false;
  const onEnd = (): void => {
    ended = true;
  };
  running.then(onEnd, onEnd);
  const byParent = order.aim?.by === 'parent';
  const end = byParent ? Number.POSITIVE_INFINITY : performance.now() + (order.aim?.afterMs ?? 0);
  while (!ended && performance.now() < end) await setImmediate();
  if (!byParent) die(ended ? `after ${name}` : inStep(name));
  tell({ type: 'end', step: name, atMs: performance.now() });
  return await new Promise(() => undefined);
}

function positionsOf(checkpoint: Checkpoint): Record<string, number> {
  return Object.fromEntries(
    Object.entries(checkpoint).map(([partition, { position }]) => [
      partition.slice(sourceId.length + 1),
      numberOf(position),
    ]),
  );
}

/** The sink under test, telling its steps. */
async function tellingSink(): Promise<Sink> {
  // A module of the harness's choice: looked at before it is used.
  const exports = (await import(order.module.url)) as Readonly<Record<string, unknown>>;
  const connector = exports[order.module.name];
  if (!isConnector(connector)) throw new Error(`${order.module.url} exports no connector "${order.module.name}"`);
  return watchedSink(connector.sink(order.config, order.options), async (name, call, checkpoint) => {
    const result = await step(name, call);
    if (name === 'flush') tell({ type: 'flushed', positions: positionsOf(checkpoint ?? {}) });
    return result;
  });
}

async function run(): Promise<void> {
  const sink = await tellingSink();
  const { carries, partitions, batchMessages, more, checkpoints } = order;
  const source = numberedSource({
    carries,
    partitions,
    batchMessages,
    more,
    onRead: (partition, from) => tell({ type: 'read', partition, from }),
    onCommit: async (partition, position) => {
      await step('commit', () => setImmediate());
      tell({ type: 'committed', positions: { [partition]: position } });
    },
  });
  const copy = pipeline({
    name: order.pipeline,
    source,
    sink,
    batch: { maxMessages: order.writeMessages },
    flush: { maxMessages: order.flushMessages, intervalMs: 60_000 },
    budget: { maxMessages: order.flushMessages * 4 },
    retry: { initialDelayMs: 20, maxDelayMs: 1000 },
    ...(checkpoints === undefined ? {} : { checkpoints: fileCheckpoints({ path: checkpoints }) }),
  });
  // Node would do it at the end, which a killed process does not reach.
  flushCompileCache();
  await copy.run();
  const positions = Object.entries(copy.stats().positions);
  tell({
    type: 'done',
    positions: Object.fromEntries(
      positions.map(([name, position]) => [name.slice(sourceId.length + 1), Number(position)]),
    ),
  });
}

try {
  await run();
} catch (error) {
  tell({ type: 'failed', code: isConnectorError(error) ? error.code : 'none', message: String(error) });
  process.exitCode = 1;
}
