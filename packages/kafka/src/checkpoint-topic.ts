import { brokerError } from './broker-error.js';
import type { KafkaCluster } from './cluster.js';
import { patiently } from './patience.js';

const missing = 3;
const existsAlready = 36;
const noLeader = 5;

/** How the topic is made. Segments are small because compaction leaves the newest alone, and a claim reads all of it. */
const configEntries = [
  { name: 'cleanup.policy', value: 'compact' },
  { name: 'segment.bytes', value: String(16 * 1024 * 1024) },
  { name: 'segment.ms', value: String(24 * 60 * 60 * 1000) },
] as const;

/**
 * Makes the topic of checkpoints when it does not exist: compacted, with one partition, so that reading it once tells
 * everything, and as many replicas as the cluster gives by default. Resolves when it can be used.
 */
export async function ensureCheckpointTopic(cluster: KafkaCluster, topic: string, signal: AbortSignal): Promise<void> {
  await patiently(cluster.requestTimeoutMs, signal, async () => {
    const { topicMetadata, controllerId } = await cluster.metadata([topic]);
    const found = topicMetadata.find((each) => each.topic === topic);
    const errorCode = found?.topicErrorCode ?? missing;
    if (errorCode === missing) {
      await createTopic(cluster, topic, controllerId);
      // The next attempt looks it up.
      throw brokerError(noLeader, { topic });
    }
    if (errorCode !== 0) throw brokerError(errorCode, { topic });
    if ((found?.partitionMetadata[0]?.leader ?? -1) < 0) throw brokerError(noLeader, { topic });
  });
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
