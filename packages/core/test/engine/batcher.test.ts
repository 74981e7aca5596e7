import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { delay, fail } from '../../src/testing/index.js';
import { flatMap } from '../../src/transform.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
  here.produce('p'); // the partition is there before anything runs
});
afterEach(() => expectNoViolations(here));

const now = (): number => here.system.clock.now();
const sizes = (): number[] => here.writes().map((write) => write.length);

describe('batches', () => {
  it('are written at once when nothing is under way', async () => {
    const started = now();
    const run = here.start({ source: { bounded: false } });
    await here.system.clock.advance(50);
    here.produce('p', 'a');
    await here.system.clock.advance(0);
    expect(here.callsOf('sink.write')).toMatchObject([{ keys: ['a'], startedAt: started + 50 }]);
    await run.stop();
  });

  it('grow while an earlier write is under way', async () => {
    here.system.faults.next('sink.write', delay(100));
    here.produce('p', ...keys('p', 50));
    await here.run({ source: { batchMessages: 5 } });
    expect(sizes()).toEqual([5, 45]);
  });

  it('grow up to what the sink prefers, in messages', async () => {
    here.system.faults.next('sink.write', delay(100));
    here.produce('p', ...keys('p', 50));
    await here.run({ source: { batchMessages: 5 }, sink: { preferred: { maxMessages: 20 } } });
    expect(sizes()).toEqual([5, 20, 20, 5]);
  });

  it('grow up to what the sink prefers, in bytes', async () => {
    here.system.faults.next('sink.write', delay(100));
    here.produce('p', ...keys('p', 9)); // payload and key: 4 bytes each
    await here.run({ source: { batchMessages: 1 }, sink: { preferred: { maxBytes: 16 } } });
    expect(sizes()).toEqual([1, 4, 4]);
  });

  it('have the size that the definition says', async () => {
    here.system.faults.next('sink.write', delay(100));
    here.produce('p', ...keys('p', 10));
    await here.run({ source: { batchMessages: 1 }, batch: { maxMessages: 3 } });
    expect(sizes()).toEqual([1, 3, 3, 3]);
  });

  it('keep the arrays of the source uncut, also above what the sink prefers', async () => {
    here.produce('p', ...keys('p', 30));
    await here.run({ sink: { preferred: { maxMessages: 10, maxBytes: 10 } } });
    expect(sizes()).toEqual([30]);
  });
});

describe('maxAgeMs', () => {
  it('lets a write wait to fill, as long as that', async () => {
    const run = here.start({ source: { bounded: false }, batch: { maxAgeMs: 100 } });
    await here.system.clock.advance(0);
    const started = now();
    here.produce('p', 'a');
    await here.system.clock.advance(60);
    here.produce('p', 'b');
    await here.system.clock.advance(39);
    expect(here.writes()).toEqual([]);
    await here.system.clock.advance(1);
    expect(here.callsOf('sink.write')).toMatchObject([{ keys: ['a', 'b'], startedAt: started + 100 }]);
    here.produce('p', 'c');
    await here.system.clock.advance(99);
    expect(here.writes()).toHaveLength(1);
    await here.system.clock.advance(1);
    expect(here.writes()).toEqual([['a', 'b'], ['c']]);
    await run.stop();
  });

  it('ends when the write is full', async () => {
    const started = now();
    const run = here.start({
      source: { bounded: false, batchMessages: 1 },
      batch: { maxAgeMs: 60_000, maxMessages: 3 },
    });
    here.produce('p', ...keys('p', 3));
    await here.system.clock.run(() => here.stored().length === 3);
    expect(now()).toBe(started);
    expect(sizes()).toEqual([3]);
    await run.stop();
  });

  it('ends when the write is full in bytes', async () => {
    const started = now();
    const run = here.start({
      source: { bounded: false, batchMessages: 1 },
      batch: { maxAgeMs: 60_000, maxBytes: 12 },
    });
    here.produce('p', ...keys('p', 3));
    await here.system.clock.run(() => here.stored().length === 3);
    expect(now()).toBe(started);
    await run.stop();
  });

  it('ends when nothing more comes', async () => {
    here.produce('p', 'a', 'b');
    const started = now();
    await here.run({ source: { batchMessages: 1 }, batch: { maxAgeMs: 60_000 } });
    expect(sizes()).toEqual([2]);
    expect(now()).toBe(started);
  });

  it('ends at shutdown', async () => {
    const run = here.start({ source: { bounded: false }, batch: { maxAgeMs: 60_000 } });
    here.produce('p', 'a');
    await here.system.clock.advance(10);
    const stopped = now();
    await run.stop();
    expect(here.stored()).toEqual(['a']);
    expect(now()).toBe(stopped);
  });

  it('holds up a source with a window no longer than that, though its window is used up', async () => {
    const run = here.start({
      source: { bounded: false, position: 'source', window: 2 },
      batch: { maxAgeMs: 100 },
    });
    const started = now();
    here.produce('p', ...keys('p', 4));
    await here.system.clock.run(() => here.stored().length === 4);
    expect(now()).toBe(started + 200);
    await run.stop();
  });
});

describe('hard limits of a write', () => {
  it('cut an array of the source', async () => {
    here.produce('p', ...keys('p', 10));
    await here.run({ sink: { limits: { maxMessages: 4 } } });
    expect(sizes()).toEqual([4, 4, 2]);
    expect(here.stored()).toEqual(keys('p', 10));
  });

  it('cut at bytes, and let one message above them pass alone', async () => {
    here.produce('p', 'a', 'b', 'large message', 'c', 'd', 'e');
    await here.run({ sink: { limits: { maxBytes: 5 } } });
    expect(here.writes()).toEqual([['a', 'b'], ['large message'], ['c', 'd'], ['e']]);
  });

  it('are not crossed by joining', async () => {
    here.system.faults.next('sink.write', delay(10));
    here.produce('p', ...keys('p', 9));
    here.produce('q', ...keys('q', 9));
    await here.run({ source: { batchMessages: 2 }, sink: { limits: { maxMessages: 5, maxBytes: 20 } } });
    expect(Math.max(...sizes())).toBeLessThanOrEqual(5);
    expect(here.stored()).toHaveLength(18);
  });

  it('settle a source batch that was cut only as far as it is written', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('sink.write', undefined, delay(5000));
    const run = here.start({
      source: { bounded: false },
      sink: { limits: { maxMessages: 3 } },
      shutdownTimeoutMs: 10,
    });
    await here.system.clock.advance(3000);
    expect(await run.stop()).toMatchObject({ written: 3, unsettled: 6 });
    expect(here.system.savedCheckpoint('copy')).toEqual({});
  });

  it('cut what a transform made of one message, and all of it is written before it settles', async () => {
    here.produce('p', 'a');
    const many = flatMap((message) => keys('x', 5).map((key) => ({ ...message, key })));
    await here.run({ transforms: [many], sink: { limits: { maxMessages: 2 } } });
    expect(here.writes()).toEqual([['x1', 'x2'], ['x3', 'x4'], ['x5']]);
    expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 1 } } });
  });
});

describe('the rate limit', () => {
  it('lets so many messages per second go to the sink', async () => {
    here.produce('p', ...keys('p', 50));
    const started = now();
    await here.run({ source: { batchMessages: 5 }, batch: { maxMessages: 5 }, rateLimit: { messagesPerSecond: 10 } });
    const writes = here.callsOf('sink.write').map(({ startedAt }) => startedAt - started);
    expect(writes).toEqual([0, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500]);
  });

  it('counts for each sink by itself', async () => {
    here.produce('p', ...keys('p', 10));
    const started = now();
    await here.run({
      source: { batchMessages: 5 },
      sinks: { one: here.memory.sink({ destination: 'one' }), two: here.memory.sink({ destination: 'two' }) },
      rateLimit: { messagesPerSecond: 10 },
    });
    expect(here.callsOf('sink.write', 'one').map(({ startedAt }) => startedAt - started)).toEqual([0, 500]);
    expect(here.callsOf('sink.write', 'two').map(({ startedAt }) => startedAt - started)).toEqual([0, 500]);
  });

  it('keeps the order of a partition where a write fails with others behind it', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('sink.write', fail('conflict', 10));
    await here.run({
      source: { batchMessages: 2 },
      sink: { overlap: 'ordered', preferred: { maxMessages: 2, maxInFlight: 3 } },
      rateLimit: { messagesPerSecond: 10 },
    });
    expect(here.stored()).toEqual(keys('p', 6));
  });

  it('holds at shutdown, too', async () => {
    here.produce('p', ...keys('p', 20));
    const run = here.start({
      source: { batchMessages: 10, bounded: false },
      batch: { maxMessages: 10 },
      rateLimit: { messagesPerSecond: 1 },
    });
    await here.system.clock.advance(100);
    const stopped = now();
    await run.stop();
    expect(now() - stopped).toBeGreaterThan(18_000);
    expect(here.stored()).toHaveLength(20);
  });
});
