import { beforeEach, describe, expect, it } from 'vitest';
import {
  crash,
  crashAfterEffect,
  delay,
  fail,
  failAfterEffect,
  hangIgnoringAbort,
  type MemorySystem,
  memorySystem,
} from '../../src/testing/index.js';
import {
  batchOf,
  checkpointAt,
  expectCode,
  expectViolation,
  noSignal,
  openSink,
  openSource,
  pending,
  storedKeys,
} from './open-drivers.js';

let system: MemorySystem;
beforeEach(() => {
  system = memorySystem();
});

describe('an atomic sink', () => {
  const atomic = { atomic: true } as const;

  it('stores data and checkpoint in one step', async () => {
    const sink = await openSink(system, atomic);
    expect(await sink.claim?.(['p'])).toEqual({});
    await sink.write(batchOf('p', 'a'), noSignal());
    await sink.flush?.(checkpointAt('p', 1), noSignal());
    expect(storedKeys(system)).toEqual(['a']);
    expect(system.destination('out').checkpoint('copy')).toEqual(checkpointAt('p', 1));
  });

  it('stores no messages without their position where it is the only sink, unless nobody keeps that', async () => {
    const sink = await openSink(system, atomic, system.instance('a'), 'sink');
    await sink.claim?.(['source:p']);
    await sink.write(batchOf('source:p', 'a'), noSignal());
    await expectViolation(
      system,
      () => sink.flush?.({}, noSignal()),
      'messages of "source:p" but without its position',
    );
    await openSource(system, { position: 'none' });
    await sink.flush?.({}, noSignal());
    expect(storedKeys(system)).toEqual(['a']);
  });

  it('keeps the positions of partitions that a flush does not name', async () => {
    const sink = await openSink(system, atomic);
    await sink.claim?.(['p', 'q']);
    await sink.flush?.(checkpointAt('p', 1), noSignal());
    await sink.flush?.(checkpointAt('q', 2), noSignal());
    expect(await (await openSink(system, atomic)).claim?.(['p'])).toEqual(checkpointAt('p', 1));
    expect(system.destination('out').checkpoint('copy')).toEqual({ ...checkpointAt('p', 1), ...checkpointAt('q', 2) });
  });

  it('takes nothing of a write in which one message fails', async () => {
    system.destination('out').refuses = ({ key }) => (key === 'b' ? 'message_invalid' : undefined);
    const sink = await openSink(system, atomic);
    await sink.claim?.(['p']);
    await expect(sink.write(batchOf('p', 'a', 'b'), noSignal())).rejects.toMatchObject({ failures: [{ index: 1 }] });
    await sink.flush?.(checkpointAt('p', 1), noSignal());
    expect(storedKeys(system)).toEqual([]);
  });

  it('refuses the older holder once a newer one has claimed', async () => {
    const older = await openSink(system, atomic);
    await older.claim?.(['p', 'q']);
    await older.write(batchOf('p', 'a'), noSignal());
    const newer = await openSink(system, atomic, system.instance('b'));
    await newer.claim?.(['p']);
    await expectCode(older.write(batchOf('p', 'b'), noSignal()), 'fenced');
    await expectCode(older.flush?.(checkpointAt('p', 1), noSignal()) ?? Promise.resolve(), 'fenced');
    await newer.flush?.(checkpointAt('p', 0), noSignal());
    expect(storedKeys(system)).toEqual([]);
  });

  it('does not refuse the older holder of another partition', async () => {
    const older = await openSink(system, atomic);
    await older.claim?.(['q']);
    await (await openSink(system, atomic, system.instance('b'))).claim?.(['p']);
    await older.write(batchOf('q', 'a'), noSignal());
    await older.flush?.(checkpointAt('q', 1), noSignal());
    expect(storedKeys(system)).toEqual(['a']);
  });

  it('drops what was taken over, of every partition, when it claims again', async () => {
    const sink = await openSink(system, atomic);
    await sink.claim?.(['p']);
    await sink.write(batchOf('p', 'a'), noSignal());
    await sink.claim?.(['q']);
    await sink.flush?.(checkpointAt('p', 0), noSignal());
    expect(storedKeys(system)).toEqual([]);
  });

  it('takes messages of no partition after a claim of none', async () => {
    const sink = await openSink(system, atomic);
    expect(await sink.claim?.([])).toEqual({});
    await sink.write(batchOf('', 'a'), noSignal());
    await sink.flush?.({}, noSignal());
    expect(storedKeys(system)).toEqual(['a']);
  });

  it('tells at the next claim whether a flush of unknown outcome has happened', async () => {
    for (const [fault, happened] of [
      [failAfterEffect('timeout'), true],
      [fail('timeout'), false],
    ] as const) {
      system = memorySystem();
      const sink = await openSink(system, atomic);
      await sink.claim?.(['p']);
      await sink.write(batchOf('p', 'a'), noSignal());
      system.faults.next('sink.flush', fault);
      await expectCode(sink.flush?.(checkpointAt('p', 1), noSignal()) ?? Promise.resolve(), 'timeout');
      expect(await sink.claim?.(['p'])).toEqual(happened ? checkpointAt('p', 1) : {});
      expect(storedKeys(system)).toEqual(happened ? ['a'] : []);
    }
  });

  it('lets no flush take effect that comes late, after the partition was claimed', async () => {
    const sink = await openSink(system, atomic);
    await sink.claim?.(['p']);
    await sink.write(batchOf('p', 'a'), noSignal());
    system.faults.next('sink.flush', hangIgnoringAbort(1000));
    const abort = new AbortController();
    const flush = sink.flush?.(checkpointAt('p', 1), abort.signal) ?? Promise.resolve();
    flush.catch(() => {});
    abort.abort();
    await (await openSink(system, atomic)).claim?.(['p']);
    await system.clock.advance(1000);
    await expectCode(flush, 'fenced');
    expect(storedKeys(system)).toEqual([]);
  });

  it('lets no claim take effect after the driver was closed', async () => {
    const older = await openSink(system, atomic);
    system.faults.next('sink.claim', delay(1000));
    const late = older.claim?.(['p']) ?? Promise.resolve();
    late.catch(() => {});
    await older.close();
    const newer = await openSink(system, atomic);
    await newer.claim?.(['p']);
    await system.clock.advance(1000);
    await expectCode(late, 'closed');
    await newer.write(batchOf('p', 'a'), noSignal());
  });

  it('has all or nothing however far a flush has come when its process crashes', async () => {
    for (let steps = 0; steps < 10; steps++) {
      const here = memorySystem();
      const instance = here.instance('a');
      const sink = await openSink(here, atomic, instance);
      await sink.claim?.(['p']);
      await sink.write(batchOf('p', 'a'), noSignal());
      void sink.flush?.(checkpointAt('p', 1), noSignal());
      for (let step = 0; step < steps; step++) await Promise.resolve();
      instance.crash();
      await here.clock.advance(0);
      const known = here.destination('out').checkpoint('copy');
      expect(known).toEqual(storedKeys(here).length === 0 ? {} : checkpointAt('p', 1));
    }
  });

  it('has all or nothing after a crash on either side of a flush', async () => {
    for (const [fault, keys] of [
      [crash(), []],
      [crashAfterEffect(), ['a']],
    ] as const) {
      system = memorySystem();
      const sink = await openSink(system, atomic);
      await sink.claim?.(['p']);
      await sink.write(batchOf('p', 'a'), noSignal());
      system.faults.next('sink.flush', fault);
      expect(await pending(system, sink.flush?.(checkpointAt('p', 1), noSignal()) ?? Promise.resolve())).toBe(true);
      expect(storedKeys(system)).toEqual(keys);
      expect(Object.keys(system.destination('out').checkpoint('copy'))).toEqual(keys.length === 0 ? [] : ['p']);
    }
  });
});
