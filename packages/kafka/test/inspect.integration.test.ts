import { startKafka, uniqueName } from '@sluice/testkit';
import { expect, test } from 'vitest';
import { kafka } from '../src/connector.js';
import { type KafkaSourceConfig, sourceConfig } from '../src/source-config.js';
import { texts, until, useSourceWorld } from './source-world.js';

const world = useSourceWorld(startKafka);

const signal: AbortSignal = new AbortController().signal;

function settings(config: Omit<KafkaSourceConfig, 'brokers'>): ReturnType<typeof sourceConfig.parse> {
  return sourceConfig.parse({ brokers: world.server.brokers, ...config });
}

test('discovers topics with their partitions and sizes', async () => {
  const topic = await world.createTopic(3);
  await world.produce(topic, texts(0, 7), 1);
  const found = await kafka.source({ brokers: world.server.brokers, topics: ['any'] }).discover();
  expect(found.find(({ name }) => name === topic)?.details).toEqual({ partitions: 3, messagesAtMost: 7 });
  expect(found.some(({ name }) => name.startsWith('__'))).toBe(false);
});

test('a check tells an unreachable broker and a missing topic apart', async () => {
  const { check } = kafka.descriptor.source ?? {};
  if (check === undefined) throw new Error('there is no check');
  await check(settings({ topics: [await world.createTopic()], groupId: uniqueName('group') }), {}, signal);
  await expect(kafka.source({ brokers: world.server.brokers, topics: ['missing'] }).check()).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('"missing"'),
  });
  await expect(kafka.source({ brokers: ['127.0.0.1:1'], topics: ['missing'] }).check()).rejects.toMatchObject({
    code: 'not_connected',
  });
  await expect(
    kafka.source({ brokers: world.server.brokers, topicPattern: 'nothing-.*' }).check(),
  ).rejects.toMatchObject({
    code: 'not_found',
  });
});

test('teardown lists the group, and removes it when asked', async () => {
  const teardown = kafka.descriptor.source?.teardown;
  if (teardown === undefined) throw new Error('there is no teardown');
  const topic = await world.createTopic();
  const groupId = uniqueName('group');
  const config = settings({ topics: [topic], groupId });
  const request = { pipeline: 'p', id: 'source', signal };
  expect(await teardown(config, {}, { ...request, remove: true })).toEqual([]);
  await world.produce(topic, texts(0, 1));
  const reader = await world.follow({ topics: [topic], groupId });
  await until(() => reader.texts.length === 1);
  await reader.close();
  expect(await teardown(config, {}, { ...request, remove: false })).toHaveLength(1);
  expect(await teardown(config, {}, { ...request, remove: true })).toHaveLength(1);
  const { groups } = await world.admin.listGroups();
  expect(groups.map((group) => group.groupId)).not.toContain(groupId);
});
