import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineConnector } from '../../src/define-connector.js';
import {
  crash,
  delay,
  fail,
  failAfterEffect,
  hangAfterEffect,
  hangIgnoringAbort,
  keyText,
  type MemoryInstance,
  memoryConnector,
} from '../../src/testing/index.js';
import { flatMap } from '../../src/transform.js';
import { expectNoViolations, keys, type World, type WorldDefinition, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

const atomic = { atomic: true } as const;
const stored = (): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(here.system.destination('out').checkpoint('copy')).map(([key, { position }]) => [key, position]),
  );

describe('an atomic sink', () => {
  it('is claimed before the first read of a partition, for all partitions of the set at once', async () => {
    here.produce('p', 'a');
    here.produce('q', 'b');
    await here.run({ sink: atomic });
    const names = here.calls.map(({ name }) => name);
    expect(names.indexOf('sink.claim')).toBeLessThan(names.indexOf('source.read'));
    expect(here.callsOf('sink.claim')).toHaveLength(1);
  });

  it('keeps the position, and no checkpoint store is touched', async () => {
    here.produce('p', 'a', 'b');
    await here.run({ sink: atomic });
    expect(stored()).toMatchObject({ 'source:p': { next: 2 } });
    expect(here.callsOf('store.claim')).toEqual([]);
    here.produce('p', 'c');
    await here.run({ sink: atomic });
    expect(here.stored()).toEqual(['a', 'b', 'c']);
  });

  it.each([true, false])('lets the source know whether positions are stored with the data: %s', async (isAtomic) => {
    const told: unknown[] = [];
    const { source, ...rest } = here.memory.descriptor;
    if (source === undefined) throw new Error('the memory connector reads');
    const open: typeof source.open = (config, options, context) => {
      told.push(context.atomic);
      return source.open(config, options, context);
    };
    const listener = defineConnector({ ...rest, source: { ...source, open } });
    await here.run({ source: listener.source({ stream: 'in', bounded: true }), sink: { atomic: isAtomic } });
    expect(told).toEqual([isAtomic]);
  });

  it('is claimed again at the start of every lease, after what was taken over is flushed', async () => {
    const run = here.start({
      source: { partitions: 'assigned', bounded: false },
      sink: atomic,
      flush: { intervalMs: 60_000 },
    });
    here.produce('p', 'a');
    await here.system.clock.advance(10);
    expect(here.writes()).toEqual([['a']]);
    here.produce('q', 'b');
    await here.system.clock.advance(10);
    expect(here.stored()).toEqual(['a']);
    await run.stop();
    expect(here.callsOf('sink.claim')).toHaveLength(2);
    expect(here.stored()).toEqual(['a', 'b']);
  });

  it.each([
    ['had happened', failAfterEffect('timeout'), 1],
    ['had not happened', fail('timeout'), 2],
    ['had happened and hung', hangAfterEffect(), 1],
    ['may happen long after it was given up', hangIgnoringAbort(3_000_000), 2],
    ['had happened when the connection was lost', failAfterEffect('not_connected'), 1],
  ])('is claimed after a flush that %s, and stores all once', async (_what, fault, writes) => {
    here.produce('p', 'a', 'b');
    here.system.faults.next('sink.flush', fault);
    await here.run({ sink: atomic });
    expect(here.stored()).toEqual(['a', 'b']);
    expect(here.writes()).toHaveLength(writes);
    const order = here.calls.map(({ name }) => name).filter((name) => /flush|claim/.test(name));
    expect(order.slice(0, 3)).toEqual(['sink.claim', 'sink.flush', 'sink.claim']);
  });

  it('is claimed until that succeeds', async () => {
    here.produce('p', 'a');
    here.system.faults.next('sink.claim', fail('not_connected'), fail('conflict'), fail('timeout'));
    await here.run({ sink: atomic });
    expect(here.stored()).toEqual(['a']);
  });

  it('stops the pipeline when the claim fails for good', async () => {
    here.produce('p', 'a');
    here.system.faults.next('sink.claim', fail('permission_denied'));
    await expect(here.run({ sink: atomic })).rejects.toMatchObject({ code: 'permission_denied', operation: 'claim' });
    expect(here.writes()).toEqual([]);
  });

  it('forgets nothing that is written around the claim of partitions that are found meanwhile', async () => {
    here.system.faults.decideBy(({ name }) => (/write|flush|claim/.test(name) ? delay(3) : undefined));
    here.produce('p', ...keys('p', 60));
    const run = here.start({
      source: { partitions: 'assigned', bounded: false, batchMessages: 1 },
      sink: { ...atomic, overlap: 'ordered', preferred: { maxMessages: 1 } },
    });
    for (const partition of ['q', 'r', 's']) {
      await here.system.clock.advance(20);
      here.produce(partition, `${partition}1`);
    }
    await here.system.clock.run(() => here.stored().length >= 63, 60_000);
    await run.stop();
    expect(here.stored().toSorted()).toEqual([...keys('p', 60), 'q1', 'r1', 's1'].toSorted());
  });

  it('has a failed write read again from its checkpoint', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('sink.write', undefined, fail('conflict'));
    await here.run({ source: { batchMessages: 3 }, sink: { ...atomic, preferred: { maxMessages: 3 } } });
    expect(here.stored()).toEqual(keys('p', 6));
    expect(here.writes()).toEqual([keys('p', 3), keys('p', 3, 4), keys('p', 3), keys('p', 3, 4)]);
  });

  it('is flushed with whole source messages and whole batches only', async () => {
    here.produce('p', 'a', 'b');
    here.system.faults.decideBy(({ name }) => (name === 'sink.write' ? delay(300) : undefined));
    const five = flatMap((message) => keys(keyText(message), 5).map((key) => ({ ...message, key })));
    await here.run({ transforms: [five], sink: { ...atomic, limits: { maxMessages: 2 } }, flush: { intervalMs: 100 } });
    expect(here.stored()).toEqual([...keys('a', 5), ...keys('b', 5)]);
    // The batch has ten outputs in five writes: its messages go into one flush, whatever the interval.
    expect(here.system.stream('in').log('p').entries).toHaveLength(2);
    expect(here.callsOf('sink.flush')).toHaveLength(1);
  });

  it('is not flushed with a part of a source message when its partition is lost in between', async () => {
    here.produce('p', 'a');
    here.produce('q', 'b');
    here.system.faults.decideBy(({ name, messages }) =>
      name === 'sink.write' && messages.some((message) => keyText(message).startsWith('a')) ? delay(1000) : undefined,
    );
    const three = flatMap((message) => keys(keyText(message), 3).map((key) => ({ ...message, key })));
    const run = here.start({
      source: { partitions: 'assigned', bounded: false, position: 'source' },
      transforms: [three],
      sink: { ...atomic, overlap: 'partitions', limits: { maxMessages: 1 } },
    });
    await here.system.clock.advance(1500);
    here.system.stream('in').group('copy').lose('p', null);
    await here.system.clock.advance(60_000);
    const parts = here.stored().filter((key) => key.startsWith('a'));
    expect([0, 3]).toContain(parts.length);
    expect(here.stored()).toEqual(expect.arrayContaining(keys('b', 3)));
    here.system.stream('in').group('copy').assignment.assign('p', undefined);
    await here.system.clock.run(() => here.stored().length === 6, 60_000);
    await run.stop();
    expect(here.stored().toSorted()).toEqual([...keys('a', 3), ...keys('b', 3)]);
  });

  it('has a source told at the beginning of a lease where it stands, if that could not be done before', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('source.commit', crash());
    here.start({ sink: atomic });
    await here.system.clock.run(() => !here.instance.alive);
    const group = here.system.stream('in').group('copy');
    expect(group.progress('p').committed).toBeUndefined();
    const next = here.start({ source: { bounded: false }, sink: atomic }, here.system.instance('b'));
    await here.system.clock.advance(100);
    expect(group.progress('p').committed).toBe(3);
    await next.stop();
    expect(here.stored()).toEqual(keys('p', 3));
  });

  it('loses nothing when a read ends in the middle of a flush', async () => {
    here.produce('p', ...keys('p', 9));
    here.system.faults.next('sink.flush', delay(500));
    here.system.faults.next('source.read', undefined, fail('not_connected', 200));
    await here.run({ source: { batchMessages: 3 }, sink: atomic, flush: { maxMessages: 3 } });
    expect(here.stored()).toEqual(keys('p', 9));
  });
});

describe('a second instance of the pipeline', () => {
  it('fences the first one, which stops for good, and nothing is stored twice', async () => {
    here.produce('p', ...keys('p', 3));
    const first = here.start({ source: { bounded: false }, sink: atomic });
    await here.system.clock.advance(10);
    expect(here.writes()).toHaveLength(1);
    const second = here.start({ source: { bounded: false }, sink: atomic }, here.system.instance('b'));
    await here.system.clock.advance(10);
    here.produce('p', ...keys('p', 3, 4));
    await expect(here.system.clock.settle(first.done)).rejects.toMatchObject({ code: 'fenced' });
    await here.system.clock.run(() => here.stored().length === 6);
    await second.stop();
    expect(here.stored()).toEqual(keys('p', 6));
  });

  it('has the first one read again from where it stands, when that had to open its sink again meanwhile', async () => {
    here.produce('p', ...keys('p', 3));
    const readBy = (instance: MemoryInstance): WorldDefinition => {
      const memory = memoryConnector(here.system, instance);
      const left = memory.source({ stream: 'in', bounded: true });
      return { sources: { left, right: memory.source({ stream: 'other', bounded: true }) }, sink: atomic };
    };
    here.system.faults.next({ name: 'source.read', target: 'in' }, delay(20));
    here.system.faults.next({ name: 'source.partitions', target: 'other' }, delay(5));
    here.system.faults.next('sink.claim', undefined, fail('not_connected'));
    here.system.faults.next('sink.open', undefined, delay(1000));
    here.system.stream('other').produce('p', [{ key: 'q1' }]);
    const first = here.start(readBy(here.instance));
    await here.system.clock.advance(200);
    const other = here.system.instance('b');
    await here.system.clock.settle(here.define(readBy(other), other).run());
    await here.system.clock.settle(first.done);
    expect(here.stored().toSorted()).toEqual([...keys('p', 3), 'q1']);
  });

  it('is told about where the first one stood', async () => {
    here.produce('p', ...keys('p', 3));
    here.start({ source: { bounded: false }, sink: atomic });
    await here.system.clock.advance(1000);
    expect(here.stored()).toHaveLength(3);
    here.instance.crash();
    here.produce('p', 'p4');
    await here.system.clock.settle(here.define({ sink: atomic }, here.system.instance('b')).run());
    expect(here.stored()).toEqual(keys('p', 4));
  });

  it('is refused by a checkpoint store that has one holder at a time', async () => {
    here.produce('p', 'a');
    const exclusive = { exclusive: true } as const;
    const first = here.start({
      source: { bounded: false },
      checkpoints: here.system.checkpointStore(here.instance, exclusive),
    });
    await here.system.clock.advance(10);
    const other = here.system.instance('b');
    const second = here.define({ checkpoints: here.system.checkpointStore(other, exclusive) }, other).run();
    await expect(here.system.clock.settle(second)).rejects.toMatchObject({ code: 'fenced' });
    await first.stop();
    await here.system.clock.settle(
      here.define({ checkpoints: here.system.checkpointStore(other, exclusive) }, other).run(),
    );
    expect(here.stored()).toEqual(['a']);
  });

  it('fences the first one at a checkpoint store that lets the newest win', async () => {
    here.produce('p', 'a');
    const first = here.start({ source: { bounded: false } });
    await here.system.clock.advance(10);
    const second = here.start({ source: { bounded: false } }, here.system.instance('b'));
    await here.system.clock.advance(10);
    await expect(here.system.clock.settle(first.done)).rejects.toMatchObject({ code: 'fenced' });
    await second.stop();
  });
});
