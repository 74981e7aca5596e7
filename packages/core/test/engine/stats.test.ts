import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { delay, fail } from '../../src/testing/index.js';
import { eventfulRun } from './eventful-run.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

describe('the numbers of a pipeline', () => {
  it('count everything once', async () => {
    expect(await eventfulRun(here)).toEqual({
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
