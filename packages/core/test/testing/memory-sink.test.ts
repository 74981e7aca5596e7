import { beforeEach, describe, expect, it } from 'vitest';
import { createMessage } from '../../src/message.js';
import type { BatchSlice } from '../../src/sink-driver.js';
import {
  delay,
  fail,
  failAfterEffect,
  failMessages,
  hang,
  hangAfterEffect,
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
  pending,
  storedKeys,
} from './open-drivers.js';

let system: MemorySystem;
beforeEach(() => {
  system = memorySystem();
});

describe('a sink without flush', () => {
  it('stores durably what is written', async () => {
    const sink = await openSink(system);
    expect(sink.flush).toBeUndefined();
    await sink.write(batchOf('p', 'a', 'b'), noSignal());
    expect(storedKeys(system)).toEqual(['a', 'b']);
    expect(system.destination('out').stored[0]).toMatchObject({ partition: 'p', instance: 'a' });
  });

  it('keeps in its table the last message of each key', async () => {
    const sink = await openSink(system, { idempotent: 'key' });
    const messages = ['1', '2', '3'].map((payload, index) => createMessage({ key: index === 1 ? 'b' : 'a', payload }));
    await sink.write({ messages, slices: [{ partition: 'p', from: 0, to: 3, position: undefined }] }, noSignal());
    expect([...system.destination('out').table()].map(([key, { payload }]) => [key, payload])).toEqual([
      ['a', '3'],
      ['b', '2'],
    ]);
  });

  it('names the messages that it refuses and takes the others', async () => {
    system.destination('out').refuses = ({ key }) => (key === 'b' ? 'message_invalid' : undefined);
    const write = (await openSink(system)).write(batchOf('p', 'a', 'b', 'c'), noSignal());
    await expect(write).rejects.toMatchObject({ failures: [{ index: 1, error: { code: 'message_invalid' } }] });
    expect(storedKeys(system)).toEqual(['a', 'c']);
  });

  it('fails the rest of a partition after a retryable failure, and of no other', async () => {
    system.faults.next('sink.write', failMessages('rate_limited', 1));
    const batch = {
      messages: [...batchOf('', 'p1', 'p2', 'p3').messages, ...batchOf('', 'q1').messages],
      slices: [
        { partition: 'p', from: 0, to: 3, position: undefined },
        { partition: 'q', from: 3, to: 4, position: undefined },
      ],
    };
    const write = (await openSink(system)).write(batch, noSignal());
    await expect(write).rejects.toMatchObject({ failures: [{ index: 1 }, { index: 2 }] });
    expect(storedKeys(system)).toEqual(['p1', 'q1']);
  });

  it('may have stored what the caller hears has failed', async () => {
    system.faults.next('sink.write', failAfterEffect('timeout'), fail('timeout'));
    const sink = await openSink(system);
    await expectCode(sink.write(batchOf('p', 'a'), noSignal()), 'timeout');
    await expectCode(sink.write(batchOf('p', 'b'), noSignal()), 'timeout');
    expect(storedKeys(system)).toEqual(['a']);
  });

  it('settles a write that hangs when it is aborted, with or without effect', async () => {
    system.faults.next('sink.write', hang(), hangAfterEffect());
    const sink = await openSink(system);
    for (const key of ['a', 'b']) {
      const abort = new AbortController();
      const write = sink.write(batchOf('p', key), abort.signal);
      expect(await pending(system, write)).toBe(true);
      abort.abort();
      await expectCode(write, 'aborted');
    }
    expect(storedKeys(system)).toEqual(['b']);
  });

  it('lets a write take effect long after it was aborted, unless the driver was closed meanwhile', async () => {
    system.faults.next('sink.write', hangIgnoringAbort(5000), hangIgnoringAbort(5000));
    for (const [key, close] of [
      ['a', false],
      ['b', true],
    ] as const) {
      const sink = await openSink(system);
      const abort = new AbortController();
      const write = sink.write(batchOf('p', key), abort.signal);
      write.catch(() => {});
      abort.abort();
      if (close) await sink.close();
      await system.clock.advance(5000);
      if (close) await expectCode(write, 'closed');
      else await write;
    }
    expect(storedKeys(system)).toEqual(['a']);
  });
});

describe('overlapping writes', () => {
  it('may end in any order where they have no partition in common', async () => {
    system.faults.next('sink.write', delay(20), delay(10));
    const sink = await openSink(system, { overlap: 'partitions' });
    await system.clock.settle(
      Promise.all([sink.write(batchOf('p', 'p1'), noSignal()), sink.write(batchOf('q', 'q1'), noSignal())]),
    );
    expect(storedKeys(system)).toEqual(['q1', 'p1']);
  });

  it('keep the order of a partition where the sink is ordered, whatever each takes', async () => {
    system.faults.next('sink.write', delay(20), delay(10), delay(1));
    const sink = await openSink(system, { overlap: 'ordered' });
    const writes = ['a', 'b', 'c'].map((key) => sink.write(batchOf('p', key), noSignal()));
    await system.clock.settle(Promise.all(writes));
    expect(storedKeys(system)).toEqual(['a', 'b', 'c']);
  });

  it('fail with an earlier one of their partition where the sink is ordered, and only those', async () => {
    system.faults.next('sink.write', fail('not_connected', 20));
    const sink = await openSink(system, { overlap: 'ordered' });
    const outcomes = Promise.allSettled([
      sink.write(batchOf('p', 'p1'), noSignal()),
      sink.write(batchOf('p', 'p2'), noSignal()),
      sink.write(batchOf('q', 'q1'), noSignal()),
    ]);
    expect(await system.clock.settle(outcomes)).toMatchObject([
      { status: 'rejected', reason: { code: 'not_connected' } },
      { status: 'rejected', reason: { code: 'conflict' } },
      { status: 'fulfilled' },
    ]);
    expect(storedKeys(system)).toEqual(['q1']);
  });

  it('fail with an earlier one although their own failure came first', async () => {
    system.faults.next('sink.write', delay(20), fail('timeout', 10));
    const sink = await openSink(system, { overlap: 'ordered' });
    const outcomes = ['a', 'b', 'c'].map((key) => sink.write(batchOf('p', key), noSignal()));
    await system.clock.settle(Promise.allSettled(outcomes));
    expect(storedKeys(system)).toEqual(['a']);
  });
});

describe('a sink with flush', () => {
  it('stores at the flush what was written', async () => {
    const sink = await openSink(system, { flush: true });
    await sink.write(batchOf('p', 'a'), noSignal());
    expect(storedKeys(system)).toEqual([]);
    await sink.flush?.({}, noSignal());
    expect(storedKeys(system)).toEqual(['a']);
  });

  it.each([
    ['lost', []],
    ['stored', ['a']],
  ] as const)('has %s what was not flushed when it is closed, crashes or fails to flush', async (unflushed, left) => {
    const ends = [
      async (): Promise<void> => {
        const sink = await openSink(system, { flush: true, unflushed });
        await sink.write(batchOf('p', 'a'), noSignal());
        await sink.close();
      },
      async (): Promise<void> => {
        const instance = system.instance('a');
        await (await openSink(system, { flush: true, unflushed }, instance)).write(batchOf('p', 'a'), noSignal());
        instance.crash();
      },
      async (): Promise<void> => {
        const sink = await openSink(system, { flush: true, unflushed });
        await sink.write(batchOf('p', 'a'), noSignal());
        system.faults.next('sink.flush', fail('timeout'));
        await expectCode(sink.flush?.({}, noSignal()) ?? Promise.resolve(), 'timeout');
        await sink.flush?.({}, noSignal());
      },
    ];
    for (const end of ends) {
      system = memorySystem();
      await end();
      expect(storedKeys(system)).toEqual(left);
    }
  });
});

describe('breaches by the engine that a sink catches', () => {
  it('overlapping writes where overlap is none', async () => {
    system.faults.next('sink.write', delay(10));
    const sink = await openSink(system);
    const first = sink.write(batchOf('p', 'a'), noSignal());
    await expectViolation(system, () => sink.write(batchOf('q', 'b'), noSignal()), 'which overlap none forbids');
    await system.clock.settle(first);
  });

  it('overlapping writes of one partition where overlap is partitions', async () => {
    system.faults.next('sink.write', delay(10));
    const sink = await openSink(system, { overlap: 'partitions' });
    const first = sink.write(batchOf('p', 'a'), noSignal());
    await expectViolation(system, () => sink.write(batchOf('p', 'b'), noSignal()), 'which overlap partitions forbids');
    await system.clock.settle(first);
  });

  it('more writes under way than it said', async () => {
    system.faults.next('sink.write', delay(10));
    const sink = await openSink(system, { overlap: 'ordered', preferred: { maxInFlight: 1 } });
    const first = sink.write(batchOf('p', 'a'), noSignal());
    await expectViolation(system, () => sink.write(batchOf('p', 'b'), noSignal()), 'while others are under way');
    await system.clock.settle(first);
  });

  it('a flush while a write is under way, and a write while a flush is', async () => {
    system.faults.next('sink.write', delay(10));
    system.faults.next('sink.flush', delay(10));
    const sink = await openSink(system, { flush: true });
    const write = sink.write(batchOf('p', 'a'), noSignal());
    await expectViolation(system, () => sink.flush?.({}, noSignal()), 'while a write is under way');
    await system.clock.settle(write);
    const flush = sink.flush?.({}, noSignal()) ?? Promise.resolve();
    await expectViolation(system, () => sink.write(batchOf('p', 'b'), noSignal()), 'while a flush is under way');
    await expectViolation(system, () => sink.flush?.({}, noSignal()), 'while another flush is under way');
    await system.clock.settle(flush);
  });

  it('a write or flush of an atomic sink without a claim before it', async () => {
    const sink = await openSink(system, { atomic: true });
    await expectViolation(system, () => sink.write(batchOf('p', 'a'), noSignal()), 'without a claim');
    await expectViolation(system, () => sink.write(batchOf('', 'a'), noSignal()), 'without a claim');
    await expectViolation(system, () => sink.flush?.(checkpointAt('p', 1), noSignal()), 'without a claim');
  });

  it('an atomic flush that is repeated without a claim', async () => {
    const sink = await openSink(system, { atomic: true });
    await sink.claim?.(['p']);
    system.faults.next('sink.flush', fail('timeout'));
    await expectCode(sink.flush?.(checkpointAt('p', 1), noSignal()) ?? Promise.resolve(), 'timeout');
    await expectViolation(system, () => sink.flush?.(checkpointAt('p', 1), noSignal()), 'without a claim');
  });

  it('a claim while a write is under way', async () => {
    const sink = await openSink(system, { atomic: true });
    await sink.claim?.(['p']);
    system.faults.next('sink.write', delay(10));
    const write = sink.write(batchOf('p', 'a'), noSignal());
    await expectViolation(system, () => sink.claim?.(['p']), 'claim in out while a write or flush is under way');
    await system.clock.settle(write);
  });

  it('slices that do not cover the batch', async () => {
    const sink = await openSink(system);
    const { messages } = batchOf('p', 'a', 'b');
    const slice = (from: number, to: number): BatchSlice => ({ partition: 'p', from, to, position: undefined });
    for (const slices of [[], [slice(0, 1)], [slice(1, 2)]]) {
      await expectViolation(system, () => sink.write({ messages, slices }, noSignal()), 'do not cover it');
    }
  });

  it('a write above its limits, of which one large message is none', async () => {
    const sink = await openSink(system, { limits: { maxMessages: 2, maxBytes: 3 } });
    await expectViolation(system, () => sink.write(batchOf('p', 'a', 'b', 'c'), noSignal()), 'above the limit of 2');
    await expectViolation(system, () => sink.write(batchOf('p', 'aa', 'bb'), noSignal()), 'above the limit of 3');
    await sink.write(batchOf('p', 'large'), noSignal());
  });

  it('a decoded payload where it takes bytes', async () => {
    const sink = await openSink(system, { payload: 'bytes' });
    await expectViolation(system, () => sink.write(batchOf('p', 'a'), noSignal()), 'is not bytes');
  });

  it('anything after close', async () => {
    const sink = await openSink(system, { atomic: true });
    await sink.claim?.(['p']);
    await sink.close();
    await sink.close();
    await expectViolation(system, () => sink.write(batchOf('p', 'a'), noSignal()), 'write of out after close');
    await expectViolation(system, () => sink.flush?.(checkpointAt('p', 1), noSignal()), 'flush of out after close');
    await expectViolation(system, () => sink.claim?.(['p']), 'claim of out after close');
  });
});
