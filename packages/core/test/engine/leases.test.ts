import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { delay, fail, hang, hangIgnoringAbort, type MemoryGroup } from '../../src/testing/index.js';
import { expectNoViolations, keys, sinkKinds, type World, type WorldDefinition, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

const group = (): MemoryGroup => here.system.stream('in').group('copy');
const committed = (partition: string): number | undefined => group().progress(partition).committed;
const assigned: WorldDefinition = { source: { partitions: 'assigned', position: 'source', bounded: false } };

describe('partitions that are found later', () => {
  it.each(sinkKinds)('are read from then on, with %s', async (_name, sink) => {
    here.produce('p', 'a');
    const run = here.start({ ...assigned, sink });
    await here.system.clock.advance(10);
    here.produce('q', 'b');
    await here.system.clock.run(() => here.stored().length === 2, 60_000);
    await run.stop();
    expect(here.stored().toSorted()).toEqual(['a', 'b']);
  });
});

describe('a partition that leaves the set', () => {
  it.each(sinkKinds)(
    'is written and committed to its end before the next set is asked for, with %s',
    async (_name, sink) => {
      here.produce('p', ...keys('p', 4));
      here.produce('q', 'q1');
      here.system.faults.next('sink.write', delay(2000), delay(2000));
      const run = here.start({ ...assigned, sink });
      await here.system.clock.advance(10);
      group().assignment.assign('p', null);
      await here.system.clock.advance(100);
      expect(group().assignment.holder('p')).toBe('a');
      await here.system.clock.run(() => group().assignment.holder('p') === undefined);
      expect(committed('p')).toBe(4);
      expect(here.stored()).toEqual(expect.arrayContaining(keys('p', 4)));
      await run.stop();
    },
  );

  it('goes to another instance, which reads on without repeating anything', async () => {
    here.produce('p', ...keys('p', 4));
    here.produce('q', ...keys('q', 4));
    const first = here.start(assigned);
    await here.system.clock.advance(1500);
    const second = here.start(assigned, here.system.instance('b'));
    await here.system.clock.advance(2000);
    here.produce('p', ...keys('p', 4, 5));
    here.produce('q', ...keys('q', 4, 5));
    await here.system.clock.run(() => here.stored().length === 16, 60_000);
    await first.stop();
    await second.stop();
    expect(here.stored().toSorted()).toEqual([...keys('p', 8), ...keys('q', 8)]);
    expect(new Set(group().leases.map(({ instance }) => instance))).toEqual(new Set(['a', 'b']));
  });

  it('is let go when its messages cannot be settled within the time for a shutdown', async () => {
    here.produce('p', 'a');
    here.produce('q', 'b');
    here.system.faults.decideBy(({ name, messages }) =>
      name === 'sink.write' && messages.some(({ key }) => key === 'a') ? fail('rate_limited') : undefined,
    );
    const run = here.start({
      ...assigned,
      sink: { overlap: 'partitions', preferred: { maxMessages: 1 } },
      shutdownTimeoutMs: 5000,
    });
    await here.system.clock.advance(10);
    group().assignment.assign('p', null);
    await here.system.clock.run(() => group().assignment.holder('p') === undefined);
    expect(committed('p')).toBeUndefined();
    here.system.faults.stop();
    group().assignment.assign('p', undefined);
    await here.system.clock.run(() => committed('p') === 1);
    await run.stop();
    expect(here.stored().toSorted()).toEqual(['a', 'b']);
  });

  it('leaves the others alone', async () => {
    here.produce('p', 'p1');
    here.produce('q', 'q1');
    const run = here.start(assigned);
    await here.system.clock.advance(10);
    group().assignment.assign('p', null);
    await here.system.clock.advance(10);
    expect(group().leases.filter(({ partition }) => partition === 'q')).toMatchObject([{ state: 'held' }]);
    await run.stop();
  });
});

describe('a partition that is lost without warning', () => {
  it.each(sinkKinds)(
    'has nothing of the old lease committed, and comes again when it is regained, with %s',
    async (_name, sink) => {
      here.produce('p', ...keys('p', 4));
      here.produce('q', 'q1');
      here.system.faults.next('sink.write', delay(500), delay(500));
      const run = here.start({ ...assigned, sink });
      await here.system.clock.advance(10);
      group().lose('p', null);
      await here.system.clock.advance(5000);
      expect(committed('p')).toBeUndefined();
      group().assignment.assign('p', undefined);
      here.produce('p', 'p5');
      await here.system.clock.run(() => committed('p') === 5, 120_000);
      await run.stop();
      expect(new Set(here.stored())).toEqual(new Set([...keys('p', 5), 'q1']));
    },
  );

  it('is found out by a commit', async () => {
    here.produce('p', ...keys('p', 2));
    here.produce('q', 'q1');
    const run = here.start(assigned);
    await here.system.clock.advance(10);
    here.system.faults.next('source.commit', fail('lease_lost'));
    await here.system.clock.advance(3000);
    here.produce('q', 'q2');
    await here.system.clock.run(() => here.stored().includes('q2'));
    await run.stop();
    const lost = group().leases.filter(({ state }) => state !== 'ended');
    expect(lost).toEqual([]);
    expect(new Set(here.stored())).toEqual(new Set(['p1', 'p2', 'q1', 'q2']));
  });

  it('does not commit under the new lease what was written under the old one', async () => {
    here.produce('p', ...keys('p', 4));
    here.system.faults.next('sink.write', delay(2000));
    const run = here.start({ ...assigned, source: { ...assigned.source, batchMessages: 2 } });
    await here.system.clock.advance(10);
    group().lose('p');
    await here.system.clock.run(() => committed('p') === 4, 120_000);
    await run.stop();
    expect(group().leases.length).toBeGreaterThanOrEqual(2);
    expect(new Set(group().commits.map(({ lease }) => lease))).toEqual(new Set([group().leases.at(-1)?.id]));
  });

  it('has the writes of the old lease settled before anything of the new one is written', async () => {
    here.produce('p', ...keys('p', 2));
    here.system.faults.next('sink.write', delay(5000));
    const run = here.start({ ...assigned, sink: { overlap: 'partitions' } });
    await here.system.clock.advance(10);
    group().lose('p');
    await here.system.clock.run(() => committed('p') === 2, 120_000);
    await run.stop();
    const [first, second] = here.callsOf('sink.write');
    expect(second?.startedAt).toBeGreaterThanOrEqual(first?.endedAt ?? Infinity);
  });
});

describe('a partition of a set that stays', () => {
  const fixed: WorldDefinition = { source: { position: 'source', batchMessages: 2 } };

  it('is read again before the run ends when it is lost while it is read', async () => {
    here.produce('p', ...keys('p', 6));
    here.produce('q', 'q1');
    here.system.faults.next('source.read', undefined, undefined, fail('lease_lost'));
    await here.run(fixed);
    expect([committed('p'), committed('q')]).toEqual([6, 1]);
    expect(new Set(here.stored())).toEqual(new Set([...keys('p', 6), 'q1']));
  });

  it('is read again before the run ends when its loss is found out by the last commit', async () => {
    here.produce('p', ...keys('p', 2));
    here.produce('q', 'q1');
    here.system.faults.next('source.commit', fail('lease_lost'));
    await here.run(fixed);
    expect([committed('p'), committed('q')]).toEqual([2, 1]);
  });

  it('is committed again while a sink holds up another one', async () => {
    here.produce('p', 'p1');
    here.produce('q', 'q1');
    here.system.faults.next('source.commit', fail('not_connected'));
    here.system.faults.decideBy(({ name, messages }) =>
      name === 'sink.write' && messages.some(({ key }) => key === 'q1') ? fail('rate_limited', 100) : undefined,
    );
    const run = here.start({ ...fixed, sink: { overlap: 'partitions', preferred: { maxMessages: 1 } } });
    await here.system.clock.run(() => committed('p') === 1, 120_000);
    expect(here.stored()).not.toContain('q1');
    here.system.faults.stop();
    await here.system.clock.settle(run.done);
    expect(committed('q')).toBe(1);
  });
});

describe('a read that does not end', () => {
  it('does not keep a restart from going on', async () => {
    here.produce('p', 'a', 'b');
    here.system.faults.next('source.read', undefined, hangIgnoringAbort(1000));
    here.system.faults.next('sink.flush', fail('conflict'));
    await here.run({ source: { batchMessages: 1 }, sink: { flush: true }, flush: { intervalMs: 100 } });
    expect(here.stored()).toEqual(['a', 'b']);
  });

  it('does not keep a shutdown from ending', async () => {
    here.produce('p', 'a');
    here.system.faults.next('source.read', hang());
    const run = here.start({ source: { bounded: false } });
    await here.system.clock.advance(1000);
    await run.stop();
    expect(here.stored()).toEqual([]);
  });
});
