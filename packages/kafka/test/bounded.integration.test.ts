import { startKafka, uniqueName } from '@sluice/testkit';
import { expect, test } from 'vitest';
import { readOptions, texts, until, useSourceWorld } from './source-world.js';

const world = useSourceWorld(startKafka);

/** Writes one transaction, and ends it or leaves it open. */
async function transact(
  topic: string,
  values: readonly string[],
  end: 'commit' | 'abort' | 'leave open',
): Promise<() => Promise<void>> {
  const producer = world.server.native.producer({
    transactionalId: uniqueName('transaction'),
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: values.map((value) => ({ value })) });
  if (end === 'commit') await transaction.commit();
  if (end === 'abort') await transaction.abort();
  return async () => {
    if (end === 'leave open') await transaction.abort();
    await producer.disconnect();
  };
}

test('ends at the messages that were there when it opened', async () => {
  const topic = await world.createTopic();
  await world.produce(topic, texts(0, 5));
  const source = await world.open({ topics: [topic], bounded: true });
  await world.produce(topic, texts(5, 10));
  const reader = await world.follow({ topics: [topic], bounded: true });
  await until(() => reader.ended);
  expect(reader.texts).toEqual(texts(0, 10));
  const early: unknown[] = [];
  for await (const { messages } of source.read(`${topic}-0`, undefined, readOptions())) early.push(...messages);
  expect(early).toHaveLength(5);
  await Promise.all([source.close(), reader.close()]);
});

test('ends in an empty topic, and where everything was deleted', async () => {
  const [empty, deleted] = await Promise.all([world.createTopic(), world.createTopic()]);
  await world.produce(deleted, texts(0, 5));
  await world.discard(deleted, -1);
  const reader = await world.follow({ topics: [empty, deleted], bounded: true });
  await until(() => reader.ended);
  expect(reader.texts).toEqual([]);
  await reader.close();
});

test('ends behind aborted messages and control records, with a position that covers them', async () => {
  const topic = await world.createTopic();
  await transact(topic, ['kept'], 'commit').then((close) => close());
  await transact(topic, ['aborted', 'too'], 'abort').then((close) => close());
  const source = await world.open({ topics: [topic], bounded: true });
  const read: unknown[] = [];
  let position: unknown;
  for await (const batch of source.read(`${topic}-0`, undefined, readOptions())) {
    read.push(...batch.messages);
    position = batch.position;
  }
  expect(read).toHaveLength(1);
  const [offsets] = await world.admin.fetchTopicOffsets(topic);
  expect(position).toBe(Number(offsets?.high));
  await source.close();
});

test('moves the position with an empty batch when all that is left is hidden', async () => {
  const topic = await world.createTopic();
  await transact(topic, texts(0, 3), 'abort').then((close) => close());
  const source = await world.open({ topics: [topic], bounded: true });
  const batches: unknown[] = [];
  for await (const { messages, position } of source.read(`${topic}-0`, undefined, readOptions())) {
    batches.push([messages.length, position]);
  }
  expect(batches).toEqual([[0, 4]]);
  await source.close();
});

test('reads aborted messages when it is to read uncommitted ones', async () => {
  const topic = await world.createTopic();
  await transact(topic, ['aborted'], 'abort').then((close) => close());
  const reader = await world.follow({ topics: [topic], bounded: true, isolation: 'read_uncommitted' });
  await until(() => reader.ended);
  expect(reader.texts).toEqual(['aborted']);
  await reader.close();
});

test('ends before a transaction that is open', async () => {
  const topic = await world.createTopic();
  await world.produce(topic, ['before']);
  const close = await transact(topic, ['open'], 'leave open');
  await world.produce(topic, ['after']);
  const reader = await world.follow({ topics: [topic], bounded: true });
  await until(() => reader.ended);
  expect(reader.texts).toEqual(['before']);
  await close();
  await reader.close();
});

test('keeps the messages of a producer before and after its aborted transaction', async () => {
  const topic = await world.createTopic();
  const producer = world.server.native.producer({
    transactionalId: uniqueName('transaction'),
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  for (const [value, kept] of [
    ['first', true],
    ['second', false],
    ['third', true],
  ] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value }] });
    await (kept ? transaction.commit() : transaction.abort());
  }
  await producer.disconnect();
  const reader = await world.follow({ topics: [topic], bounded: true });
  await until(() => reader.ended);
  expect(reader.texts).toEqual(['first', 'third']);
  await reader.close();
});
