import { ConnectorError } from '@sluice/core/driver';
import { brokerError } from '../connection/broker-error.js';
import type { KafkaCluster } from '../connection/cluster.js';
import { patiently } from '../connection/patience.js';

const missing = 3;
const existsAlready = 36;
const noLeader = 5;
const notAuthorized = 29;
const topicResource = 2;
const cleanupPolicy = 'cleanup.policy';

/** How the topic is made. Segments are small because compaction leaves the newest alone, and a claim reads all of it. */
const configEntries = [
  { name: cleanupPolicy, value: 'compact' },
  { name: 'segment.bytes', value: String(16 * 1024 * 1024) },
  { name: 'segment.ms', value: String(24 * 60 * 60 * 1000) },
] as const;

/**
 * Makes the topic of checkpoints when it does not exist: compacted, with one partition, so that reading it once tells
 * everything, and as many replicas as the cluster gives by default. Resolves when it can be used.
 *
 * @throws {ConnectorError} `unsupported` when it exists and forgets checkpoints with time
 * @throws {ConnectorError} `permission_denied` when that cannot be found out
 */
export async function ensureCheckpointTopic(cluster: KafkaCluster, topic: string, signal: AbortSignal): Promise<void> {
  await patiently(cluster.requestTimeoutMs, signal, async () => {
    const { exists, controllerId } = await look(cluster, topic);
    if (exists) return;
    await createTopic(cluster, topic, controllerId);
    // The next attempt looks it up.
    throw brokerError(noLeader, { topic });
  });
}

/** Looks at the topic of checkpoints without making it. Whether it exists; rejects as {@link ensureCheckpointTopic}. */
export async function checkCheckpointTopic(
  cluster: KafkaCluster,
  topic: string,
  signal: AbortSignal,
): Promise<boolean> {
  return await patiently(cluster.requestTimeoutMs, signal, async () => (await look(cluster, topic)).exists);
}

async function look(
  cluster: KafkaCluster,
  topic: string,
): Promise<{ readonly exists: boolean; readonly controllerId: number }> {
  const { topicMetadata, controllerId } = await cluster.metadata([topic]);
  const found = topicMetadata.find((each) => each.topic === topic);
  const errorCode = found?.topicErrorCode ?? missing;
  if (errorCode === missing) return { exists: false, controllerId };
  if (errorCode !== 0) throw brokerError(errorCode, { topic });
  const leader = found?.partitionMetadata[0]?.leader ?? -1;
  if (leader < 0) throw brokerError(noLeader, { topic });
  await requireCompaction(cluster, topic, leader);
  return { exists: true, controllerId };
}

async function requireCompaction(cluster: KafkaCluster, topic: string, broker: number): Promise<void> {
  const connection = await cluster.connection(broker, 'requests');
  const resources = [{ type: topicResource, name: topic, configNames: [cleanupPolicy] }];
  const answer = await connection.request('DescribeConfigs', { resources, includeSynonyms: false }, { atLeast: 1 });
  const { errorCode = missing, errorMessage: reason = null, configEntries = [] } = answer.resources[0] ?? {};
  if (errorCode === notAuthorized) {
    const text = `whether topic "${topic}" keeps checkpoints for good may not be seen by this user. Grant it DESCRIBE_CONFIGS on the topic`;
    throw new ConnectorError('permission_denied', text);
  }
  if (errorCode !== 0) throw brokerError(errorCode, { topic, reason });
  const policy = configEntries.find(({ configName }) => configName === cleanupPolicy)?.configValue;
  if (policy === 'compact') return;
  const text = `topic "${topic}" has ${cleanupPolicy}=${policy}, so it would forget checkpoints. Set it to compact, or use another topic`;
  throw new ConnectorError('unsupported', text);
}

async function createTopic(cluster: KafkaCluster, topic: string, controllerId: number): Promise<void> {
  const connection = await cluster.connection(controllerId, 'requests');
  const { topicErrors } = await connection.request('CreateTopics', {
    topics: [{ topic, numPartitions: 1, configEntries }],
    timeout: cluster.requestTimeoutMs,
  });
  for (const { errorCode, errorMessage } of topicErrors) {
    if (errorCode !== 0 && errorCode !== existsAlready) throw brokerError(errorCode, { topic, reason: errorMessage });
  }
}
