import { pipeline } from '@sluice/core';
import { startHalvedKafka, uniqueName } from '@sluice/testkit';
import { type Admin, ConfigResourceTypes } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kafka } from '../src/connector.js';
import { kafkaCheckpoints } from '../src/index.js';
import { readTopic } from './read-topic.js';
import { batchOf, bytes, classified, failuresOf, never, useSinkWorld } from './sink-world.js';
import { eventually } from './source-world.js';

const world = useSinkWorld(() =>
  startHalvedKafka({ settings: { 'auto.create.topics.enable': 'true', 'num.partitions': '3' } }),
);
let admin: Admin;

beforeAll(async () => {
  admin = world.server.native.admin();
  await admin.connect();
});

afterAll(async () => {
  await admin?.disconnect();
});

const stored = async (topic: string): Promise<string[]> =>
  (await readTopic(world.server, topic)).flat().map(({ value }) => String(value));

const codeAndText = (action: Promise<unknown>): Promise<{ readonly code: string; readonly message: string } | 'ok'> =>
  action.then(() => 'ok' as const, classified);

async function change(topic: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }];
  await admin.alterConfigs({ validateOnly: false, resources });
}

/** A topic with two replicas of which one is gone, so that nothing can be written as long as it demands both. */
async function createHalvedTopic(): Promise<string> {
  const topic = uniqueName('halved');
  const replicaAssignment = [{ partition: 0, replicas: [...world.server.replicas] }];
  const configEntries = [{ name: 'min.insync.replicas', value: '2' }];
  await admin.createTopics({ topics: [{ topic, replicaAssignment, configEntries }], waitForLeaders: false });
  return topic;
}

describe('a topic with fewer replicas in sync than it demands', () => {
  it('refuses every message of a write, and takes them when it has enough', async () => {
    const topic = await createHalvedTopic();
    const sink = await world.openSink({ topic });
    const batch = batchOf([{ payload: bytes('1') }, { payload: bytes('2') }]);
    const refused = 'resource_exhausted';
    const reason = expect.stringMatching(`"${topic}".* min\\.insync\\.replicas`);
    expect(await failuresOf(sink.write(batch, never))).toEqual([
      [0, refused, reason],
      [1, refused, reason],
    ]);
    await change(topic, { 'min.insync.replicas': '1' });
    await eventually(() => sink.write(batch, never));
    expect(await stored(topic)).toEqual(['1', '2']);
  });

  it.each([false, true])('makes a pipeline wait and loses nothing (transactional: %s)', async (transactional) => {
    const [from, to] = [await world.createTopic(), await createHalvedTopic()];
    const source = await world.openSink({ topic: from });
    const texts = Array.from({ length: 100 }, (_, index) => String(index));
    await source.write(batchOf(texts.map((text) => ({ payload: bytes(text) }))), never);
    const troubles: string[] = [];
    const { brokers } = world.server;
    await pipeline({
      name: uniqueName('pipeline'),
      source: kafka.source({ brokers, topics: [from], bounded: true, groupId: uniqueName('group') }),
      sink: kafka.sink({ brokers, topic: to, transactional }),
      retry: { initialDelayMs: 20, maxDelayMs: 100 },
      onEvent: (event) => {
        if (event.type !== 'degraded') return;
        if (troubles.push(event.error.code) === 1) void change(to, { 'min.insync.replicas': '1' });
      },
    }).run();
    expect(troubles[0]).toBe('resource_exhausted');
    expect(await stored(to)).toEqual(texts);
  });
});

describe('a cluster that creates topics when they are used', () => {
  it('is asked to do so only with autoCreateTopics', async () => {
    const topic = uniqueName('new');
    const off = { code: 'not_found', message: expect.stringContaining(`"${topic}"`) };
    expect(await codeAndText(world.openSink({ topic }))).toEqual(off);
    const { brokers } = world.server;
    const source = kafka.source({ brokers, topics: [topic], requestTimeoutMs: 1000 });
    expect(await codeAndText(source.check())).toEqual(off);
    expect(await admin.listTopics()).not.toContain(topic);
    const sink = await world.openSink({ topic, autoCreateTopics: true });
    await sink.write(batchOf([{ payload: bytes('1') }]), never);
    expect(await stored(topic)).toEqual(['1']);
  });

  it('makes the topics of templates, and without autoCreateTopics the error says which is missing', async () => {
    const [one, other] = [uniqueName('new'), uniqueName('new')];
    const batch = batchOf([
      { topic: one, payload: bytes('1') },
      { topic: other, payload: bytes('2') },
    ]);
    const careful = await world.openSink({ topic: '{topic}' });
    expect(await failuresOf(careful.write(batch, never))).toEqual([
      [0, 'not_found', expect.stringContaining(`"${one}"`)],
      [1, 'not_found', expect.stringContaining(`"${other}"`)],
    ]);
    expect(await admin.listTopics()).not.toContain(one);
    const sink = await world.openSink({ topic: '{topic}', autoCreateTopics: true });
    await sink.write(batch, never);
    expect([await stored(one), await stored(other)]).toEqual([['1'], ['2']]);
  });
});

describe('a topic of checkpoints that exists', () => {
  it.each(['delete', 'compact,delete'])('is refused when its clean-up policy is %s', async (policy) => {
    const [topic, checkpointTopic] = [
      await world.createTopic(),
      await world.createTopic(1, { 'cleanup.policy': policy }),
    ];
    const refused = {
      code: 'unsupported',
      message: expect.stringMatching(`"${checkpointTopic}" has cleanup\\.policy=${policy}.*compact`),
    };
    expect(await codeAndText(world.openSink({ topic, transactional: true, checkpointTopic }))).toEqual(refused);
    const store = kafkaCheckpoints({ brokers: world.server.brokers, topic: checkpointTopic });
    expect(await codeAndText(store.load('p'))).toEqual({ code: 'unsupported', message: expect.any(String) });
    expect(await codeAndText(store.claim('p'))).toEqual({ code: 'unsupported', message: expect.any(String) });
    await change(checkpointTopic, { 'cleanup.policy': 'compact' });
    await eventually(() => store.claim('p'));
    await store.close();
  });
});
