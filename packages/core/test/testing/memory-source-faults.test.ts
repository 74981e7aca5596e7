import { beforeEach, describe, expect, it } from 'vitest';
import {
  crash,
  crashAfterEffect,
  delay,
  endRead,
  fail,
  failAfterEffect,
  hang,
  hangIgnoringAbort,
  type MemorySystem,
  memorySystem,
} from '../../src/testing/index.js';
import { expectCode, expectViolation, keyed, lease, openSource, pending } from './open-drivers.js';

let system: MemorySystem;
beforeEach(() => {
  system = memorySystem();
  system.stream('in').produce('p', keyed('a', 'b', 'c', 'd'));
});

describe('faults of a source', () => {
  it('fail to open', async () => {
    system.faults.next('source.open', fail('not_connected'));
    await expectCode(openSource(system), 'not_connected');
    await openSource(system);
  });

  it('fail a read, which ends its iterator', async () => {
    system.faults.next('source.read', fail('timeout'));
    const reader = lease(await openSource(system));
    await expectCode(reader.next(), 'timeout');
    expect(await reader.next()).toMatchObject({ done: true });
  });

  it('end a read that is not bounded', async () => {
    system.faults.next('source.read', endRead());
    expect(await lease(await openSource(system)).next()).toMatchObject({ done: true });
  });

  it('delay a read in virtual time', async () => {
    system.faults.next('source.read', delay(500));
    const reader = lease(await openSource(system));
    const start = system.clock.now();
    await system.clock.settle(reader.batch());
    expect(system.clock.now() - start).toBe(500);
  });

  it('hang a read until it is aborted, or somewhat longer', async () => {
    system.faults.next('source.read', hang(), hangIgnoringAbort(900));
    const driver = await openSource(system);
    const heeding = lease(driver);
    const next = heeding.next();
    expect(await pending(system, next)).toBe(true);
    heeding.abort();
    await expectCode(next, 'aborted');
    const ignoring = lease(driver);
    const late = ignoring.next();
    expect(await pending(system, late)).toBe(true);
    ignoring.abort();
    expect(await pending(system, late)).toBe(true);
    expect(await system.clock.settle(late)).toMatchObject({ done: false });
  });

  it('refuse a commit after a read that failed in the instant in which it was aborted', async () => {
    const driver = await openSource(system, { batchMessages: 1 });
    const reader = lease(driver);
    const { position } = await reader.batch();
    system.faults.next('source.read', fail('timeout'));
    await expectCode(reader.next(), 'timeout');
    reader.abort();
    await system.clock.advance(0);
    await expectCode(driver.commit?.('p', position) ?? Promise.resolve(), 'lease_lost');
    expect(system.violations.found).toEqual([]);
  });

  it('let a commit happen of which the engine hears that it failed', async () => {
    const driver = await openSource(system, { position: 'source' });
    const { position } = await lease(driver).batch();
    system.faults.next('source.commit', failAfterEffect('timeout'));
    await expectCode(driver.commit?.('p', position) ?? Promise.resolve(), 'timeout');
    expect(system.stream('in').group('copy').progress('p').committed).toBe(4);
  });

  it('kill the instance before or after a commit', async () => {
    const first = system.instance('a');
    const driver = await openSource(system, { position: 'source' }, first);
    const batch = await lease(driver).batch();
    system.faults.next('source.commit', crash());
    expect(await pending(system, driver.commit?.('p', batch.positionAt?.(0) ?? null) ?? Promise.resolve())).toBe(true);
    expect(first.alive).toBe(false);
    expect(system.stream('in').group('copy').commits).toEqual([]);
    const second = await openSource(system, { position: 'source' }, system.instance('b'));
    const again = await lease(second).batch();
    system.faults.next('source.commit', crashAfterEffect());
    expect(await pending(system, second.commit?.('p', again.position) ?? Promise.resolve())).toBe(true);
    expect(system.stream('in').group('copy').progress('p').committed).toBe(4);
  });

  it('leave a dead instance without any effect, for ever', async () => {
    const instance = system.instance('a');
    const driver = await openSource(system, {}, instance);
    const reader = lease(driver);
    const batch = await reader.batch();
    const next = reader.next();
    instance.crash();
    system.stream('in').produce('p', keyed('e'));
    expect(await pending(system, next)).toBe(true);
    expect(await pending(system, driver.commit?.('p', batch.position) ?? Promise.resolve())).toBe(true);
    expect(await pending(system, driver.close())).toBe(true);
    expect(system.stream('in').group('copy').commits).toEqual([]);
  });

  it('stop the clock of a dead instance', async () => {
    const instance = system.instance('a');
    let calls = 0;
    instance.clock.after(10, () => {
      calls += 1;
    });
    instance.crash();
    instance.clock.after(10, () => {
      calls += 1;
    });
    await system.clock.advance(100);
    expect(calls).toBe(0);
  });
});

describe('breaches by the engine that a source catches', () => {
  it('two reads of one partition at once', async () => {
    const driver = await openSource(system);
    lease(driver);
    await expectViolation(system, () => lease(driver), 'two reads of partition "p" at once');
  });

  it('two pulls of one iterator at once', async () => {
    const reader = lease(await openSource(system));
    await reader.batch();
    const first = reader.next();
    await expectViolation(system, () => reader.next(), 'two pulls');
    reader.abort();
    await first;
  });

  it('an iterator that is ended without an abort', async () => {
    const reader = lease(await openSource(system));
    await expectViolation(system, () => reader.breakOff(), 'before its signal was aborted');
  });

  it('a commit while another is under way', async () => {
    const driver = await openSource(system);
    const batch = await lease(driver).batch();
    system.faults.next('source.commit', delay(10));
    const first = driver.commit?.('p', batch.positionAt?.(0) ?? null);
    await expectViolation(system, () => driver.commit?.('p', batch.position), 'while another commit is under way');
    await system.clock.settle(first ?? Promise.resolve());
  });

  it('a commit out of order', async () => {
    const driver = await openSource(system);
    const batch = await lease(driver).batch();
    await driver.commit?.('p', batch.position);
    await expectViolation(
      system,
      () => driver.commit?.('p', batch.positionAt?.(0) ?? null),
      'before an earlier commit',
    );
  });

  it('a commit of what was not read yet', async () => {
    const driver = await openSource(system);
    await lease(driver, 'p', undefined, { maxMessages: 1 }).batch();
    await expectViolation(system, () => driver.commit?.('p', { next: 3, lease: 1 }), 'which was not read yet');
  });

  it('a commit after the lease has ended', async () => {
    const driver = await openSource(system);
    const reader = lease(driver);
    const { position } = await reader.batch();
    await reader.end();
    await expectViolation(system, () => driver.commit?.('p', position), 'after its lease had ended');
  });

  it('a commit after the read threw', async () => {
    const driver = await openSource(system, { batchMessages: 1 });
    const reader = lease(driver);
    const { position } = await reader.batch();
    system.faults.next('source.read', fail('timeout'));
    await expectCode(reader.next(), 'timeout');
    await system.clock.advance(0);
    await expectViolation(system, () => driver.commit?.('p', position), 'after its lease had ended');
  });

  it('a commit of an old lease after the partition was read again', async () => {
    const driver = await openSource(system);
    const first = lease(driver);
    const { position } = await first.batch();
    await first.end();
    await lease(driver).batch();
    await expectViolation(system, () => driver.commit?.('p', position), 'read under another lease');
  });

  it('a read at a position of another system', async () => {
    const driver = await openSource(system);
    const { position } = await lease(driver).batch();
    system.stream('in').identity = 'memory:new';
    const fresh = await openSource(system);
    await expectViolation(system, () => lease(fresh, 'p', position), 'at a position of "memory:in"');
  });

  it('anything after close', async () => {
    const driver = await openSource(system);
    const { position } = await lease(driver).batch();
    await driver.close();
    await driver.close();
    await expectViolation(system, () => lease(driver), 'after close');
    await expectViolation(system, () => driver.commit?.('p', position), 'after close');
  });
});
