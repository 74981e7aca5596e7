import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { delay, fail, failMessages } from '../../src/testing/index.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

const settled = (): number => here.system.stream('in').group('copy').progress('p').settled.size;
const kinds = [
  ['a sink without flush', {}],
  ['a sink with flush', { flush: true }],
] as const;

describe('a source with a window', () => {
  it.each(kinds)('gets all through, however small the window is, with %s', async (_name, sink) => {
    here.produce('p', ...keys('p', 20));
    await here.run({ source: { position: 'source', window: 1 }, sink });
    expect(here.stored()).toEqual(keys('p', 20));
  });

  it.each(kinds)(
    'is a queue: what was committed never comes again, what was not does, with %s',
    async (_name, sink) => {
      const queue = { position: 'source', replayable: false, window: 4, batchMessages: 2 } as const;
      here.produce('p', ...keys('p', 12));
      here.system.faults.next('source.read', undefined, undefined, undefined, fail('not_connected'));
      await here.run({ source: queue, sink });
      expect(settled()).toBe(12);
      expect([...new Set(here.stored())].toSorted()).toEqual(keys('p', 12).toSorted());
    },
  );

  it('is told in as few commits as the pace of commits allows', async () => {
    here.produce('p', ...keys('p', 40));
    here.system.faults.decideBy(({ name }) => (name === 'source.commit' ? delay(100) : undefined));
    await here.run({
      source: { position: 'source', window: 100, batchMessages: 1 },
      sink: { preferred: { maxMessages: 1 } },
    });
    expect(here.callsOf('source.commit').length).toBeLessThan(10);
    expect(here.stored()).toEqual(keys('p', 40));
  });

  it('does not wait for the checkpoint interval', async () => {
    here.produce('p', ...keys('p', 20));
    const started = here.system.clock.now();
    await here.run({ source: { position: 'source', window: 2 }, flush: { intervalMs: 60_000 } });
    expect(here.system.clock.now()).toBe(started);
  });

  it('has a failed flush read again from the queue', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('sink.flush', fail('conflict'));
    await here.run({ source: { position: 'source', replayable: false, window: 3 }, sink: { flush: true } });
    expect(here.stored().toSorted()).toEqual(keys('p', 6));
    expect(settled()).toBe(6);
  });
});

describe('a source that keeps no position', () => {
  const none = { position: 'none' } as const;

  it('has nothing stored about its position', async () => {
    here.produce('p', 'a', 'b');
    const made = here.define({ source: none });
    expect(made.guarantee).toMatchObject({ delivery: 'at-most-once', owners: { source: 'none' } });
    await here.system.clock.settle(made.run());
    expect(here.stored()).toEqual(['a', 'b']);
    expect(here.callsOf('store.claim')).toEqual([]);
    expect(made.stats().positions).toEqual({});
  });

  it('has its messages written again after a failed write', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('sink.write', fail('conflict'), fail('not_connected'));
    await here.run({ source: { ...none, batchMessages: 2 }, sink: { preferred: { maxMessages: 2 } } });
    expect(here.stored()).toEqual(keys('p', 6));
  });

  it.each([{ flush: true }, { atomic: true }])(
    'has its messages kept and written again after a failed flush (%o)',
    async (kind) => {
      here.produce('p', ...keys('p', 6));
      here.system.faults.next('sink.flush', fail('conflict'), fail('not_connected'));
      await here.run({ source: { ...none, batchMessages: 2 }, sink: { ...kind, preferred: { maxMessages: 2 } } });
      expect(here.stored()).toEqual(keys('p', 6));
    },
  );

  it('has its messages kept and written again after a failed write', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('sink.write', undefined, fail('conflict'), undefined, undefined, fail('not_connected'));
    await here.run({ source: { ...none, batchMessages: 2 }, sink: { flush: true, preferred: { maxMessages: 2 } } });
    expect([...new Set(here.stored())]).toEqual(keys('p', 6));
  });

  it('has its messages kept and written again after a write failed for which a flush had waited', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('sink.write', undefined, fail('conflict', 50));
    await here.run({
      source: { ...none, batchMessages: 2 },
      sink: { atomic: true, preferred: { maxMessages: 2 } },
      flush: { intervalMs: 20 },
    });
    expect(here.stored()).toEqual(keys('p', 6));
  });

  it('has a message kept and written again that a sink took over of a write that failed in part', async () => {
    here.produce('p', ...keys('p', 4));
    here.system.faults.next('sink.write', failMessages('conflict', 1));
    here.system.faults.next('sink.flush', fail('conflict'));
    await here.run({ source: none, sink: { flush: true } });
    expect(new Set(here.stored())).toEqual(new Set(keys('p', 4)));
  });

  it('has its messages written again after a failed flush also while their partition is given up', async () => {
    here.produce('p', ...keys('p', 4));
    here.system.faults.next('sink.flush', fail('conflict'));
    const run = here.start({ source: { ...none, partitions: 'assigned', bounded: false }, sink: { flush: true } });
    await here.system.clock.advance(100);
    const { assignment } = here.system.stream('in').group('copy');
    assignment.assign('p', null);
    await here.system.clock.run(() => assignment.holder('p') === undefined);
    await run.stop();
    expect(new Set(here.stored())).toEqual(new Set(keys('p', 4)));
  });

  it('is opened again when it fails while a sink forgets what it had taken over of it', async () => {
    here.produce('p', ...keys('p', 4));
    here.system.faults.next('sink.write', delay(10), fail('conflict'));
    here.system.faults.next('sink.claim', undefined, delay(1000));
    here.system.faults.next('source.read', undefined, undefined, undefined, fail('not_connected', 50));
    const run = here.start({
      source: { ...none, batchMessages: 1, bounded: false },
      sink: { atomic: true, preferred: { maxMessages: 1 } },
      flush: { maxMessages: 1 },
    });
    here.system.clock.after(2000, () => here.produce('p', 'late'));
    await here.system.clock.run(() => here.stored().includes('late'), 10_000);
    await run.stop();
    const failed = here.events.flatMap((event) => (event.type === 'degraded' ? [event.part] : []));
    expect(failed, 'each once').toEqual(['sink', 'source']);
  });

  it('is bounded by the budget as any other one', async () => {
    here.produce('p', ...keys('p', 100));
    here.system.faults.next('sink.write', delay(1000));
    const run = here.start({ source: { ...none, batchMessages: 5 }, budget: { maxMessages: 10 } });
    await here.system.clock.advance(500);
    expect(run.pipeline.stats().inFlight).toBeLessThanOrEqual(14);
    await here.system.clock.settle(run.done);
    expect(here.stored()).toEqual(keys('p', 100));
  });
});
