import { startKafka, uniqueName } from '@sluice/testkit';
import { expect, test } from 'vitest';
import { openKafkaSource } from '../src/source.js';
import { sourceConfig } from '../src/source-config.js';
import { context, eventually, quick, readOptions, texts, until, useSourceWorld } from './source-world.js';

const world = useSourceWorld(startKafka);

test('goes on after a short cut without losing or repeating a message', async () => {
  const topic = await world.createTopic(2);
  const groupId = uniqueName('group');
  const reader = await world.follow({ topics: [topic], groupId });
  await world.produce(topic, texts(0, 50));
  await until(() => reader.texts.length === 50);
  await world.server.proxy.cut();
  await world.produce(topic, texts(50, 100));
  await world.server.proxy.restore();
  await until(() => reader.texts.length === 100);
  expect(reader.texts).toEqual(texts(0, 100));
  expect(reader.readErrors.size).toBe(0);
  expect(reader.sets).toHaveLength(1);
  await reader.close();
});

test('goes on after the broker was restarted', async () => {
  const topic = await world.createTopic();
  const reader = await world.follow({
    topics: [topic],
    groupId: uniqueName('group'),
    requestTimeoutMs: 30_000,
    sessionTimeoutMs: 30_000,
  });
  await world.produce(topic, texts(0, 5));
  await until(() => reader.texts.length === 5);
  await world.server.restart();
  await eventually(() => world.produce(topic, texts(5, 10)));
  await until(() => new Set(reader.texts).size === 10, 30_000);
  expect(reader.texts.filter((text) => Number(text) >= 5)).toEqual(texts(5, 10));
  await reader.close();
});

test('a member that the group has put out reads again what it has not committed', async () => {
  const topic = await world.createTopic();
  const groupId = uniqueName('group');
  const config = { topics: [topic], groupId, sessionTimeoutMs: 1000, heartbeatIntervalMs: 400 };
  const reader = await world.follow(config, { commits: false });
  await world.produce(topic, texts(0, 3));
  await until(() => reader.texts.length === 3);
  // What hangs is only heard of again when the network is back: the member does not know that it is out.
  await world.server.proxy.cut('hang');
  await until(async () => {
    const { groups } = await world.admin.describeGroups([groupId]);
    return groups[0]?.members.length === 0;
  });
  await world.server.proxy.restore();
  await until(() => reader.texts.length === 6, 20_000);
  expect(reader.error).toBeUndefined();
  expect(reader.texts).toEqual([...texts(0, 3), ...texts(0, 3)]);
  await reader.close();
});

test('fails when the broker stays out of reach longer than requestTimeoutMs', async () => {
  const topic = await world.createTopic();
  const reader = await world.follow({ topics: [topic], requestTimeoutMs: 500, connectTimeoutMs: 300 });
  await until(() => reader.held.length === 1);
  await world.server.proxy.cut();
  await until(() => reader.readErrors.size === 1);
  await world.server.proxy.restore();
  expect([...reader.readErrors.values()][0]).toMatchObject({ name: expect.stringMatching(/^KafkaJSConnection/) });
  await reader.close();
});

test('a pending read ends within a second of its abort, and a close leaves no connection', async () => {
  const topic = await world.createTopic();
  const source = await world.open({ topics: [topic], maxWaitMs: 10_000, groupId: uniqueName('group') });
  const before = world.server.proxy.connections;
  const sets = source.partitions?.(new AbortController().signal)[Symbol.asyncIterator]();
  await sets?.next();
  const abort = new AbortController();
  const pending = source
    .read(`${topic}-0`, undefined, readOptions({ signal: abort.signal }))
    [Symbol.asyncIterator]()
    .next();
  await until(() => world.server.proxy.connections > before);
  const began = performance.now();
  abort.abort();
  expect(await pending).toMatchObject({ done: true });
  expect(performance.now() - began).toBeLessThan(1000);
  const open = world.server.proxy.connections;
  await source.close();
  await source.close();
  await until(() => world.server.proxy.connections < open);
  expect(performance.now() - began).toBeLessThan(2500);
});

test('tells within the time limit that nobody listens, or that nobody answers', async () => {
  const config = { topics: ['any'], ...quick, connectTimeoutMs: 500 };
  const closed = openKafkaSource(sourceConfig.parse({ ...config, brokers: ['127.0.0.1:1'] }), {}, context());
  await expect(closed).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await world.server.proxy.cut('hang');
  const began = performance.now();
  const hanging = openKafkaSource(sourceConfig.parse({ ...config, brokers: world.server.brokers }), {}, context());
  await expect(hanging).rejects.toMatchObject({ name: 'KafkaJSConnectionError' });
  expect(performance.now() - began).toBeLessThan(1500);
  const abort = new AbortController();
  const aborted = openKafkaSource(
    sourceConfig.parse({ ...config, brokers: world.server.brokers, connectTimeoutMs: 60_000 }),
    {},
    context(abort.signal),
  );
  const abortedAt = performance.now();
  abort.abort();
  await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
  expect(performance.now() - abortedAt).toBeLessThan(1000);
  await world.server.proxy.restore();
});
