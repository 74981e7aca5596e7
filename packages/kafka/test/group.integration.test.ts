import { pipeline } from '@sluice/core';
import { startKafka, uniqueName } from '@sluice/testkit';
import { expect, test } from 'vitest';
import { kafka } from '../src/connector.js';
import { readTopic } from './read-topic.js';
import { take, texts, until, useSourceWorld } from './source-world.js';

const world = useSourceWorld(startKafka);

async function committed(groupId: string, topic: string): Promise<number[]> {
  const [found] = await world.admin.fetchOffsets({ groupId, topics: [topic] });
  return (found?.partitions ?? []).toSorted((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset));
}

test('goes on where the group has committed', async () => {
  const topic = await world.createTopic();
  const groupId = uniqueName('group');
  await world.produce(topic, texts(0, 10));
  const first = await world.follow({ topics: [topic], groupId });
  await until(() => first.texts.length === 10);
  await until(async () => (await committed(groupId, topic))[0] === 10);
  await first.close();
  await world.produce(topic, texts(10, 15));
  const second = await world.follow({ topics: [topic], groupId });
  await until(() => second.texts.length === 5);
  expect(second.texts).toEqual(texts(10, 15));
  await second.close();
});

test('begins where a sink is that keeps the positions itself, and not where the group is', async () => {
  const [from, one, other] = [await world.createTopic(), await world.createTopic(), await world.createTopic()];
  const groupId = uniqueName('group');
  const { brokers } = world.server;
  await world.produce(from, texts(0, 10));
  const copy = (topic: string): Promise<unknown> =>
    pipeline({
      name: uniqueName('pipeline'),
      source: kafka.source({ brokers, topics: [from], groupId, bounded: true }),
      sink: kafka.sink({ brokers, topic, transactional: true }),
    }).run();
  await copy(one);
  await until(async () => (await committed(groupId, from))[0] === 10);
  await copy(other);
  for (const topic of [one, other])
    expect((await readTopic(world.server, topic)).flat().map(({ value }) => String(value))).toEqual(texts(0, 10));
});

test('reads again what was not committed', async () => {
  const topic = await world.createTopic();
  const groupId = uniqueName('group');
  await world.produce(topic, texts(0, 10));
  const first = await world.follow({ topics: [topic], groupId }, { commits: false });
  await until(() => first.texts.length === 10);
  await first.close();
  const second = await world.follow({ topics: [topic], groupId });
  await until(() => second.texts.length === 10);
  await second.close();
});

test('shares partitions evenly, and takes them all when the other member leaves', async () => {
  const topic = await world.createTopic(6);
  const groupId = uniqueName('group');
  const first = await world.follow({ topics: [topic], groupId });
  await until(() => first.held.length === 6);
  const second = await world.follow({ topics: [topic], groupId });
  await until(() => first.held.length === 3 && second.held.length === 3);
  expect([...first.held, ...second.held].toSorted()).toEqual(texts(0, 6).map((partition) => `${topic}-${partition}`));
  await second.close();
  await until(() => first.held.length === 6);
  await first.close();
});

test('a rebalance stops no partition that stays', async () => {
  const topic = await world.createTopic(4);
  const groupId = uniqueName('group');
  const first = await world.follow({ topics: [topic], groupId });
  await until(() => first.held.length === 4);
  const drained = Promise.withResolvers<void>();
  // A member that never finishes what it gives up, while the partitions that it keeps go on.
  const slow = await world.follow({ topics: [topic], groupId }, { drain: () => drained.promise });
  await until(() => first.held.length === 2 && slow.held.length === 2);
  const third = await world.follow({ topics: [topic], groupId });
  await until(() => [first, slow].some((member) => member.held.length === 1));
  for (const partition of [0, 1, 2, 3]) await world.produce(topic, [`after-${partition}`], partition);
  const all = (): (string | null)[] => [...first.texts, ...slow.texts, ...third.texts];
  const staying = [...first.held, ...slow.held].map((name) => `after-${name.slice(name.lastIndexOf('-') + 1)}`);
  await until(() => staying.every((text) => all().includes(text)));
  drained.resolve();
  await until(() => ['0', '1', '2', '3'].every((partition) => all().includes(`after-${partition}`)));
  await Promise.all([first.close(), slow.close(), third.close()]);
});

test('lets a partition go only when it is asked for the next set', async () => {
  const topic = await world.createTopic(2);
  const groupId = uniqueName('group');
  const drained = Promise.withResolvers<void>();
  let draining = false;
  const drain = (): Promise<void> => {
    draining = true;
    return drained.promise;
  };
  const first = await world.follow({ topics: [topic], groupId }, { drain });
  await until(() => first.held.length === 2);
  const second = await world.follow({ topics: [topic], groupId });
  await until(() => draining);
  const [leaving] = [`${topic}-0`, `${topic}-1`].filter((partition) => !first.held.includes(partition));
  if (leaving === undefined) throw new Error('nothing leaves');
  // What it still has to finish can be committed, although the group has assigned it to nobody yet.
  await first.source.commit?.(leaving, 0);
  expect(second.held).toEqual([]);
  drained.resolve();
  await until(() => second.held.length === 1);
  expect(second.held).toEqual([leaving]);
  await expect(first.source.commit?.(leaving, 0)).rejects.toMatchObject({ code: 'lease_lost' });
  await Promise.all([first.close(), second.close()]);
});

test('loses a partition that it does not finish within the limit, and commits nothing more for it', async () => {
  const topic = await world.createTopic(2);
  const groupId = uniqueName('group');
  const never = Promise.withResolvers<void>();
  let draining = false;
  const drain = (): Promise<void> => {
    draining = true;
    return never.promise;
  };
  const first = await world.follow({ topics: [topic], groupId, rebalanceTimeoutMs: 1500 }, { drain, commits: false });
  await until(() => first.held.length === 2);
  const second = await world.follow({ topics: [topic], groupId }, { commits: false });
  await until(() => draining);
  await until(() => second.held.length === 1);
  const [taken = ''] = second.held;
  await expect(first.source.commit?.(taken, 7)).rejects.toMatchObject({ code: 'lease_lost' });
  expect(await committed(groupId, topic)).toEqual([-1, -1]);
  never.resolve();
  await Promise.all([first.close(), second.close()]);
});

test('stays a member for three times the session timeout while nobody reads', async () => {
  const topic = await world.createTopic();
  const groupId = uniqueName('group');
  await world.produce(topic, texts(0, 5));
  const source = await world.open({ topics: [topic], groupId, sessionTimeoutMs: 1000 });
  const sets = source.partitions?.(new AbortController().signal)[Symbol.asyncIterator]();
  await sets?.next();
  await take(source, `${topic}-0`, 1);
  const accepted = world.server.proxy.accepted;
  const began = Date.now();
  const states = new Set<string>();
  await until(async () => {
    const { groups } = await world.admin.describeGroups([groupId]);
    states.add(`${groups[0]?.state} ${groups[0]?.members.map(({ memberId }) => memberId).join()}`);
    return Date.now() - began > 3000;
  });
  expect(states.size).toBe(1);
  expect(world.server.proxy.accepted).toBe(accepted);
  await source.commit?.(`${topic}-0`, 5);
  expect(await committed(groupId, topic)).toEqual([5]);
  await source.close();
});

test('a static member comes back to its partitions without a rebalance', async () => {
  const topic = await world.createTopic(2);
  const groupId = uniqueName('group');
  const config = { topics: [topic], groupId };
  const [a, b] = await Promise.all([
    world.follow({ ...config, groupInstanceId: 'a' }),
    world.follow({ ...config, groupInstanceId: 'b' }),
  ]);
  await until(() => a.held.length === 1 && b.held.length === 1);
  const held = a.held;
  const sets = b.sets.length;
  await a.close();
  const again = await world.follow({ ...config, groupInstanceId: 'a' });
  await until(() => again.held.length === 1);
  expect(again.held).toEqual(held);
  expect(b.sets).toHaveLength(sets);
  await Promise.all([again.close(), b.close()]);
});

test('a second member with the same instance id fences the first', async () => {
  const topic = await world.createTopic();
  const config = { topics: [topic], groupId: uniqueName('group'), groupInstanceId: 'same' };
  const older = await world.follow(config);
  await until(() => older.held.length === 1);
  const newer = await world.follow(config);
  await until(() => older.error !== undefined);
  expect(older.error).toMatchObject({ type: 'FENCED_INSTANCE_ID' });
  await expect(older.source.commit?.(`${topic}-0`, 0)).rejects.toMatchObject({ code: 'lease_lost' });
  await Promise.all([older.close(), newer.close()]);
});

test('a bounded member ends when it has read to the end what it holds', async () => {
  const topic = await world.createTopic(3);
  for (const partition of [0, 1, 2]) await world.produce(topic, texts(0, 4), partition);
  const groupId = uniqueName('group');
  const reader = await world.follow({ topics: [topic], groupId, bounded: true });
  await until(() => reader.ended);
  expect(reader.texts).toHaveLength(12);
  expect(await committed(groupId, topic)).toEqual([4, 4, 4]);
  await reader.close();
});
