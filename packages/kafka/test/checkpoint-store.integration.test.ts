import type { CheckpointStore } from '@sluice/core';
import type { Checkpoint, StoredPosition } from '@sluice/core/driver';
import { breakKafka, startKafka, uniqueName } from '@sluice/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { kafkaCheckpoints } from '../src/index.js';
import { sinkConfig } from '../src/sink-config.js';
import { sinkPositions } from '../src/writing/sink-positions.js';
import { batchOf, bytes, classified, never, useSinkWorld } from './sink-world.js';
import { eventually } from './source-world.js';

const world = useSinkWorld(startKafka);
const stores: CheckpointStore[] = [];

afterAll(async () => {
  await Promise.all(stores.map((store) => store.close()));
});

function openStore(topic = 'checkpoints'): CheckpointStore {
  const store = kafkaCheckpoints({ brokers: world.server.brokers, topic, requestTimeoutMs: 5000 });
  stores.push(store);
  return store;
}

const position = (value: number): StoredPosition => ({
  connector: 'test',
  version: 1,
  identity: null,
  position: { at: value },
});
const checkpoint = (value: number): Checkpoint => ({ 's:0': position(value), 's:1': position(value + 1) });

describe('a checkpoint store in Kafka', () => {
  it('gives back what was saved last, in a topic that it has made compacted', async () => {
    const topic = uniqueName('made');
    const pipeline = uniqueName('pipeline');
    const store = openStore(topic);
    expect(store.description).toContain(topic);
    expect(await store.load(pipeline)).toEqual({});
    const claim = await store.claim(pipeline);
    expect(claim.checkpoint).toEqual({});
    await claim.save(checkpoint(1));
    await Promise.all([claim.save(checkpoint(2)), claim.save(checkpoint(3))]);
    await claim.release();
    await expect(claim.save(checkpoint(4))).rejects.toMatchObject({ code: 'closed' });
    await store.close();
    expect(await openStore(topic).load(pipeline)).toEqual(checkpoint(3));
    expect((await openStore(topic).claim(pipeline)).checkpoint).toEqual(checkpoint(3));
    expect(await openStore(topic).load(uniqueName('other'))).toEqual({});
    const admin = world.server.native.admin();
    await admin.connect();
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: 2, name: topic, configNames: ['cleanup.policy'] }],
    });
    await admin.disconnect();
    expect(resources[0]?.configEntries[0]?.configValue).toBe('compact');
  });

  it('refuses the older of two holders, each time', async () => {
    const pipeline = uniqueName('pipeline');
    const older = await openStore().claim(pipeline);
    await older.save(checkpoint(1));
    const newer = await openStore().claim(pipeline);
    await expect(older.save(checkpoint(2))).rejects.toMatchObject({ code: 'fenced' });
    await expect(older.save(checkpoint(2))).rejects.toMatchObject({ code: 'fenced' });
    await newer.save(checkpoint(3));
    expect(await openStore().load(pipeline)).toEqual(checkpoint(3));
  });

  it.each(['lose-answer', 'lose-request'] as const)('goes on saving after %s of a commit', async (fault) => {
    const pipeline = uniqueName('pipeline');
    const claim = await openStore().claim(pipeline);
    using broken = breakKafka(world.server.proxy, { request: 'EndTxn', fault });
    await expect(claim.save(checkpoint(1))).rejects.toMatchObject({ code: 'not_connected' });
    expect(broken.struck).toBe(1);
    await claim.save(checkpoint(2));
    expect(await openStore().load(pipeline)).toEqual(checkpoint(2));
  });

  it('holds no connection when nothing is claimed, so that a program can end', async () => {
    const isUnconnected = (): Promise<void> => eventually(async () => expect(world.server.proxy.connections).toBe(0));
    await Promise.all(stores.splice(0).map((each) => each.close()));
    await isUnconnected();
    const store = openStore();
    const [one, other] = [await store.claim(uniqueName('pipeline')), await store.claim(uniqueName('pipeline'))];
    await one.release();
    await one.release();
    await other.save(checkpoint(1));
    expect(world.server.proxy.connections).toBeGreaterThan(0);
    await other.release();
    await isUnconnected();
    const again = await store.claim(uniqueName('pipeline'));
    await again.save(checkpoint(1));
    await store.close();
    await isUnconnected();
  });

  it('refuses a damaged record with position_lost', async () => {
    const topic = uniqueName('damaged');
    const store = openStore(topic);
    await store.load('p');
    const producer = world.server.native.producer();
    await producer.connect();
    await producer.send({ topic, messages: [{ key: JSON.stringify(['checkpoint', 'p']), value: '{"half":' }] });
    await producer.disconnect();
    await expect(store.load('p')).rejects.toMatchObject({ code: 'position_lost' });
  });
});

it('shows and replaces the positions of a transactional sink, and a pipeline that runs is fenced by that', async () => {
  const topic = await world.createTopic();
  const pipeline = uniqueName('pipeline');
  const config = sinkConfig.parse({ brokers: world.server.brokers, topic, transactional: true });
  expect(await sinkPositions.load(config, {}, pipeline)).toEqual({});
  const sink = await world.openSink({ topic, transactional: true }, pipeline);
  await sink.claim?.(['s:0', 's:1']);
  await sink.flush?.(checkpoint(1), never);
  expect(await sinkPositions.load(config, {}, pipeline)).toEqual(checkpoint(1));
  await sinkPositions.change(config, {}, pipeline, (stored) => {
    expect(stored).toEqual(checkpoint(1));
    return { 's:0': position(9), 's:2': position(4) };
  });
  expect(await sinkPositions.load(config, {}, pipeline)).toEqual({ 's:0': position(9), 's:2': position(4) });
  const late = sink.write(batchOf([{ payload: bytes('x') }]), never).then(() => sink.flush?.(checkpoint(2), never));
  expect(classified(await late.catch((error: unknown) => error)).code).toBe('fenced');
  expect(await sink.claim?.(['s:0', 's:1'])).toEqual({ 's:0': position(9) });
});
