import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Budget } from '../../src/engine/budget.js';
import { delay, hang } from '../../src/testing/index.js';
import { map } from '../../src/transform.js';
import { expectNoViolations, keys, type World, world } from './world.js';

describe('a budget', () => {
  it('is full when its messages or its bytes are used up', () => {
    const budget = new Budget({ maxMessages: 3, maxBytes: 100 });
    budget.charge(2, 99);
    expect(budget.full).toBe(false);
    budget.charge(0, 1);
    expect(budget.full).toBe(true);
    budget.release(0, 50);
    budget.charge(1, 0);
    expect(budget.full).toBe(true);
  });

  it('lets all who wait go on when there is room again, and not before', async () => {
    const budget = new Budget({ maxMessages: 2, maxBytes: 100 });
    const woken: number[] = [];
    budget.charge(3, 10);
    for (const waiter of [1, 2]) void budget.room().then(() => woken.push(waiter));
    budget.release(1, 1);
    await Promise.resolve();
    expect(woken).toEqual([]);
    budget.release(1, 1);
    await Promise.resolve();
    expect(woken).toEqual([1, 2]);
    await budget.room();
  });

  it('wakes all when somebody has to look at his state again', async () => {
    const budget = new Budget({ maxMessages: 1, maxBytes: 1 });
    budget.charge(1, 1);
    const room = budget.room();
    budget.wake();
    await expect(room).resolves.toBeUndefined();
  });
});

describe('back-pressure', () => {
  let here: World;
  beforeEach(() => {
    here = world();
  });
  afterEach(() => expectNoViolations(here));

  const unbounded = { bounded: false, batchMessages: 5 } as const;
  const taken = (partition: string): number =>
    here.system
      .stream('in')
      .group('copy')
      .leases.findLast((lease) => lease.partition === partition)?.cursor.taken ?? 0;

  it('stops reading when the messages are used up, and overshoots by no more than one batch for each partition', async () => {
    here.produce('p', ...keys('p', 100));
    here.produce('q', ...keys('q', 100));
    here.system.faults.next('sink.write', hang());
    const run = here.start({ source: unbounded, budget: { maxMessages: 12 } });
    await here.system.clock.advance(10_000);
    const { inFlight } = run.pipeline.stats();
    expect(inFlight).toBeGreaterThanOrEqual(12);
    expect(inFlight).toBeLessThan(12 + 2 * 5);
    expect(taken('p') + taken('q')).toBe(inFlight);
    await here.system.clock.run(() => here.stored().length === 200);
    expect(await run.stop()).toMatchObject({ inFlight: 0, inFlightBytes: 0, unsettled: 0 });
  });

  it('stops reading when the bytes are used up', async () => {
    here.produce('p', ...keys('long key ', 100));
    here.system.faults.next('sink.write', hang());
    const run = here.start({ source: unbounded, budget: { maxBytes: 300 } });
    await here.system.clock.advance(10_000);
    const { inFlightBytes } = run.pipeline.stats();
    expect(inFlightBytes).toBeGreaterThanOrEqual(300);
    expect(inFlightBytes).toBeLessThan(300 + 5 * 22);
    await here.system.clock.run(() => here.stored().length === 100);
    await run.stop();
  });

  it('asks each partition for its share of the budget and for a mebibyte at most', async () => {
    const asked: number[] = [];
    const source = here.memory.source({ stream: 'in', bounded: true });
    const { open } = source.connector.source ?? {};
    if (open === undefined) throw new Error('no source');
    const watching = {
      ...source,
      connector: {
        ...source.connector,
        source: {
          ...source.connector.source,
          config: source.connector.source?.config ?? expect.fail(),
          capabilities: () => source.capabilities,
          open: async (...args: Parameters<typeof open>) => {
            const driver = await open(...args);
            return {
              ...driver,
              read: (...read: Parameters<typeof driver.read>) => {
                asked.push(read[2].maxBytes);
                return driver.read(...read);
              },
            };
          },
        },
      },
    };
    here.produce('p', 'a');
    here.produce('q', 'a');
    await here.run({ source: watching, budget: { maxBytes: 1000 } });
    await here.run({ source: watching });
    expect(asked).toEqual([500, 500, 2 ** 20, 2 ** 20]);
  });

  it('lets one message above the whole budget pass', async () => {
    here.produce('p', 'x'.repeat(1000), 'a', 'b');
    await here.run({ budget: { maxBytes: 10 } });
    expect(here.stored()).toHaveLength(3);
  });

  it('flushes when what fills the budget is written and waits for nothing else', async () => {
    here.produce('p', ...keys('p', 50));
    const started = here.system.clock.now();
    const run = here.start({ source: unbounded, sink: { flush: true }, budget: { maxBytes: 40 } });
    await here.system.clock.run(() => here.stored().length === 50);
    expect(here.system.clock.now()).toBe(started);
    await run.stop();
  });

  it.each([{ flush: true }, { atomic: true }])(
    'charges messages until the sink has taken them over, and their bytes until they are durable, with %o',
    async (sink) => {
      here.produce('p', ...keys('p', 50));
      const flush = { intervalMs: 60_000 };
      const run = here.start({ source: unbounded, sink, flush, budget: { maxMessages: 5, maxBytes: 10_000 } });
      await here.system.clock.advance(10);
      const { receivedBytes } = run.pipeline.stats();
      expect(run.pipeline.stats()).toMatchObject({ written: 50, inFlight: 50, inFlightBytes: receivedBytes });
      expect(here.stored()).toEqual([]);
      await here.system.clock.advance(60_000);
      expect(here.stored()).toHaveLength(50);
      expect(await run.stop()).toMatchObject({ inFlight: 0, inFlightBytes: 0, unsettled: 0 });
    },
  );

  it('charges messages that cannot be read again until they are durable', async () => {
    here.produce('p', ...keys('p', 50));
    here.system.faults.next('sink.flush', delay(5000));
    const run = here.start({
      source: { ...unbounded, position: 'none' },
      sink: { flush: true },
      budget: { maxMessages: 10 },
    });
    await here.system.clock.advance(3000);
    expect(run.pipeline.stats().received).toBeLessThan(10 + 5);
    await here.system.clock.run(() => here.stored().length === 50);
    expect(await run.stop()).toMatchObject({ inFlight: 0, inFlightBytes: 0, unsettled: 0 });
  });

  it('charges messages behind one that is not finished', async () => {
    here.produce('p', ...keys('p', 50));
    here.system.faults.decideBy(({ name, target }) =>
      name === 'sink.write' && target === 'dead' ? delay(5000) : undefined,
    );
    const run = here.start({
      source: unbounded,
      sink: { flush: true },
      budget: { maxMessages: 10 },
      deadLetter: { sink: here.memory.sink({ destination: 'dead', payload: 'value' }), maxRatio: 1 },
      transforms: [
        map((message) => {
          if (message.key === 'p1') throw new Error('bad');
          return message;
        }),
      ],
    });
    await here.system.clock.advance(3000);
    expect(run.pipeline.stats().received).toBeLessThan(10 + 5);
    await here.system.clock.run(() => here.stored().length === 49);
    await run.stop();
  });

  it('charges what is filtered no longer than it takes', async () => {
    here.produce('p', ...keys('p', 100));
    const run = here.start({
      source: unbounded,
      budget: { maxMessages: 5 },
      transforms: [{ kind: 'filter', apply: () => false }],
    });
    await here.system.clock.run(() => run.pipeline.stats().filtered === 100);
    await run.stop();
    expect(run.pipeline.stats().inFlight).toBe(0);
  });
});
