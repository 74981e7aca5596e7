import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Budget } from '../../src/engine/budget.js';
import { RunStats } from '../../src/engine/run-stats.js';
import { failMessages, hangIgnoringAbort } from '../../src/testing/index.js';
import { eventfulRun } from './eventful-run.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
let exporter: InMemoryMetricExporter;
let provider: MeterProvider;
beforeEach(() => {
  here = world();
  collectAs(AggregationTemporality.CUMULATIVE);
});
afterEach(async () => {
  expectNoViolations(here);
  metrics.disable();
  await provider.shutdown();
});

/** From here on this is the application's SDK. */
function collectAs(temporality: AggregationTemporality): void {
  exporter = new InMemoryMetricExporter(temporality);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  provider = new MeterProvider({ readers: [reader] });
  metrics.disable();
  metrics.setGlobalMeterProvider(provider);
}

/** What a reader collects now: value (of a histogram the count) by metric and attributes. */
async function collected(): Promise<Record<string, number>> {
  exporter.reset();
  await provider.forceFlush();
  const points = exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap((scope) => scope.metrics)
    .flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ attributes, value }) => {
        const { 'sluice.pipeline': pipeline, 'messaging.system': system, ...others } = attributes;
        expect({ pipeline, system }).toEqual({ pipeline: 'copy', system: 'memory' });
        const number = typeof value === 'number' ? value : value.count;
        return [[descriptor.name, ...Object.values(others)].join(' '), number] as const;
      }),
    );
  return Object.fromEntries(points);
}

const consumed = 'messaging.client.consumed.messages source read receive';
const sent = 'messaging.client.sent.messages sink write send';
const inFlight = 'sluice.in_flight.messages source';

describe('OpenTelemetry', () => {
  it('gets the same numbers under the names of the conventions, by pipeline, part and system', async () => {
    await eventfulRun(here);
    expect(await collected()).toEqual({
      [consumed]: 10,
      [sent]: 8,
      [`${sent} conflict`]: 8,
      'messaging.client.operation.duration sink write send': 1,
      'messaging.client.operation.duration sink write send conflict': 1,
      'sluice.received.bytes source': 42,
      'sluice.failed.messages sink conflict': 8,
      'sluice.retried.messages sink': 8,
      'sluice.dead_lettered.messages source message_invalid': 1,
      [inFlight]: 0,
      'sluice.batch.messages sink': 2,
    });
  });

  it('is told which messages of a write were refused, and why', async () => {
    here.produce('p', 'a', 'b', 'c');
    here.system.faults.next('sink.write', failMessages('message_too_large', 1));
    await here.run({ onInvalid: 'drop' });
    expect(await collected()).toMatchObject({
      [sent]: 2,
      [`${sent} message_too_large`]: 1,
      'sluice.dropped.messages sink message_too_large': 1,
    });
  });

  it('is told what all runs have counted together, whenever it asks', async () => {
    for (const count of [2, 3]) {
      here.produce('p', ...keys('p', count));
      await here.run();
    }
    expect(await collected()).toMatchObject({ [consumed]: 5, [sent]: 5 });
    here.produce('p', 'last');
    await here.run();
    expect(await collected()).toMatchObject({ [consumed]: 6, [sent]: 6 });
    expect(await collected()).toMatchObject({ [consumed]: 6, [sent]: 6 });
  });

  it('is told what is counted from the first run on that begins after the provider was set', async () => {
    metrics.disable();
    const pipeline = here.define();
    here.produce('p', 'a', 'b');
    await here.system.clock.settle(pipeline.run());
    metrics.setGlobalMeterProvider(provider);
    expect(await collected()).toEqual({});
    here.produce('p', 'c');
    await here.system.clock.settle(pipeline.run());
    expect(await collected()).toMatchObject({ [consumed]: 1, [sent]: 1 });
  });

  it('is told as in flight what runs have under way, and not what they have left', async () => {
    here.produce('p', 'a', 'b', 'c');
    const writtenLate = { ...hangIgnoringAbort(60_000), effect: 'first' } as const;
    here.system.faults.next('sink.write', writtenLate, writtenLate);
    const settings = { source: { bounded: false }, timeoutMs: 100_000 } as const;
    const first = here.start(settings);
    const second = here.start(settings, here.system.instance('b'));
    await here.system.clock.advance(100);
    expect(await collected()).toMatchObject({ [inFlight]: 6 });
    expect(await first.stop()).toMatchObject({ unsettled: 3 });
    expect(await collected()).toMatchObject({ [inFlight]: 3 });
    await second.stop();
    expect(await collected()).toMatchObject({ [inFlight]: 0 });
    await here.system.clock.advance(120_000); // the writes of the ended runs settle
    expect(first.pipeline.stats()).toMatchObject({ inFlight: 0 });
    expect(await collected()).toMatchObject({ [inFlight]: 0 });
  });
});

describe('what is true only for a time', () => {
  // With cumulative temporality the SDK repeats what was observed once.
  beforeEach(() => collectAs(AggregationTemporality.DELTA));

  const lags = async (): Promise<object> =>
    Object.fromEntries(Object.entries(await collected()).filter(([name]) => name.startsWith('sluice.lag')));

  it('is told of a partition until it is lost or the run ends', async () => {
    here.produce('p', ...keys('p', 3));
    here.produce('q', 'q1');
    const source = { partitions: 'assigned', position: 'source', bounded: false, batchMessages: 1 } as const;
    const run = here.start({ source, budget: { maxMessages: 1 } });
    await here.system.clock.advance(10);
    here.system.faults.decideBy(({ name }) => (name === 'sink.write' ? hangIgnoringAbort(1000) : undefined));
    here.produce('p', 'p4');
    await here.system.clock.advance(10);
    expect(await lags()).toEqual({ 'sluice.lag source source:p': 0, 'sluice.lag source source:q': 0 });
    here.system.stream('in').group('copy').lose('q', null);
    await here.system.clock.advance(3000);
    expect(await lags()).toEqual({ 'sluice.lag source source:p': 0 });
    expect(run.pipeline.stats().lag).toEqual({ 'source:p': 0 });
    await run.stop();
    expect(await lags()).toEqual({});
    expect(run.pipeline.stats().lag).toEqual({ 'source:p': 0 });
  });

  it('is told of a connector until the run ends, and what it has counted after that, too', async () => {
    const stats = new RunStats('copy', new Budget({ maxMessages: 1, maxBytes: 1 }));
    const first = stats.driverMetrics('source', 'memory');
    first.set('openFiles', 3);
    first.add('droppedByQueue', 2);
    stats.driverMetrics('source', 'memory').set('openFiles', 4);
    expect(await collected()).toEqual({
      'sluice.memory.open_files source': 4,
      'sluice.memory.dropped_by_queue source': 2,
    });
    first.add('droppedByQueue', 5);
    stats.end(0);
    first.set('openFiles', 5);
    first.set('late', 1);
    expect(await collected()).toEqual({ 'sluice.memory.dropped_by_queue source': 5 });
    expect(stats.snapshot().connectors).toEqual({
      'source.openFiles': 5,
      'source.droppedByQueue': 7,
      'source.late': 1,
    });
  });
});
