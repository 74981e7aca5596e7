import { beforeEach, describe, expect, it } from 'vitest';
import type { SourceDriver } from '../../src/source-driver.js';
import { fail, type MemoryGroup, type MemorySystem, memorySystem } from '../../src/testing/index.js';
import { expectCode, expectViolation, keyed, keysOf, lease, openSource, pending } from './open-drivers.js';

const assigned = { partitions: 'assigned', position: 'source' } as const;
let system: MemorySystem;
let group: MemoryGroup;
beforeEach(() => {
  system = memorySystem({ sessionTimeoutMs: 5000, revokeTimeoutMs: 20_000 });
  for (const partition of ['p', 'q']) system.stream('in').produce(partition, keyed(`${partition}1`, `${partition}2`));
  group = system.stream('in').group('copy');
});

/** The sets that a driver tells; each `next` is the permission to let go. */
function setsOf(driver: SourceDriver): { next(): Promise<readonly string[] | undefined> } {
  const iterator = driver.partitions?.(new AbortController().signal)[Symbol.asyncIterator]();
  return {
    async next() {
      const result = await iterator?.next();
      return result?.done === true ? undefined : result?.value;
    },
  };
}

describe('the set of partitions', () => {
  it('is told once where it is fixed', async () => {
    const sets = setsOf(await openSource(system, { partitions: 'fixed' }));
    expect(await sets.next()).toEqual(['p', 'q']);
    expect(await sets.next()).toBeUndefined();
  });

  it('is told again when a partition is found or finished, and no more when the stream has ended', async () => {
    const sets = setsOf(await openSource(system, assigned));
    expect(await sets.next()).toEqual(['p', 'q']);
    const found = sets.next();
    expect(await pending(system, found)).toBe(true);
    system.stream('in').produce('r', keyed('r1'));
    expect(await found).toEqual(['p', 'q', 'r']);
    system.stream('in').finish('p');
    expect(await sets.next()).toEqual(['q', 'r']);
    system.stream('in').end();
    expect(await sets.next()).toBeUndefined();
  });

  it('moves a partition to a new member only after the old one has asked for the next set', async () => {
    const one = setsOf(await openSource(system, assigned));
    expect(await one.next()).toEqual(['p', 'q']);
    const two = setsOf(await openSource(system, assigned, system.instance('b')));
    const forTwo = two.next();
    expect(await forTwo).toEqual([]);
    const moved = two.next();
    expect(await one.next()).toEqual(['p']);
    expect(await pending(system, moved)).toBe(true);
    expect(group.assignment.holder('q')).toBe('a');
    void one.next();
    expect(await moved).toEqual(['q']);
    expect(group.assignment.holder('q')).toBe('b');
  });

  it('ends for all members when each partition of a stream that has ended is where it is to be', async () => {
    const one = setsOf(await openSource(system, assigned));
    await one.next();
    const two = setsOf(await openSource(system, assigned, system.instance('b')));
    await two.next();
    system.stream('in').end();
    const moved = two.next();
    await one.next();
    const end = one.next();
    expect(await moved).toEqual(['q']);
    expect(await system.clock.settle(end)).toBeUndefined();
  });

  it('leaves a partition with a member that was told the end, also when another one joins', async () => {
    const driver = await openSource(system, assigned);
    const one = setsOf(driver);
    await one.next();
    system.stream('in').end();
    expect(await one.next()).toBeUndefined();
    const two = setsOf(await openSource(system, assigned, system.instance('b')));
    expect(await two.next()).toEqual([]);
    expect(await two.next()).toBeUndefined();
  });

  it('gives no further partition to a member that was told the end, but to one that still asks', async () => {
    for (const partition of ['p', 'q']) group.assignment.assign(partition, 'a');
    const driver = await openSource(system, assigned);
    await setsOf(driver).next();
    const two = setsOf(await openSource(system, assigned, system.instance('b')));
    expect(await two.next()).toEqual([]);
    system.stream('in').end();
    expect(await two.next()).toBeUndefined();
    const three = setsOf(await openSource(system, assigned, system.instance('c')));
    expect(await three.next()).toEqual([]);
    await driver.close();
    expect(await three.next()).toEqual(['p', 'q']);
    expect(await three.next()).toBeUndefined();
  });

  it('lets a partition be read until the next set is heard of, and says then that it is lost', async () => {
    const driver = await openSource(system, assigned);
    const sets = setsOf(driver);
    expect(await sets.next()).toEqual(['p', 'q']);
    group.lose('p', null);
    system.faults.next('source.partitions', { waitMs: 100, effect: 'first' });
    const told = sets.next();
    await system.clock.advance(50);
    await expectCode(lease(driver, 'p').next(), 'lease_lost');
    expect(await system.clock.settle(told)).toEqual(['q']);
    expect(system.violations.found).toEqual([]);
    void sets.next();
    await system.clock.advance(0);
    await expectViolation(system, () => lease(driver, 'p'), 'which is not in the set');
  });

  it('is told without a partition whose read was scripted to be lost, and then with it again', async () => {
    const driver = await openSource(system, assigned);
    const sets = setsOf(driver);
    expect(await sets.next()).toEqual(['p', 'q']);
    const next = sets.next();
    system.faults.next('source.read', fail('lease_lost'));
    await expectCode(lease(driver, 'p').next(), 'lease_lost');
    expect(await next).toEqual(['q']);
    expect(await sets.next()).toEqual(['p', 'q']);
  });

  it('gives the partitions of a member that has died to others after the session time', async () => {
    const instance = system.instance('a');
    const one = setsOf(await openSource(system, assigned, instance));
    await one.next();
    const two = setsOf(await openSource(system, assigned, system.instance('b')));
    await two.next();
    const next = two.next();
    instance.crash();
    await system.clock.advance(4999);
    expect(await pending(system, next)).toBe(true);
    await system.clock.advance(1);
    expect(await next).toEqual(['p', 'q']);
  });

  it('gives the partitions of a member that has closed to others at once', async () => {
    const driver = await openSource(system, assigned);
    await setsOf(driver).next();
    const two = setsOf(await openSource(system, assigned, system.instance('b')));
    await two.next();
    const next = two.next();
    await driver.close();
    expect(await next).toEqual(['p', 'q']);
  });

  it('takes a partition from a member that does not let it go in time', async () => {
    const driver = await openSource(system, assigned);
    const sets = setsOf(driver);
    await sets.next();
    const reader = lease(driver, 'q');
    await reader.batch();
    const next = reader.next();
    next.catch(() => {});
    group.assignment.assign('q', null);
    expect(await sets.next()).toEqual(['p']);
    await system.clock.advance(20_000);
    await expectCode(next, 'lease_lost');
  });
});

describe('a lost lease', () => {
  it('makes the iterator throw lease_lost, and its commits are refused', async () => {
    const driver = await openSource(system, assigned);
    await setsOf(driver).next();
    const reader = lease(driver);
    const { position } = await reader.batch();
    group.lose('p');
    await expectCode(driver.commit?.('p', position) ?? Promise.resolve(), 'lease_lost');
    await expectCode(reader.next(), 'lease_lost');
    expect(group.commits).toEqual([]);
    expect(system.violations.found).toEqual([]);
  });

  it('wakes a reader that waits', async () => {
    const driver = await openSource(system, assigned);
    await setsOf(driver).next();
    const reader = lease(driver);
    await reader.batch();
    const next = reader.next();
    group.lose('p');
    await expectCode(next, 'lease_lost');
  });

  it('can be regained once a set without it was told', async () => {
    const driver = await openSource(system, assigned);
    const sets = setsOf(driver);
    await sets.next();
    const first = lease(driver);
    await first.batch();
    const next = sets.next();
    group.lose('p');
    expect(await next).toEqual(['q']);
    await expectCode(first.next(), 'lease_lost');
    expect(await sets.next()).toEqual(['p', 'q']);
    const second = lease(driver);
    const batch = await second.batch();
    expect(keysOf(batch)).toEqual(['p1', 'p2']);
    await driver.commit?.('p', batch.position);
    expect(group.leases.map(({ state }) => state)).toEqual(['lost', 'held']);
  });

  it('stays lost for whoever reads again without being told', async () => {
    const driver = await openSource(system, assigned);
    await setsOf(driver).next();
    group.lose('p');
    await expectCode(lease(driver).next(), 'lease_lost');
  });

  it('goes to another member at once, while the old one still works on it', async () => {
    const one = await openSource(system, assigned);
    const setsOfOne = setsOf(one);
    await setsOfOne.next();
    const reader = lease(one, 'p');
    await reader.batch();
    group.assignment.assign('q', 'a');
    const two = await openSource(system, assigned, system.instance('b'));
    const setsOfTwo = setsOf(two);
    group.lose('p', 'b');
    expect(await setsOfTwo.next()).toEqual(['p']);
    expect(keysOf(await lease(two, 'p').batch())).toEqual(['p1', 'p2']);
    await expectCode(reader.next(), 'lease_lost');
    expect(await setsOfOne.next()).toEqual(['q']);
  });
});

describe('breaches by the engine that a group catches', () => {
  it('a read of a partition that is not in the set', async () => {
    const driver = await openSource(system, assigned);
    await expectViolation(system, () => lease(driver, 'p'), 'which is not in the set');
  });

  it('asking for the next set while a partition that left is still read', async () => {
    const driver = await openSource(system, assigned);
    const sets = setsOf(driver);
    await sets.next();
    lease(driver, 'q');
    group.assignment.assign('q', null);
    await sets.next();
    await expectViolation(system, () => sets.next(), 'while partition "q" was still read');
  });

  it('a commit after the partition was let go', async () => {
    const driver = await openSource(system, assigned);
    const sets = setsOf(driver);
    await sets.next();
    const reader = lease(driver, 'q');
    const { position } = await reader.batch();
    group.assignment.assign('q', null);
    await sets.next();
    reader.abort();
    await reader.next();
    void sets.next();
    await system.clock.advance(0);
    await expectViolation(system, () => driver.commit?.('q', position), 'after its lease had ended');
  });
});
