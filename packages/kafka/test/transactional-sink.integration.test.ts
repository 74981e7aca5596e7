import type { Checkpoint, StoredPosition } from '@sluice/core/driver';
import { breakKafka, startKafka, uniqueName } from '@sluice/testkit';
import { describe, expect, it } from 'vitest';
import { readTopic } from './read-topic.js';
import { batchOf, bytes, classified, failuresOf, never, useSinkWorld } from './sink-world.js';

const world = useSinkWorld(startKafka);

const position = (value: number): StoredPosition => ({ connector: 'test', version: 1, identity: 'x', position: value });
const at = (partition: string, value: number): Checkpoint => ({ [partition]: position(value) });
const write = (values: readonly string[], partition = 's:0') =>
  batchOf(
    values.map((value) => ({ key: value, payload: bytes(value) })),
    partition,
  );

async function stored(topic: string): Promise<string[]> {
  return (await readTopic(world.server, topic)).flat().map(({ value }) => String(value));
}

async function codeOf(action: Promise<unknown> | undefined): Promise<string> {
  try {
    await action;
    return 'none';
  } catch (error) {
    return classified(error).code;
  }
}

describe('a transactional sink', () => {
  it('shows messages with their flush, and tells the position of that flush', async () => {
    const topic = await world.createTopic();
    const pipeline = uniqueName('pipeline');
    const sink = await world.openSink({ topic, transactional: true }, pipeline);
    expect(await sink.claim?.(['s:0'])).toEqual({});
    await sink.write(write(['a', 'b']), never);
    await sink.flush?.(at('s:0', 2), never);
    expect(await stored(topic)).toEqual(['a', 'b']);
    await sink.flush?.(at('s:0', 3), never); // only filtered messages
    await sink.close();
    const next = await world.openSink({ topic, transactional: true }, pipeline);
    expect(await next.claim?.(['s:0', 's:1'])).toEqual(at('s:0', 3));
  });

  it('forgets what was not flushed at the next claim', async () => {
    const topic = await world.createTopic();
    const sink = await world.openSink({ topic, transactional: true });
    await sink.claim?.(['s:0', 's:1']);
    // In this order, because kafkajs reads aborted messages when transactions are aborted in another order than they began.
    await sink.write(write(['b'], 's:1'), never);
    await sink.write(write(['a']), never);
    expect(await sink.claim?.(['s:0'])).toEqual({});
    await sink.write(write(['c']), never);
    await sink.flush?.(at('s:0', 1), never);
    expect(await stored(topic)).toEqual(['c']);
  });

  it('is fenced by a newer instance, of the partitions that this one claims', async () => {
    const topic = await world.createTopic();
    const pipeline = uniqueName('pipeline');
    const older = await world.openSink({ topic, transactional: true }, pipeline);
    await older.claim?.(['s:0', 's:1']);
    await older.write(write(['a0']), never);
    await older.write(write(['a1'], 's:1'), never);
    const newer = await world.openSink({ topic, transactional: true }, pipeline);
    expect(await newer.claim?.(['s:1'])).toEqual({});
    expect(await codeOf(older.flush?.({ ...at('s:0', 1), ...at('s:1', 1) }, never))).toBe('fenced');
    expect(await older.claim?.(['s:0'])).toEqual(at('s:0', 1)); // its own transaction was committed
    await newer.write(write(['b1'], 's:1'), never);
    await newer.flush?.(at('s:1', 1), never);
    await older.write(write(['c0']), never);
    await older.flush?.(at('s:0', 2), never);
    expect((await stored(topic)).toSorted()).toEqual(['a0', 'b1', 'c0']);
    expect(await codeOf(newer.claim?.(['s:0']))).toBe('none');
    expect(await codeOf(older.write(write(['d0']), never))).toBe('fenced');
  });

  it.each(['lose-answer', 'lose-request'] as const)(
    'says at the next claim what became of a commit when %s',
    async (fault) => {
      const topic = await world.createTopic();
      const sink = await world.openSink({ topic, transactional: true });
      await sink.claim?.(['s:0']);
      await sink.write(write(['a']), never);
      using broken = breakKafka(world.server.proxy, { request: 'EndTxn', fault });
      expect(await codeOf(sink.flush?.(at('s:0', 1), never))).toBe('not_connected');
      expect(broken.struck).toBe(1);
      const happened = fault === 'lose-answer';
      expect(await sink.claim?.(['s:0'])).toEqual(happened ? at('s:0', 1) : {});
      expect(await stored(topic)).toEqual(happened ? ['a'] : []);
      await sink.write(write(['b']), never);
      await sink.flush?.(at('s:0', 2), never);
      expect(await stored(topic)).toEqual(happened ? ['a', 'b'] : ['b']);
    },
  );

  it('is not held up by an open transaction of another pipeline in the topic of checkpoints', async () => {
    const checkpointTopic = await world.createTopic(1, { 'cleanup.policy': 'compact' });
    const topic = await world.createTopic();
    const pipeline = uniqueName('pipeline');
    const sink = await world.openSink({ topic, transactional: true, checkpointTopic }, pipeline);
    await sink.claim?.(['s:0']);
    const producer = world.server.native.producer({ transactionalId: uniqueName('other'), transactionTimeout: 60_000 });
    await producer.connect();
    const open = await producer.transaction();
    await open.send({ topic: checkpointTopic, messages: [{ key: 'other', value: 'x' }] });
    await sink.write(write(['a']), never);
    await sink.flush?.(at('s:0', 1), never);
    await sink.write(write(['b']), never);
    const again = await world.openSink({ topic, transactional: true, checkpointTopic }, pipeline);
    const started = performance.now();
    expect(await again.claim?.(['s:0'])).toEqual(at('s:0', 1));
    expect(performance.now() - started).toBeLessThan(5000);
    await again.flush?.(at('s:0', 7), never);
    await open.abort();
    await producer.disconnect();
    expect(await again.claim?.(['s:0'])).toEqual(at('s:0', 7));
  });

  it('names a refused message when nothing of the write is stored', async () => {
    const topic = await world.createTopic(1, { 'max.message.bytes': '20000' });
    const sink = await world.openSink({ topic, transactional: true });
    await sink.claim?.(['s:0']);
    const refused = write(['a', 'x'.repeat(30_000), 'b']);
    const named = async (): Promise<unknown> =>
      (await failuresOf(sink.write(refused, never))).map(([index, code]) => [index, code]);
    expect(await named(), 'before anything is taken over').toEqual([[1, 'message_too_large']]);
    await sink.write(write(['a', 'b']), never);
    await sink.flush?.(at('s:0', 3), never);

    await sink.write(write(['c']), never);
    expect(await codeOf(sink.write(refused, never)), 'behind what is taken over').toBe('conflict');
    expect(await sink.claim?.(['s:0'])).toEqual(at('s:0', 3));
    expect(await named(), 'after the transaction was given up').toEqual([[1, 'message_too_large']]);
    await sink.write(write(['c']), never);
    await sink.flush?.(at('s:0', 4), never);
    expect(await stored(topic)).toEqual(['a', 'b', 'c']);
  });

  it('reports a transaction that took too long as a conflict, not as a fence', async () => {
    const topic = await world.createTopic();
    const sink = await world.openSink({ topic, transactional: true, transactionTimeoutMs: 1000 });
    await sink.claim?.(['s:0']);
    await sink.write(write(['a']), never);
    const before = performance.now();
    let code = 'none';
    let count = 0;
    while (code === 'none' && performance.now() - before < 20_000)
      code = await codeOf(sink.write(write([`b${count++}`]), never));
    expect(code).toBe('conflict');
    await sink.claim?.(['s:0']);
    await sink.write(write(['c']), never);
    await sink.flush?.(at('s:0', 1), never);
    expect(await stored(topic)).toEqual(['c']);
  });

  it('writes without a claimed partition, for dead letters and for use without a pipeline', async () => {
    const topic = await world.createTopic();
    const sink = await world.openSink({ topic, transactional: true });
    await sink.claim?.([]);
    await Promise.all([sink.write(write(['a'], ''), never), sink.write(write(['b'], ''), never)]);
    await sink.flush?.({}, never);
    await sink.write(write(['c'], ''), never);
    await sink.claim?.([]);
    await sink.flush?.({}, never);
    expect(await stored(topic)).toEqual(['a', 'b']);
  });
});
