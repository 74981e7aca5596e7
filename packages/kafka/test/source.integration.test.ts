import { setTimeout as pause } from 'node:timers/promises';
import { startKafka, uniqueName } from '@sluice/testkit';
import { CompressionTypes } from 'kafkajs';
import { expect, test } from 'vitest';
import { eventually, nextOf, readOptions, take, textOf, texts, until, useSourceWorld } from './source-world.js';

const world = useSourceWorld(startKafka);

test('reads every message once and in order per partition', async () => {
  const topic = await world.createTopic(3);
  for (const partition of [0, 1, 2])
    await world.produce(topic, texts(partition * 100, partition * 100 + 100), partition);
  const reader = await world.follow({ topics: [topic], bounded: true });
  await until(() => reader.ended);
  expect(reader.readErrors).toEqual(new Map());
  for (const partition of [0, 1, 2]) {
    const own = reader.texts.filter((text) => Math.floor(Number(text) / 100) === partition);
    expect(own).toEqual(texts(partition * 100, partition * 100 + 100));
  }
  await reader.close();
});

test('gives key, payload, headers with repeats in their order, and time as they were stored', async () => {
  const topic = await world.createTopic();
  const allBytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  await world.producer.send({
    topic,
    messages: [
      { key: allBytes, value: allBytes, timestamp: '1700000000123', headers: { a: ['1', '2'], b: allBytes } },
      { key: 'k', value: null },
      { key: null, value: '' },
    ],
  });
  const source = await world.open({ topics: [topic] });
  const [batch] = await take(source, `${topic}-0`, 3);
  const [first, tombstone, empty] = batch?.messages ?? [];
  expect(first).toMatchObject({ topic, key: allBytes, payload: allBytes, timestamp: 1700000000123 });
  expect(first?.headers).toEqual([
    ['a', Buffer.from('1')],
    ['a', Buffer.from('2')],
    ['b', allBytes],
  ]);
  expect(tombstone).toMatchObject({ key: Buffer.from('k'), payload: null, headers: [] });
  expect(empty).toMatchObject({ key: null, payload: Buffer.alloc(0) });
  await source.close();
});

test.for([
  ['none', CompressionTypes.None],
  ['gzip', CompressionTypes.GZIP],
  ['snappy', CompressionTypes.Snappy],
  ['lz4', CompressionTypes.LZ4],
  ['zstd', CompressionTypes.ZSTD],
] as const)('reads what was compressed with %s', async ([, compression]) => {
  const topic = await world.createTopic();
  const source = await world.open({ topics: [topic] });
  const payloads = texts(0, 500).map((text) => text.repeat(50));
  await world.producer.send({ topic, compression, messages: payloads.map((value) => ({ value })) });
  const batches = await take(source, `${topic}-0`, 500);
  expect(batches.flatMap(({ messages }) => messages.map(textOf))).toEqual(payloads);
  await source.close();
});

test('resumes at every position of a batch', async () => {
  const topic = await world.createTopic();
  await world.produce(topic, texts(0, 20));
  const source = await world.open({ topics: [topic], bounded: true });
  const [batch] = await take(source, `${topic}-0`, 20);
  for (const index of [0, 7, 18]) {
    const position = batch?.positionAt?.(index);
    const rest = await take(source, `${topic}-0`, 19 - index, position === undefined ? {} : { position });
    expect(rest.flatMap(({ messages }) => messages.map(textOf))).toEqual(texts(index + 1, 20));
  }
  await source.close();
});

test('starts at the earliest, a time, or an offset', async () => {
  const topic = await world.createTopic();
  for (const [timestamp, value] of [
    ['1700000000000', 'old'],
    ['1700000005000', 'newer'],
  ] as const) {
    await world.producer.send({ topic, messages: [{ value, timestamp }] });
  }
  for (const [start, expected] of [
    ['earliest', 'old'],
    [{ timestamp: 1700000001000 }, 'newer'],
    [{ timestamp: '2023-11-14T22:13:20Z' }, 'old'],
    [{ offset: 1 }, 'newer'],
  ] as const) {
    const source = await world.open({ topics: [topic], start });
    const batches = await take(source, `${topic}-0`, 1);
    expect(batches.flatMap(({ messages }) => messages.map(textOf))[0]).toBe(expected);
    await source.close();
  }
});

test.for(['latest', { timestamp: '2100-01-01T00:00:00Z' }] as const)(
  'starts behind what is there with %o',
  async (start) => {
    const topic = await world.createTopic();
    await world.produce(topic, ['before']);
    const source = await world.open({ topics: [topic], start });
    const batches = source.read(`${topic}-0`, undefined, readOptions())[Symbol.asyncIterator]();
    // A restart before the first message has to begin here, and not behind what has come meanwhile.
    expect(await nextOf(batches)).toMatchObject({ messages: [], position: 1 });
    const next = nextOf(batches);
    const producing = setInterval(() => void world.produce(topic, ['after']), 100);
    expect((await next).messages.map(textOf)[0]).toBe('after');
    clearInterval(producing);
    await source.close();
  },
);

test('reads chosen partitions from chosen offsets, and no others', async () => {
  const topic = await world.createTopic(3);
  for (const partition of [0, 1, 2]) await world.produce(topic, texts(partition * 10, partition * 10 + 5), partition);
  const reader = await world.follow({
    partitions: [
      { topic, partition: 2, offset: 3 },
      { topic, partition: 0 },
    ],
    bounded: true,
  });
  await until(() => reader.ended);
  expect(reader.texts.toSorted((a, b) => Number(a) - Number(b))).toEqual([...texts(0, 5), ...texts(23, 25)]);
  await reader.close();
  const wrong = world.open({ partitions: [{ topic, partition: 9 }] });
  await expect(wrong).rejects.toMatchObject({ code: 'not_found', message: expect.stringContaining('no partition 9') });
});

test('finds new partitions, and reads them from their beginning also when it started at the latest', async () => {
  const topic = await world.createTopic(1);
  await world.produce(topic, ['before']);
  const reader = await world.follow({ topics: [topic], start: 'latest' });
  await until(() => reader.held.length === 1);
  // It cannot look before there is a message.
  await world.server.proxy.cut();
  await world.admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
  await eventually(() => world.produce(topic, ['new'], 2));
  await world.server.proxy.restore();
  await until(() => reader.texts.length === 1);
  expect(reader.texts).toEqual(['new']);
  expect(reader.held).toEqual([`${topic}-0`, `${topic}-1`, `${topic}-2`]);
  await reader.close();
});

test('finds new topics of a pattern, and none whose name only contains it', async () => {
  const prefix = uniqueName('pattern');
  await world.admin.createTopics({
    topics: [{ topic: `${prefix}-a` }, { topic: `not-${prefix}-a` }],
    waitForLeaders: true,
  });
  const reader = await world.follow({ topicPattern: `${prefix}-.`, groupId: uniqueName('group') });
  await until(() => reader.held.length === 1);
  await world.admin.createTopics({ topics: [{ topic: `${prefix}-b` }], waitForLeaders: true });
  await eventually(() => world.produce(`${prefix}-b`, ['found']));
  await until(() => reader.texts.includes('found'));
  expect(reader.held).toEqual([`${prefix}-a-0`, `${prefix}-b-0`]);
  await reader.close();
});

test('tells how much is waiting behind a batch', async () => {
  const topic = await world.createTopic();
  await world.produce(topic, texts(0, 10));
  const source = await world.open({ topics: [topic] });
  const [whole] = await take(source, `${topic}-0`, 10);
  expect(whole?.lag).toBe(0);
  for (const batch of texts(10, 13)) await world.produce(topic, [batch]);
  const [part] = await take(source, `${topic}-0`, 1, { position: 10, maxMessages: 1 });
  expect(part?.messages).toHaveLength(1);
  expect(part?.lag).toBe(2);
  await source.close();
});

test('holds no more than one answer of a partition while nobody pulls, and goes on with the others', async () => {
  const topic = await world.createTopic(2);
  const value = Buffer.alloc(100 * 1024);
  for (let sent = 0; sent < 5; sent++) {
    await world.producer.send({ topic, messages: Array.from({ length: 8 }, () => ({ value, partition: 0 })) });
  }
  const source = await world.open({ topics: [topic] });
  const options = readOptions({ maxBytes: 512 * 1024 });
  const before = world.server.proxy.traffic.toClient;
  const stopped = source.read(`${topic}-0`, undefined, options)[Symbol.asyncIterator]();
  await nextOf(stopped);
  const other = source.read(`${topic}-1`, undefined, options)[Symbol.asyncIterator]();
  for (const text of texts(0, 30)) {
    await world.produce(topic, [text], 1);
    expect((await nextOf(other)).messages.map(textOf)).toEqual([text]);
  }
  // One answer was taken, and one waits; each may be one stored batch of 800 KiB.
  expect(world.server.proxy.traffic.toClient - before).toBeLessThan(2 * 1024 * 1024);
  await source.close();
});

test('a partition that waits for messages does not hold up the others', async () => {
  const topic = await world.createTopic(2);
  const value = 'x'.repeat(1000);
  for (let sent = 0; sent < 20; sent++) await world.produce(topic, [value]);
  const source = await world.open({ topics: [topic], maxWaitMs: 10_000 });
  const options = readOptions({ maxBytes: 1100 });
  const busy = source.read(`${topic}-0`, undefined, options)[Symbol.asyncIterator]();
  await nextOf(busy);
  const pending = nextOf(source.read(`${topic}-1`, undefined, options)[Symbol.asyncIterator]());
  for (let read = 1; read < 20; read++) {
    expect((await nextOf(busy)).messages).toHaveLength(1);
    await pause(20); // the work of a slow consumer, during which the broker is asked for the other partition alone
  }
  await world.produce(topic, ['at last'], 1);
  expect((await pending).messages.map(textOf)).toEqual(['at last']);
  await source.close();
});

test('refuses a position that the broker has discarded, and one that is beyond the end', async () => {
  const topic = await world.createTopic();
  await world.produce(topic, texts(0, 10));
  await world.discard(topic, 5);
  const source = await world.open({ topics: [topic] });
  await expect(take(source, `${topic}-0`, 1, { position: 2 })).rejects.toMatchObject({ type: 'OFFSET_OUT_OF_RANGE' });
  await expect(take(source, `${topic}-0`, 1, { position: 99 })).rejects.toMatchObject({ type: 'OFFSET_OUT_OF_RANGE' });
  await expect(take(source, `${topic}-0`, 1, { position: 'x' })).rejects.toMatchObject({ code: 'position_lost' });
  const [rest] = await take(source, `${topic}-0`, 5, { start: 'earliest' });
  expect(rest?.messages.map(textOf)).toEqual(texts(5, 10));
  await source.close();
});

test('names a topic that does not exist', async () => {
  const missing = world.open({ topics: ['no-such-topic'] });
  await expect(missing).rejects.toMatchObject({ type: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 'no-such-topic' });
});

test('carries the id of the cluster as its identity', async () => {
  const { clusterId } = await world.admin.describeCluster();
  const source = await world.open({ topics: [await world.createTopic()] });
  expect(source.identity).toBe(clusterId);
  await source.close();
});
