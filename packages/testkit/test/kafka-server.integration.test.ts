import { spawn } from 'node:child_process';
import { once } from 'node:events';
import kafkajs, { type Kafka } from 'kafkajs';
import type { ContainerRuntimeClient } from 'testcontainers';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { containerEngine, sweep } from '../src/container-engine.js';
import { ownerLabels } from '../src/container-owner.js';
import { breakKafka, createTopic, type KafkaServer, startKafka, uniqueName } from '../src/index.js';

let server: KafkaServer;
beforeAll(async () => {
  server = await startKafka();
});
afterEach(() => server.proxy.restore());
afterAll(() => server?.stop());

/** A client as a connector would have it: through the proxy, and without patience. */
function clientUnderTest(): Kafka {
  return new kafkajs.Kafka({
    brokers: server.brokers,
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 500,
    requestTimeout: 1000,
    enforceRequestTimeout: true,
    retry: { retries: 0 },
  });
}

/** How such a client says that it got none. */
const noAnswer = /connect|timed out/i;

async function write(kafka: Kafka, topic: string, value: string): Promise<void> {
  const producer = kafka.producer();
  try {
    await producer.connect();
    await producer.send({ topic, messages: [{ value }] });
  } finally {
    await producer.disconnect();
  }
}

async function expectContents(topic: string, values: string[]): Promise<void> {
  const consumer = server.native.consumer({ groupId: uniqueName('check'), maxWaitTimeInMs: 100 });
  const found: string[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => void found.push(String(message.value)) });
  await vi.waitFor(() => expect(found).toEqual(values), 10_000);
  await consumer.disconnect();
}

test('is one of your own where the environment names it, and that is never hurt', async () => {
  const topic = await createTopic(server);
  vi.stubEnv('SLUICE_TEST_KAFKA_URL', server.directBrokers.join(','));
  const own = await startKafka();
  vi.unstubAllEnvs();
  expect(own).toMatchObject({ brokers: server.directBrokers, directBrokers: server.directBrokers });
  await write(own.native, topic, 'through the own server');
  await expectContents(topic, ['through the own server']);
  await expect(own.kill()).rejects.toThrow('SLUICE_TEST_KAFKA_URL names one of your own');
  expect(() => own.proxy).toThrow('Unset it');
  await own.stop();
  await write(server.native, topic, 'it still runs');
  await expectContents(topic, ['through the own server', 'it still runs']);
});

test('what a client writes through the proxy, the native client reads past it', async () => {
  const topic = await createTopic(server);
  const before = server.proxy.traffic.toServer;
  await write(clientUnderTest(), topic, 'a');
  const after = server.proxy.traffic.toServer;
  expect(after).toBeGreaterThan(before);
  await expectContents(topic, ['a']);
  expect(server.proxy.traffic.toServer).toBe(after);
});

test('a topic has the name, the partitions and the settings that it was asked for', async () => {
  const name = uniqueName('payments');
  const topic = await createTopic(server, { name, partitions: 3, settings: { 'retention.ms': '4711' } });
  expect(topic).toBe(name);
  const admin = server.native.admin();
  await admin.connect();
  expect(await admin.fetchTopicOffsets(name)).toHaveLength(3);
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: ['retention.ms'] }],
  });
  expect(resources[0]?.configEntries[0]?.configValue).toBe('4711');
  expect(await createTopic(server, { name, partitions: 3 })).toBe(name);
  await admin.disconnect();
});

describe.each(['refuse', 'hang'] as const)('a cut that lets new connections %s', (mode) => {
  test('keeps the client under test from the broker and the native client at it, until it is restored', async () => {
    const topic = await createTopic(server);
    await server.proxy.cut(mode);
    await expect(write(clientUnderTest(), topic, 'a')).rejects.toThrow(noAnswer);
    await write(server.native, topic, 'b');
    await server.proxy.restore();
    await write(clientUnderTest(), topic, 'c');
    await expectContents(topic, ['b', 'c']);
  });
});

test('a paused broker answers nobody, and goes on when it is resumed', async () => {
  const topic = await createTopic(server);
  await server.pause();
  await expect(write(clientUnderTest(), topic, 'a')).rejects.toThrow(noAnswer);
  await server.resume();
  await write(clientUnderTest(), topic, 'b');
  await expectContents(topic, ['b']);
});

test('a restarted broker has the same addresses and the same messages', async () => {
  const topic = await createTopic(server);
  const addresses = [server.url, ...server.brokers, ...server.directBrokers];
  await write(clientUnderTest(), topic, 'a');
  await server.restart();
  expect([server.url, ...server.brokers, ...server.directBrokers]).toEqual(addresses);
  await write(clientUnderTest(), topic, 'b');
  await expectContents(topic, ['a', 'b']);
});

test('a killed broker is gone until it is restarted', async () => {
  const topic = await createTopic(server);
  await server.kill();
  await expect(write(clientUnderTest(), topic, 'a')).rejects.toThrow(noAnswer);
  await server.restart();
  await write(clientUnderTest(), topic, 'b');
  await expectContents(topic, ['b']);
});

describe('a request that a fault waits for', () => {
  test('has happened if its answer is lost', async () => {
    const topic = await createTopic(server);
    using fault = breakKafka(server.proxy, { request: 'Produce', fault: 'lose-answer' });
    await expect(write(clientUnderTest(), topic, 'a')).rejects.toThrow(noAnswer);
    expect(fault.struck).toBe(1);
    await write(clientUnderTest(), topic, 'b');
    await expectContents(topic, ['a', 'b']);
    expect(fault.struck).toBe(1);
  });

  test('has not happened if it is lost itself', async () => {
    const topic = await createTopic(server);
    using fault = breakKafka(server.proxy, { request: 'Produce', fault: 'lose-request', times: 2 });
    await expect(write(clientUnderTest(), topic, 'a')).rejects.toThrow(noAnswer);
    await expect(write(clientUnderTest(), topic, 'b')).rejects.toThrow(noAnswer);
    await write(clientUnderTest(), topic, 'c');
    expect(fault.struck).toBe(2);
    await expectContents(topic, ['c']);
  });

  test('commits a transaction that the client believes to have failed', async () => {
    const topic = await createTopic(server);
    // The first one makes the broker create the topic of its transactions, which an impatient client does not wait for.
    const first = server.native.producer({ transactionalId: uniqueName('first') });
    await first.connect();
    await (await first.transaction()).abort();
    await first.disconnect();
    const producer = clientUnderTest().producer({ transactionalId: uniqueName('pipeline') });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: 'a' }] });
    using fault = breakKafka(server.proxy, { request: 'EndTxn', fault: 'lose-answer' });
    await expect(transaction.commit()).rejects.toThrow(noAnswer);
    expect(fault.struck).toBe(1);
    await expectContents(topic, ['a']);
    await producer.disconnect();
  });
});

test('a container is swept once the process that it belongs to is gone, not before', async () => {
  const { client } = await containerEngine();
  const { Config } = await client.container.getById(await anyContainer(client)).inspect();
  const owner = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await once(owner, 'spawn');
  const lonely = await client.container.create({ Image: Config.Image, Labels: ownerLabels(owner.pid ?? 0) });
  await sweep({ client });
  expect((await lonely.inspect()).State.Status).toBe('created');
  owner.kill('SIGKILL');
  await once(owner, 'close');
  await sweep({ client });
  await expect(lonely.inspect()).rejects.toThrow(/no such container/i);
  // This process lives, and so does its server.
  await write(server.native, await createTopic(server), 'a');
});

/** The id of a container of this process: that of the broker. */
async function anyContainer({ container }: ContainerRuntimeClient): Promise<string> {
  const label = Object.entries(ownerLabels(process.pid)).map(([name, value]) => `${name}=${value}`);
  const [found] = await container.dockerode.listContainers({ filters: { label } });
  return found?.Id ?? '';
}
