import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { delay, fail, failMessages } from '../../src/testing/index.js';
import { filter, flatMap, map } from '../../src/transform.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

/** A run in which something of each kind happens: ten messages, of which two are filtered, one is invalid and one doubled. */
function everything(): ReturnType<World['run']> {
  here.produce('p', ...keys('p', 10));
  here.system.faults.next({ name: 'sink.write', target: 'out' }, fail('conflict', 20));
  return here.run({
    transforms: [
      filter(({ key }) => key !== 'p1' && key !== 'p2'),
      map((message) => {
        if (message.key === 'p3') throw new Error('bad');
        return message;
      }),
      flatMap((message) => (message.key === 'p4' ? [message, message] : [message])),
    ],
    deadLetter: { sink: here.memory.sink({ destination: 'dead', payload: 'value' }), maxRatio: 1 },
  });
}

describe('the numbers of a pipeline', () => {
  it('count everything once', async () => {
    expect(await everything()).toEqual({
      received: 10,
      receivedBytes: 42,
      written: 8,
      filtered: 2,
      failed: 8,
      retried: 8,
      deadLettered: 1,
      dropped: 0,
      inFlight: 0,
      inFlightBytes: 0,
      lag: { 'source:p': 0 },
      connectors: {},
      positions: { 'source:p': { next: 10, lease: 1 } },
      unsettled: 0,
    });
  });

  it('are zero before the first run', () => {
    expect(here.define().stats()).toMatchObject({ received: 0, written: 0, unsettled: 0, positions: {} });
  });

  it('show while it runs what is in flight and how far it is behind', async () => {
    here.produce('p', ...keys('p', 9));
    here.system.faults.next('sink.write', delay(1000));
    const run = here.start({ source: { bounded: false, batchMessages: 3 }, budget: { maxMessages: 6 } });
    await here.system.clock.advance(500);
    expect(run.pipeline.stats()).toMatchObject({
      received: 6,
      inFlight: 6,
      inFlightBytes: 24,
      written: 0,
      lag: { 'source:p': 3 },
      unsettled: 0,
    });
    await here.system.clock.advance(1000);
    expect(run.pipeline.stats()).toMatchObject({ received: 9, inFlight: 0, written: 9, lag: { 'source:p': 0 } });
    await run.stop();
  });

  it('count messages that are read again as received again', async () => {
    here.produce('p', 'a', 'b');
    here.system.faults.next('sink.flush', fail('conflict'));
    expect(await here.run({ sink: { flush: true } })).toMatchObject({
      received: 4,
      written: 4,
      inFlight: 0,
      unsettled: 0,
    });
  });
});

describe('OpenTelemetry', () => {
  let exporter: InMemoryMetricExporter;
  let provider: MeterProvider;
  beforeEach(() => {
    exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    provider = new MeterProvider({ readers: [reader] });
    metrics.setGlobalMeterProvider(provider);
  });
  afterEach(async () => {
    metrics.disable();
    await provider.shutdown();
  });

  /** What a reader collects: value (of a histogram the count) by metric and attributes. */
  async function collected(): Promise<Record<string, number>> {
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

  it('gets the same numbers under the names of the conventions, by pipeline, part and system', async () => {
    await everything();
    expect(await collected()).toEqual({
      'messaging.client.consumed.messages source read receive': 10,
      'messaging.client.sent.messages sink write send': 8,
      'messaging.client.sent.messages sink write send conflict': 8,
      'messaging.client.operation.duration sink write send': 1,
      'messaging.client.operation.duration sink write send conflict': 1,
      'sluice.received.bytes source': 42,
      'sluice.failed.messages sink conflict': 8,
      'sluice.retried.messages sink': 8,
      'sluice.dead_lettered.messages source message_invalid': 1,
      'sluice.in_flight.messages source': 0,
      'sluice.batch.messages sink': 2,
      'sluice.lag source source:p': 0,
    });
  });

  it('is told which messages of a write were refused, and why', async () => {
    here.produce('p', 'a', 'b', 'c');
    here.system.faults.next('sink.write', failMessages('message_too_large', 1));
    await here.run({ onInvalid: 'drop' });
    expect(await collected()).toMatchObject({
      'messaging.client.sent.messages sink write send': 2,
      'messaging.client.sent.messages sink write send message_too_large': 1,
      'sluice.dropped.messages sink message_too_large': 1,
    });
  });
});

describe('events', () => {
  it('carry the pipeline and the time', async () => {
    here.produce('p', 'a');
    const started = here.system.clock.now();
    await here.run();
    expect(here.events).toMatchObject([
      { type: 'started', pipeline: 'copy', at: started },
      { type: 'stopped', pipeline: 'copy', at: started, error: undefined, summary: { written: 1 } },
    ]);
  });

  it('tell of the start when every source is open', async () => {
    here.produce('p', 'a');
    here.system.faults.next('source.open', fail('not_connected'));
    await here.run();
    expect(here.events.map((event) => ('part' in event ? `${event.type} ${event.part}` : event.type))).toEqual([
      'degraded source',
      'started',
      'recovered source',
      'stopped',
    ]);
  });

  it('tell a failure with attempt, delay and the part', async () => {
    here.produce('p', 'a');
    here.system.faults.next('sink.write', fail('conflict'), fail('conflict'));
    await here.run();
    const degraded = here.events.filter((event) => event.type === 'degraded');
    expect(degraded).toMatchObject([
      {
        part: 'sink',
        attempt: 1,
        error: { code: 'conflict', connector: 'memory', direction: 'sink', operation: 'write' },
      },
      { part: 'sink', attempt: 2 },
    ]);
    for (const { delayMs } of degraded) expect(delayMs).toBeLessThanOrEqual(200);
  });

  it('tell recovery once for several failures', async () => {
    here.produce('p', 'a');
    here.system.faults.next('store.save', fail('conflict'), fail('conflict'));
    await here.run();
    expect(here.events.map((event) => ('part' in event ? `${event.type} ${event.part}` : event.type))).toEqual([
      'started',
      'degraded checkpoint',
      'degraded checkpoint',
      'recovered checkpoint',
      'stopped',
    ]);
  });
});
