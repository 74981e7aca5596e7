import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { delay, fail, failAfterEffect } from '../../src/testing/index.js';
import { expectNoViolations, keys, type World, type WorldDefinition, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
  here.produce('p');
});
afterEach(() => expectNoViolations(here));

const now = (): number => here.system.clock.now();
const flushes = (): number[] => here.callsOf('sink.flush').map(({ startedAt }) => startedAt);

describe.each([
  ['a sink with flush', { flush: true }],
  ['an atomic sink', { atomic: true }],
] as const)('%s is flushed', (_name, sink) => {
  it('every second while something was written', async () => {
    const run = here.start({ source: { bounded: false }, sink });
    const started = now();
    here.produce('p', 'a');
    await here.system.clock.advance(900);
    here.produce('p', 'b');
    await here.system.clock.advance(99);
    expect(here.stored()).toEqual([]);
    await here.system.clock.advance(1);
    expect(here.stored()).toEqual(['a', 'b']);
    here.produce('p', 'c');
    await here.system.clock.advance(1000);
    expect(here.stored()).toEqual(['a', 'b', 'c']);
    await here.system.clock.advance(5000);
    expect(
      flushes()
        .map((at) => at - started)
        .slice(-2),
    ).toEqual([1000, 2000]);
    await run.stop();
  });

  it('at the interval that the definition says', async () => {
    const run = here.start({ source: { bounded: false }, sink, flush: { intervalMs: 50 } });
    here.produce('p', 'a');
    await here.system.clock.advance(50);
    expect(here.stored()).toEqual(['a']);
    await run.stop();
  });

  it.each<readonly [when: string, size: number, definition: WorldDefinition, early: readonly string[], last: string]>([
    ['so many messages were written', 2, { flush: { maxMessages: 6 } }, keys('p', 5), 'p6'],
    // 6 bytes with their keys, and 8
    ['so many bytes were written', 1, { flush: { maxBytes: 8 } }, ['a1', 'b'], 'c'],
    // 4 bytes each
    ['half of the bytes of the budget were written', 1, { budget: { maxBytes: 40 } }, keys('p', 4), 'p5'],
    [
      'half of the messages of the budget were written and cannot be read again',
      1,
      { source: { position: 'none' }, budget: { maxMessages: 10 } },
      keys('p', 4),
      'p5',
    ],
  ])('when %s', async (_when, size, { source, flush, ...rest }, early, last) => {
    const run = here.start({
      ...rest,
      source: { bounded: false, batchMessages: size, ...source },
      sink: { ...sink, preferred: { maxMessages: size } },
      flush: { intervalMs: 60_000, ...flush },
    });
    here.produce('p', ...early);
    await here.system.clock.advance(10);
    expect(here.stored()).toEqual([]);
    here.produce('p', last);
    await here.system.clock.advance(10);
    expect(here.stored()).toEqual([...early, last]);
    await run.stop();
  });

  it('when the budget is used up by what was written', async () => {
    const run = here.start({
      source: { bounded: false, batchMessages: 1 },
      sink,
      flush: { intervalMs: 60_000, maxBytes: 1000 },
      budget: { maxBytes: 16 },
    });
    here.produce('p', ...keys('p', 8));
    await here.system.clock.advance(10);
    expect(here.stored()).toEqual(keys('p', 8));
    await run.stop();
  });

  it('once for all that is written before it begins', async () => {
    here.produce('p', ...keys('p', 20));
    await here.run({
      source: { batchMessages: 2 },
      sink: { ...sink, preferred: { maxMessages: 2 } },
      flush: { intervalMs: 60_000, maxMessages: 4 },
    });
    const done = here.calls.flatMap(({ name, keys: written }) => (name === 'sink.flush' ? ['flush'] : written));
    const flushed = done
      .join(' ')
      .split('flush')
      .map((part) => part.trim().split(' ').filter(Boolean).length);
    expect(
      flushed.slice(0, -2).every((count) => count >= 4),
      `messages of each flush: ${flushed.join()}`,
    ).toBe(true);
    expect(here.stored()).toEqual(keys('p', 20));
  });

  it('when the window of the source may be used up', async () => {
    const run = here.start({
      source: { bounded: false, position: 'source', window: 3 },
      sink,
      flush: { intervalMs: 60_000 },
    });
    here.produce('p', ...keys('p', 9));
    await here.system.clock.advance(10);
    expect(here.stored()).toEqual(keys('p', 9));
    await run.stop();
  });

  it('before a partition is given up', async () => {
    const run = here.start({
      source: { bounded: false, partitions: 'assigned', position: 'source' },
      sink,
      flush: { intervalMs: 60_000 },
    });
    here.produce('p', ...keys('p', 3));
    here.produce('q', ...keys('q', 3));
    await here.system.clock.advance(10);
    expect(here.stored()).not.toContain('p1');
    here.system.stream('in').group('copy').assignment.assign('p', null);
    await here.system.clock.advance(10);
    expect(here.stored().filter((key) => key.startsWith('p'))).toEqual(keys('p', 3));
    expect(here.system.stream('in').group('copy').progress('p').committed).toBe(3);
    expect(here.system.stream('in').group('copy').assignment.holder('p')).toBeUndefined();
    await run.stop();
  });

  it('at the end', async () => {
    here.produce('p', ...keys('p', 3));
    const started = now();
    await here.run({ sink, flush: { intervalMs: 60_000 } });
    expect(here.stored()).toEqual(keys('p', 3));
    expect(now()).toBe(started);
  });

  it('at shutdown', async () => {
    const run = here.start({ source: { bounded: false }, sink, flush: { intervalMs: 60_000 } });
    here.produce('p', ...keys('p', 3));
    await here.system.clock.advance(10);
    await run.stop();
    expect(here.stored()).toEqual(keys('p', 3));
  });

  it('while nothing else is written, and what waits is written after it', async () => {
    here.system.faults.next('sink.flush', delay(500));
    const run = here.start({ source: { bounded: false }, sink, flush: { intervalMs: 100 } });
    here.produce('p', 'a');
    await here.system.clock.advance(150);
    here.produce('p', 'b');
    await here.system.clock.advance(400);
    expect(here.writes()).toEqual([['a']]);
    await here.system.clock.advance(100);
    expect(here.writes()).toEqual([['a'], ['b']]);
    await run.stop();
  });

  it('again after a failure, with everything since the last flush read and written again', async () => {
    here.system.faults.next('sink.flush', undefined, fail('conflict'), fail('not_connected'));
    const run = here.start({ source: { bounded: false }, sink, flush: { intervalMs: 100 } });
    here.produce('p', 'a', 'b');
    await here.system.clock.run(() => here.stored().length === 2);
    here.produce('p', 'c', 'd');
    await here.system.clock.run(() => here.stored().length === 4);
    await run.stop();
    expect(here.stored()).toEqual(['a', 'b', 'c', 'd']);
    expect(here.writes()).toEqual([
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
      ['c', 'd'],
    ]);
    expect(here.events.map(({ type }) => type)).toEqual(['started', 'degraded', 'degraded', 'recovered', 'stopped']);
  });

  it('ten times in vain, and then it is fatal', async () => {
    here.produce('p', 'a');
    here.system.faults.decideBy(({ name }) => (name === 'sink.flush' ? fail('unknown') : undefined));
    await expect(here.run({ sink })).rejects.toMatchObject({ code: 'unknown', operation: 'flush' });
    expect(here.callsOf('sink.flush')).toHaveLength(10);
    here.system.faults.stop();
    await here.run({ sink });
    expect(here.stored()).toEqual(['a']);
  });

  it('in vain for ever while the connection is lost', async () => {
    here.produce('p', 'a');
    here.system.faults.next('sink.flush', ...Array.from({ length: 25 }, () => fail('not_connected')));
    await here.run({ sink });
    expect(here.stored()).toEqual(['a']);
  });
});

describe('a flush that fails when all else is done', () => {
  it('does not let the run end before everything is written again', async () => {
    here.produce('p', 'a', 'b');
    here.system.faults.next('source.read', undefined, delay(50));
    here.system.faults.next('sink.write', undefined, fail('conflict'), delay(10));
    here.system.faults.next('source.commit', undefined, delay(15)); // what had been settled before the failed write
    here.system.faults.next('sink.flush', undefined, fail('conflict', 1000));
    const sink = { atomic: true, preferred: { maxMessages: 1 } };
    const stats = await here.run({ source: { batchMessages: 1 }, sink, flush: { maxMessages: 1 } });
    expect(stats.unsettled).toBe(0);
    expect(here.stored()).toEqual(['a', 'b']);
  });
});

describe('a flush that has happened and is said to have failed', () => {
  it('stores everything a second time where the sink is not atomic', async () => {
    here.produce('p', 'a', 'b');
    here.system.faults.next('sink.flush', failAfterEffect('timeout'));
    await here.run({ sink: { flush: true } });
    expect(here.stored()).toEqual(['a', 'b', 'a', 'b']);
  });

  it('stores nothing a second time where the sink is atomic, because the claim tells', async () => {
    here.produce('p', 'a', 'b');
    here.system.faults.next('sink.flush', failAfterEffect('timeout'));
    await here.run({ sink: { atomic: true } });
    expect(here.stored()).toEqual(['a', 'b']);
    expect(here.callsOf('sink.claim')).toHaveLength(2);
  });
});
