import { ConnectorError, type Discovered, type TeardownRequest } from '@sluice/core/driver';
import { openCluster, untilAborted } from './client.js';
import { brokerError } from './connection/broker-error.js';
import type { KafkaCluster } from './connection/cluster.js';
import { patiently } from './connection/patience.js';
import { partitionName, type TopicPartition } from './connection/topic-partition.js';
import { TopicTable } from './connection/topic-table.js';
import { GroupSession } from './group/group-session.js';
import type { KafkaOptions } from './options.js';
import { decodeFetchAnswer } from './reading/fetch-answer.js';
import { beginOffsets, endOffsets, type OffsetLookup } from './reading/offsets.js';
import type { KafkaSourceSettings } from './source-config.js';

/** Resolves when every topic and the group may be read. Rejects with the native error that says what is missing. */
export function checkKafkaSource(
  config: KafkaSourceSettings,
  options: KafkaOptions,
  signal: AbortSignal,
): Promise<void> {
  return withCluster(config, options, signal, async (cluster) => {
    const topics = new TopicTable(cluster, config);
    await topics.refresh();
    const { partitions } = topics;
    if (partitions.length === 0) throw noTopic(config);
    const lookup: OffsetLookup = { cluster, topics, isolation: config.isolation };
    const ends = await patiently(config.requestTimeoutMs, signal, () => endOffsets(lookup, partitions));
    // Who may describe a topic may not read it yet: one partition of each is asked for nothing.
    for (const topic of topics.topics) {
      const place = partitions.find((each) => each.topic === topic);
      if (place !== undefined) await readNothing(lookup, place, ends.get(partitionName(place)) ?? 0);
    }
    const [first] = partitions;
    const { groupId } = config;
    if (groupId !== undefined && first !== undefined) {
      const session = new GroupSession(cluster, { ...config, groupId });
      await patiently(config.requestTimeoutMs, signal, () => session.committed(first));
    }
  });
}

/** Every topic that the user may see, but those of Kafka itself. */
export function discoverTopics(
  config: KafkaSourceSettings,
  options: KafkaOptions,
  signal: AbortSignal,
): Promise<readonly Discovered[]> {
  return withCluster(config, options, signal, async (cluster) => {
    const topics = new TopicTable(cluster, { topicPattern: '.*' });
    await topics.refresh();
    const lookup: OffsetLookup = { cluster, topics, isolation: config.isolation };
    const led = topics.partitions.filter((each) => topics.leaderOf(each) !== undefined);
    const [begins, ends] = await Promise.all([beginOffsets(lookup, led), endOffsets(lookup, led)]);
    const size = (place: TopicPartition): number =>
      (ends.get(partitionName(place)) ?? 0) - (begins.get(partitionName(place)) ?? 0);
    return topics.topics.toSorted().map((name) => {
      const partitions = topics.partitions.filter(({ topic }) => topic === name);
      const messages = partitions.reduce((sum, place) => sum + size(place), 0);
      // Compaction and transactions leave gaps between offsets.
      return { name, details: { partitions: partitions.length, messagesAtMost: messages } };
    });
  });
}

/** Names the group that keeps the positions of a source, and removes it when asked. */
export function teardownGroup(
  config: KafkaSourceSettings,
  options: KafkaOptions,
  { remove, signal }: TeardownRequest,
): Promise<readonly string[]> {
  const { groupId } = config;
  if (groupId === undefined) return Promise.resolve([]);
  return withCluster(config, options, signal, async (cluster) => {
    const asking = (): Promise<number> => cluster.coordinator('group', groupId);
    const connection = await cluster.connection(await patiently(config.requestTimeoutMs, signal, asking), 'requests');
    const [group] = (await connection.request('DescribeGroups', { groupIds: [groupId] })).groups;
    if (group === undefined || group.state === 'Dead') return [];
    if (group.errorCode !== 0) throw brokerError(group.errorCode);
    if (!remove) return [`consumer group "${groupId}" with its committed offsets`];
    const { results } = await connection.request('DeleteGroups', [groupId]);
    const errorCode = results[0]?.errorCode ?? 0;
    if (errorCode !== 0) throw brokerError(errorCode);
    return [`consumer group "${groupId}" with its committed offsets`];
  });
}

async function withCluster<T>(
  config: KafkaSourceSettings,
  options: KafkaOptions,
  signal: AbortSignal,
  use: (cluster: KafkaCluster) => Promise<T>,
): Promise<T> {
  const cluster = await openCluster(config, options, signal);
  try {
    return await untilAborted(cluster, signal, () => use(cluster));
  } finally {
    cluster.close();
  }
}

async function readNothing({ cluster, topics }: OffsetLookup, place: TopicPartition, offset: number): Promise<void> {
  const leader = topics.leaderOf(place);
  if (leader === undefined) throw brokerError(5, place);
  const connection = await cluster.connection(leader, 'requests');
  const { topic, partition } = place;
  const fields = {
    isolationLevel: 1,
    maxWaitTime: 0,
    minBytes: 0,
    maxBytes: 1,
    topics: [{ topic, partitions: [{ partition, fetchOffset: offset, maxBytes: 1 }] }],
    rackId: '',
  };
  const { partitions } = await connection.request('Fetch', fields, { atLeast: 11, decode: decodeFetchAnswer });
  const errorCode = partitions[0]?.errorCode ?? 0;
  if (errorCode !== 0) throw brokerError(errorCode, { topic });
}

function noTopic({ topicPattern }: KafkaSourceSettings): ConnectorError {
  const text = `no topic matches topicPattern "${topicPattern}". Check it, and the right to describe topics`;
  return new ConnectorError('not_found', text);
}
