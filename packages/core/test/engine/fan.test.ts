import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Sink } from '../../src/sink.js';
import type { Source } from '../../src/source.js';
import { delay, fail, type MemorySinkInput, type MemorySourceInput } from '../../src/testing/index.js';
import { filter, map } from '../../src/transform.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

const sink = (destination: string, config: Partial<MemorySinkInput> = {}): Sink =>
  here.memory.sink({ destination, ...config });
const source = (stream: string, config: Partial<MemorySourceInput> = {}): Source =>
  here.memory.source({ stream, bounded: true, ...config });
const place = (key: string): unknown => here.system.savedCheckpoint('copy')[key]?.position;

describe('several sinks', () => {
  it('each get every message', async () => {
    here.produce('p', ...keys('p', 5));
    const stats = await here.run({
      sinks: { one: sink('one'), two: sink('two', { flush: true }), three: sink('three', { atomic: true }) },
    });
    for (const name of ['one', 'two', 'three']) expect(here.stored(name)).toEqual(keys('p', 5));
    expect(stats).toMatchObject({ received: 5, written: 15, inFlight: 0 });
  });

  it.each([{}, { flush: true }, { atomic: true }])('settle a message when every one of them has (%o)', async (slow) => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next({ name: 'sink.write', target: 'two' }, delay(5000));
    const run = here.start({ source: { bounded: false }, sinks: { one: sink('one'), two: sink('two', slow) } });
    await here.system.clock.advance(4000);
    expect(here.stored('one')).toEqual(keys('p', 3));
    expect(here.system.savedCheckpoint('copy')).toEqual({});
    expect(run.pipeline.stats().inFlight).toBe(3);
    await here.system.clock.advance(3000);
    expect(place('source:p')).toMatchObject({ next: 3 });
    await run.stop();
  });

  it('have their own transforms and codecs', async () => {
    here.produce('p', '1', '2', '3');
    await here.run({
      transforms: [map((message) => ({ ...message, topic: 'shared' }))],
      sinks: {
        one: { sink: sink('one'), transforms: [filter(({ key }) => key !== '2')] },
        two: { sink: sink('two', { payload: 'value' }) },
      },
    });
    expect(here.stored('one')).toEqual(['1', '3']);
    expect(here.system.destination('two').stored.map(({ message }) => [message.topic, message.payload])).toEqual([
      ['shared', 1],
      ['shared', 2],
      ['shared', 3],
    ]);
  });

  it('are tried again each by itself', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next({ name: 'sink.write', target: 'one' }, fail('conflict'), fail('not_connected'));
    await here.run({ sinks: { one: sink('one'), two: sink('two') } });
    expect(here.writes('one')).toHaveLength(3);
    expect(here.writes('two')).toHaveLength(1);
    expect(here.callsOf('sink.open', 'two')).toHaveLength(1);
  });

  it('stop together when one fails for good, and a restart repeats what one had not settled for all', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next({ name: 'sink.write', target: 'one' }, fail('permission_denied', 100));
    const sinks = { one: sink('one'), two: sink('two') };
    expect(here.define({ sinks }).guarantee.delivery).toBe('at-least-once');
    await expect(here.run({ sinks })).rejects.toMatchObject({ code: 'permission_denied' });
    expect(place('source:p')).toBeUndefined();
    await here.run({ sinks });
    expect(here.stored('one')).toEqual(keys('p', 3));
    expect(here.stored('two')).toEqual([...keys('p', 3), ...keys('p', 3)]);
  });

  it('are read for again when the flush of one fails, and lose nothing', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next({ name: 'sink.flush', target: 'two' }, fail('conflict'));
    await here.run({
      source: { batchMessages: 2 },
      sinks: { one: sink('one', { flush: true }), two: sink('two', { flush: true }) },
    });
    expect(new Set(here.stored('one'))).toEqual(new Set(keys('p', 6)));
    expect(here.stored('two')).toEqual(keys('p', 6));
  });

  it('hold up reading all together when one of them is slow', async () => {
    here.produce('p', ...keys('p', 100));
    here.system.faults.next({ name: 'sink.write', target: 'two' }, delay(5000));
    const run = here.start({
      source: { batchMessages: 5 },
      sinks: { one: sink('one'), two: sink('two') },
      budget: { maxMessages: 20 },
    });
    await here.system.clock.advance(3000);
    expect(here.stored('one').length).toBeLessThanOrEqual(25);
    await here.system.clock.settle(run.done);
    expect(here.stored('one')).toEqual(keys('p', 100));
  });
});

describe('several sources', () => {
  beforeEach(() => {
    here.system.stream('left').produce(
      'p',
      keys('l', 5).map((key) => ({ key })),
    );
    here.system.stream('right').produce(
      'p',
      keys('r', 5).map((key) => ({ key })),
    );
  });

  it('keep their positions by their id', async () => {
    const stats = await here.run({ sources: { left: source('left'), right: source('right', { batchMessages: 2 }) } });
    expect(place('left:p')).toMatchObject({ next: 5 });
    expect(place('right:p')).toMatchObject({ next: 5 });
    expect(here.stored().toSorted()).toEqual([...keys('l', 5), ...keys('r', 5)]);
    expect(Object.keys(stats.positions).toSorted()).toEqual(['left:p', 'right:p']);
  });

  it('are effectively once with an atomic sink, as one is', async () => {
    here.system.faults.next('sink.flush', fail('timeout'));
    here.system.faults.next({ name: 'source.read', target: 'left' }, undefined, fail('not_connected'));
    const sources = { left: source('left', { batchMessages: 2 }), right: source('right', { batchMessages: 2 }) };
    const made = here.define({ sources, sink: { atomic: true } });
    expect(made.guarantee).toMatchObject({ delivery: 'effectively-once', owners: { left: 'sink', right: 'sink' } });
    await here.system.clock.settle(made.run());
    expect(here.stored().toSorted()).toEqual([...keys('l', 5), ...keys('r', 5)]);
  });

  it('do not settle what is filtered while the atomic sink is opened again for another one', async () => {
    const order: string[] = [];
    here.system.events.listen(({ type }) => {
      if (type === 'checkpoint' || type === 'commit') order.push(type);
    });
    here.system.faults.next({ name: 'source.partitions', target: 'right' }, delay(10));
    here.system.faults.next({ name: 'source.read', target: 'left' }, delay(50));
    here.system.faults.next('sink.claim', undefined, fail('not_connected'));
    here.system.faults.next('sink.open', undefined, delay(1000));
    await here.run({
      sources: { left: source('left'), right: source('right') },
      sink: { atomic: true },
      transforms: [filter(() => false)],
    });
    expect(order).toEqual(['checkpoint', 'commit', 'checkpoint', 'commit']);
  });

  it('are told what is settled also while the checkpoint of another one cannot be saved', async () => {
    here.system.faults.decideBy(({ name }) => (name === 'store.save' ? fail('rate_limited') : undefined));
    const run = here.start({
      sources: {
        left: source('left', { position: 'source', bounded: false }),
        right: source('right', { bounded: false }),
      },
    });
    await here.system.clock.advance(3000);
    expect(here.system.stream('left').group('copy').progress('p').committed).toBe(5);
    expect(here.callsOf('source.commit', 'right')).toEqual([]);
    here.system.faults.stop();
    await run.stop();
    expect(here.system.stream('right').group('copy').progress('p').committed).toBe(5);
  });

  it('are told before they give a partition up, though the store has refused the checkpoint of another one before', async () => {
    here.system.faults.decideBy(({ name }) => (name === 'store.save' ? fail('rate_limited') : undefined));
    const run = here.start({
      sources: {
        left: source('left', { position: 'source', partitions: 'assigned', bounded: false }),
        right: source('right', { bounded: false }),
      },
      sink: { flush: true },
    });
    await here.system.clock.advance(3000);
    here.system.stream('left').produce('p', [{ key: 'l6' }]);
    await here.system.clock.advance(10);
    const left = here.system.stream('left').group('copy');
    left.assignment.assign('p', null);
    await here.system.clock.run(() => left.assignment.holder('p') === undefined);
    expect(left.progress('p').committed).toBe(6);
    here.system.faults.stop();
    await run.stop();
  });

  it('end the run when all of them have ended', async () => {
    here.system.faults.next({ name: 'source.read', target: 'left' }, delay(5000));
    await here.run({ sources: { left: source('left'), right: source('right') } });
    expect(here.stored()).toHaveLength(10);
  });

  it('go on while another one is opened again', async () => {
    here.system.faults.next(
      { name: 'source.read', target: 'left' },
      ...Array.from({ length: 8 }, () => fail('not_connected', 1000)),
    );
    const run = here.start({ sources: { left: source('left'), right: source('right') } });
    await here.system.clock.advance(2000);
    expect(here.stored()).toEqual(keys('r', 5));
    await here.system.clock.settle(run.done);
    expect(here.stored()).toEqual([...keys('r', 5), ...keys('l', 5)]);
  });

  it('have each its own owner of the position', async () => {
    const sources = {
      left: source('left', { position: 'source' }),
      right: source('right'),
      none: source('none', { position: 'none' }),
    };
    const made = here.define({ sources });
    expect(made.guarantee).toMatchObject({
      delivery: 'at-most-once',
      owners: { left: 'source', right: 'store', none: 'none' },
    });
    await here.system.clock.settle(made.run());
    expect(Object.keys(here.system.savedCheckpoint('copy'))).toEqual(['right:p']);
    expect(here.system.stream('left').group('copy').progress('p').committed).toBe(5);
  });
});
