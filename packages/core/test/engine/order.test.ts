import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { audit, delay, fail, failAfterEffect, failMessages, keyText } from '../../src/testing/index.js';
import { map } from '../../src/transform.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

const clean = { lost: [], duplicated: [], reordered: [], stale: [] };
const small = { maxMessages: 2, maxInFlight: 3 };

describe('order inside a partition', () => {
  it.each(['none', 'partitions', 'ordered'] as const)(
    'holds while single writes fail, with overlap %s',
    async (overlap) => {
      here.produce('p', ...keys('p', 12));
      here.produce('q', ...keys('q', 12));
      here.system.faults.next(
        'sink.write',
        delay(30),
        fail('conflict', 10),
        fail('unknown'),
        delay(5),
        fail('conflict', 20),
      );
      await here.run({ source: { batchMessages: 2 }, sink: { overlap, preferred: small } });
      expect(audit([keys('p', 12), keys('q', 12)], here.stored())).toEqual(clean);
    },
  );

  it.each(['none', 'partitions', 'ordered'] as const)(
    'holds while messages in the middle of a write fail, with overlap %s',
    async (overlap) => {
      here.produce('p', ...keys('p', 9));
      here.produce('q', ...keys('q', 9));
      const second = { ...failMessages('resource_exhausted', 1), waitMs: 10 };
      here.system.faults.next('sink.write', second, second, undefined, second);
      await here.run({
        source: { batchMessages: 3 },
        sink: { overlap, preferred: { maxMessages: 6, maxInFlight: 3 } },
      });
      expect(audit([keys('p', 9), keys('q', 9)], here.stored())).toEqual(clean);
    },
  );

  it.each(['none', 'partitions', 'ordered'] as const)(
    'is that of first arrival where a write that failed had happened, with overlap %s',
    async (overlap) => {
      here.produce('p', ...keys('p', 10));
      here.system.faults.next('sink.write', failAfterEffect('conflict', 10), delay(20), failAfterEffect('unknown'));
      await here.run({ source: { batchMessages: 2 }, sink: { overlap, preferred: small } });
      expect(audit([keys('p', 10)], here.stored())).toMatchObject({ lost: [], reordered: [], stale: [] });
    },
  );

  it('holds where a write begins between the rejection of an earlier one and the engine hearing of it', async () => {
    here.produce('p', ...keys('p', 9));
    here.produce('q', ...keys('q', 9));
    const second = failMessages('resource_exhausted', 1);
    here.system.faults.next('sink.write', second, { ...second, waitMs: 10 }, undefined, second);
    const preferred = { maxMessages: 6, maxInFlight: 3 };
    await here.run({ source: { batchMessages: 3 }, sink: { overlap: 'ordered', preferred } });
    expect(audit([keys('p', 9), keys('q', 9)], here.stored())).toEqual(clean);
  });

  it('waits for every write of the partition under way before it tries a failed one again', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('sink.write', fail('conflict', 10), delay(500), delay(1000));
    await here.run({ source: { batchMessages: 2 }, sink: { overlap: 'ordered', preferred: small } });
    const [, , third, again] = here.callsOf('sink.write');
    expect(again?.keys).toContain('p1');
    expect(again?.startedAt).toBeGreaterThanOrEqual(third?.endedAt ?? Infinity);
    expect(here.stored()).toEqual(keys('p', 6));
  });

  it('is given up by "order: none", so that a failed write holds nothing back', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('sink.write', fail('conflict'));
    const sink = { overlap: 'partitions', preferred: { maxMessages: 2, maxInFlight: 1 } } as const;
    const made = here.define({ source: { batchMessages: 2, positionAt: false }, sink });
    expect(made.guarantee.ordered).toBe(true);
    const free = here.define({ source: { batchMessages: 2 }, sink, order: 'none' });
    expect(free.guarantee.ordered).toBe(false);
    await here.system.clock.settle(free.run());
    expect(here.stored().toSorted()).toEqual(keys('p', 6));
  });

  it('holds at shutdown: what comes late is not written behind what could not be', async () => {
    here.produce('p', 'a', 'late');
    here.system.faults.next('sink.write', fail('conflict', 100));
    const slow = map(async (message) => {
      if (keyText(message) === 'late') await new Promise<void>((resolve) => here.instance.clock.after(1000, resolve));
      return message;
    });
    const run = here.start({ source: { bounded: false, batchMessages: 1 }, transforms: [slow] });
    await here.system.clock.advance(10);
    expect(await run.stop()).toMatchObject({ received: 2, unsettled: 2 });
    await here.run();
    expect(here.stored()).toEqual(['a', 'late']);
  });
});

describe('writes that overlap', () => {
  it('are one at a time with overlap none', async () => {
    here.produce('p', ...keys('p', 4));
    here.produce('q', ...keys('q', 4));
    here.system.faults.decideBy(({ name }) => (name === 'sink.write' ? delay(10) : undefined));
    await here.run({ source: { batchMessages: 1 }, sink: { overlap: 'none', preferred: { maxMessages: 1 } } });
    expect(maxAtOnce()).toBe(1);
  });

  it('are of different partitions with overlap partitions', async () => {
    here.produce('p', ...keys('p', 4));
    here.produce('q', ...keys('q', 4));
    here.system.faults.decideBy(({ name }) => (name === 'sink.write' ? delay(10) : undefined));
    await here.run({ source: { batchMessages: 1 }, sink: { overlap: 'partitions', preferred: { maxMessages: 1 } } });
    expect(maxAtOnce()).toBe(2);
  });

  it('are as many of one partition as the sink prefers with overlap ordered', async () => {
    here.produce('p', ...keys('p', 9));
    here.system.faults.decideBy(({ name }) => (name === 'sink.write' ? delay(10) : undefined));
    await here.run({
      source: { batchMessages: 1 },
      sink: { overlap: 'ordered', preferred: { maxMessages: 1, maxInFlight: 3 } },
    });
    expect(maxAtOnce()).toBe(3);
    expect(here.stored()).toEqual(keys('p', 9));
  });
});

/** How many writes were under way at the same time. */
function maxAtOnce(): number {
  const writes = here.callsOf('sink.write');
  const at = (time: number): number =>
    writes.filter(({ startedAt, endedAt }) => startedAt <= time && time < (endedAt ?? Infinity)).length;
  return Math.max(...writes.map(({ startedAt }) => at(startedAt)));
}
