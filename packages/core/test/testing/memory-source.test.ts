import { beforeEach, describe, expect, it } from 'vitest';
import { type MemorySystem, memorySystem } from '../../src/testing/index.js';
import { expectCode, keyed, keysOf, lease, openSource, pending } from './open-drivers.js';

let system: MemorySystem;
beforeEach(() => {
  system = memorySystem();
  system.stream('in').produce('p', keyed('a', 'b', 'c', 'd'));
});

describe('reading', () => {
  it('reads from just after a position', async () => {
    const first = lease(await openSource(system));
    const { position } = await first.batch();
    system.stream('in').produce('p', keyed('e'));
    const second = lease(await openSource(system), 'p', position);
    expect(keysOf(await second.batch())).toEqual(['e']);
  });

  it('reads from the position after any message of a batch', async () => {
    const driver = await openSource(system);
    const batch = await lease(driver).batch();
    const position = batch.positionAt?.(1);
    const other = lease(await openSource(system), 'p', position);
    expect(keysOf(await other.batch())).toEqual(['c', 'd']);
  });

  it('offers no position inside a batch when its config says so', async () => {
    const batch = await lease(await openSource(system, { positionAt: false })).batch();
    expect(batch.positionAt).toBeUndefined();
  });

  it('cuts batches at the number of messages, at the bytes and at its own limit', async () => {
    const driver = await openSource(system);
    const byCount = lease(driver, 'p', undefined, { maxMessages: 3 });
    expect(keysOf(await byCount.batch())).toEqual(['a', 'b', 'c']);
    await byCount.end();
    const byBytes = lease(driver, 'p', undefined, { maxBytes: 5 });
    expect(keysOf(await byBytes.batch())).toEqual(['a', 'b']);
    await byBytes.end();
    const own = lease(await openSource(system, { batchMessages: 1 }));
    expect(keysOf(await own.batch())).toEqual(['a']);
  });

  it('passes one message above the byte limit alone', async () => {
    const reader = lease(await openSource(system), 'p', undefined, { maxBytes: 1 });
    expect(keysOf(await reader.batch())).toEqual(['a']);
    expect(keysOf(await reader.batch())).toEqual(['b']);
  });

  it('waits until something is produced', async () => {
    const reader = lease(await openSource(system));
    await reader.batch();
    const next = reader.batch();
    expect(await pending(system, next)).toBe(true);
    system.stream('in').produce('p', keyed('e'));
    expect(keysOf(await next)).toEqual(['e']);
  });

  it('ends by itself where it is bounded, and waits where it is not', async () => {
    const bounded = lease(await openSource(system, { bounded: true }));
    await bounded.batch();
    expect(await bounded.next()).toMatchObject({ done: true });
    const unbounded = lease(await openSource(system));
    await unbounded.batch();
    expect(await pending(system, unbounded.next())).toBe(true);
  });

  it('ends a pending read when it is aborted', async () => {
    const reader = lease(await openSource(system));
    await reader.batch();
    const next = reader.next();
    reader.abort();
    expect(await next).toMatchObject({ done: true });
  });

  it('tells bytes, lag and messages that made no sense', async () => {
    system.stream('in').produce('q', [
      { key: 'x', payload: 'xyz' },
      { payload: 'broken', failure: new Error('no') },
    ]);
    system.stream('in').produce('q', keyed('later'));
    const batch = await lease(await openSource(system, { batchMessages: 2 }), 'q').batch();
    expect(batch).toMatchObject({ bytes: 10, lag: 1, failures: [{ index: 1, error: { message: 'no' } }] });
  });

  it('moves the position over marks that are not messages', async () => {
    system.stream('in').produce('marks', [{ control: true }, { control: true }]);
    const reader = lease(await openSource(system), 'marks');
    const batch = await reader.batch();
    expect(batch.messages).toEqual([]);
    expect(batch.position).toMatchObject({ next: 2 });
  });

  it('starts at the end where the config says latest and there is no position', async () => {
    const reader = lease(await openSource(system, { start: 'latest' }));
    const next = reader.batch();
    expect(await pending(system, next)).toBe(true);
    system.stream('in').produce('p', keyed('e'));
    expect(keysOf(await next)).toEqual(['e']);
  });

  it('throws position_lost where the beginning was discarded, unless it is told where to go on', async () => {
    const driver = await openSource(system);
    const first = lease(driver, 'p', undefined, { maxMessages: 1 });
    const { position } = await first.batch();
    await first.end();
    system.stream('in').discard('p', 3);
    await expectCode(lease(driver, 'p', position).next(), 'position_lost');
    const earliest = lease(driver, 'p', undefined, { start: 'earliest' });
    expect(keysOf(await earliest.batch())).toEqual(['d']);
  });

  it('throws position_lost for a position that it cannot read', async () => {
    await expectCode(lease(await openSource(system), 'p', 'nonsense').next(), 'position_lost');
  });

  it('has no partitions function where there is one partition', async () => {
    expect((await openSource(system, { partitions: 'single' })).partitions).toBeUndefined();
  });

  it('forgets what nobody keeps a position of as soon as it is handed over', async () => {
    const config = { position: 'none', replayable: false } as const;
    const first = await openSource(system, { ...config, batchMessages: 1 });
    expect(first.commit).toBeUndefined();
    expect(keysOf(await lease(first).batch())).toEqual(['a']);
    expect(keysOf(await lease(await openSource(system, config)).batch())).toEqual(['b', 'c', 'd']);
  });

  it('gives a reader nothing again of what nobody keeps a position of, however far another one is behind', async () => {
    const config = { position: 'none', replayable: false } as const;
    const driver = await openSource(system, config);
    const fast = lease(driver);
    const slow = lease(await openSource(system, { ...config, batchMessages: 1 }, system.instance('b')));
    expect(keysOf(await fast.batch())).toEqual(['a', 'b', 'c', 'd']);
    expect(keysOf(await slow.batch())).toEqual(['a']);
    await fast.end();
    expect(await pending(system, lease(driver).batch())).toBe(true);
  });
});

describe('committing', () => {
  it('goes on where the outside system was told to, when that keeps the position', async () => {
    const driver = await openSource(system, { position: 'source' });
    const batch = await lease(driver).batch();
    await driver.commit?.('p', batch.positionAt?.(2) ?? null);
    const next = await openSource(system, { position: 'source' }, system.instance('b'));
    expect(keysOf(await lease(next).batch())).toEqual(['d']);
    expect(system.stream('in').group('copy').commits).toMatchObject([{ instance: 'a', partition: 'p', next: 3 }]);
  });

  it('does not look at commits when the engine keeps the position', async () => {
    const driver = await openSource(system);
    const { position } = await lease(driver).batch();
    await driver.commit?.('p', position);
    expect(keysOf(await lease(await openSource(system)).batch())).toEqual(['a', 'b', 'c', 'd']);
  });

  it('discards what was committed where its config says so', async () => {
    const driver = await openSource(system, { discardCommitted: true });
    const reader = lease(driver);
    const batch = await reader.batch();
    const early = batch.positionAt?.(0);
    await driver.commit?.('p', batch.positionAt?.(1) ?? null);
    await reader.end();
    await expectCode(lease(driver, 'p', early).next(), 'position_lost');
  });

  it('delivers no more than the window before it hears a commit', async () => {
    const driver = await openSource(system, { window: 2 });
    const reader = lease(driver);
    const batch = await reader.batch();
    expect(keysOf(batch)).toEqual(['a', 'b']);
    const next = reader.batch();
    expect(await pending(system, next)).toBe(true);
    await driver.commit?.('p', batch.positionAt?.(0) ?? null);
    expect(keysOf(await next)).toEqual(['c']);
  });

  it('still takes commits after its signal was aborted, until the iterator ends', async () => {
    const driver = await openSource(system, { position: 'source' });
    const reader = lease(driver);
    const { position } = await reader.batch();
    reader.abort();
    await reader.next();
    await driver.commit?.('p', position);
    expect(system.stream('in').group('copy').progress('p').committed).toBe(4);
  });
});

describe('a queue', () => {
  const queue = { position: 'source', replayable: false, window: 3 } as const;

  it('delivers what was not committed again after the iterator ends', async () => {
    const driver = await openSource(system, queue);
    const first = lease(driver);
    const batch = await first.batch();
    await driver.commit?.('p', batch.positionAt?.(0) ?? null);
    await first.end();
    expect(keysOf(await lease(driver).batch())).toEqual(['b', 'c', 'd']);
  });

  it('delivers what was not committed again after a crash, and never what was', async () => {
    const instance = system.instance('a');
    const driver = await openSource(system, queue, instance);
    const batch = await lease(driver).batch();
    await driver.commit?.('p', batch.positionAt?.(1) ?? null);
    instance.crash();
    expect(keysOf(await lease(await openSource(system, queue, system.instance('b'))).batch())).toEqual(['c', 'd']);
  });

  it('gives no message to two readers, and what one gives back to the other', async () => {
    const one = await openSource(system, queue);
    const two = await openSource(system, queue, system.instance('b'));
    const first = lease(one);
    expect(keysOf(await first.batch())).toEqual(['a', 'b', 'c']);
    const second = lease(two);
    expect(keysOf(await second.batch())).toEqual(['d']);
    const next = second.batch();
    expect(await pending(system, next)).toBe(true);
    await first.end();
    expect(keysOf(await next)).toEqual(['a', 'b']);
  });

  it('is at its end only when no other reader can give something back', async () => {
    const one = lease(await openSource(system, queue));
    await one.batch();
    const two = lease(await openSource(system, { ...queue, bounded: true }, system.instance('b')));
    await two.batch();
    const next = two.next();
    expect(await pending(system, next)).toBe(true);
    await one.end();
    expect(await next).toMatchObject({ done: false });
  });

  it('counts its positions anew for each lease, so that a commit of an old one would settle other messages', async () => {
    const driver = await openSource(system, queue);
    const first = lease(driver);
    expect((await first.batch()).position).toEqual({ next: 3, lease: 1 });
    await first.end();
    expect((await lease(driver).batch()).position).toEqual({ next: 3, lease: 2 });
  });
});
