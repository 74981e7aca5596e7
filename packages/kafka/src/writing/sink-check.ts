import { checkCheckpointTopic } from '../checkpoints/checkpoint-topic.js';
import { openCluster, untilAborted } from '../client.js';
import { brokerError } from '../connection/broker-error.js';
import type { KafkaCluster } from '../connection/cluster.js';
import { TopicDirectory, type TopicLayout } from '../connection/topic-directory.js';
import { recordFields } from '../message.js';
import type { KafkaOptions } from '../options.js';
import type { KafkaSinkSettings } from '../sink-config.js';
import { type ProduceAnswer, produceRequest } from './produce-request.js';
import { claimIdentity, newIdentity } from './producer-identity.js';

/** What a broker says to a batch without a record, once it has seen that the user may write. */
const nothingToWrite = new Set([0, 2, 87]);
const noLeader = 5;
/** Under the prefix of all transactional ids of this package, so that the same right covers it. */
const checkedId = 'sluice/check';

/**
 * Resolves when the cluster can be reached and the topic, as far as the config tells it, can be written to. Writes nothing. Rejects with
 * the native error that says what is missing.
 */
export async function checkKafkaSink(
  config: KafkaSinkSettings,
  options: KafkaOptions,
  signal: AbortSignal,
): Promise<void> {
  const cluster = await openCluster(config, options, signal);
  try {
    await untilAborted(cluster, signal, async () => {
      const requireRight = async (topic: string, create: boolean): Promise<void> =>
        requireWriting(cluster, await requireTopic(new TopicDirectory(cluster, create), topic, signal));
      const { onlyTopic } = recordFields(config);
      if (onlyTopic !== undefined) await requireRight(onlyTopic, config.autoCreateTopics);
      if (config.transactional) {
        const { checkpointTopic, transactionTimeoutMs } = config;
        if (await checkCheckpointTopic(cluster, checkpointTopic, signal)) await requireRight(checkpointTopic, false);
        await claimIdentity(cluster, checkedId, transactionTimeoutMs, signal);
      } else if (config.idempotent) await newIdentity(cluster);
    });
  } finally {
    cluster.close();
  }
}

/** @throws the native error that says why the topic cannot be used */
export async function requireTopic(
  directory: TopicDirectory,
  topic: string,
  signal: AbortSignal,
): Promise<TopicLayout> {
  const found = (await directory.find([topic], signal)).get(topic) ?? brokerError(noLeader, { topic });
  if (found instanceof Error) throw found;
  return found;
}

/** Asks for the right to write by writing nothing. */
async function requireWriting(cluster: KafkaCluster, { topic, leaders, available }: TopicLayout): Promise<void> {
  const [partition = 0] = available;
  const leader = leaders[partition] ?? -1;
  if (leader < 0) throw brokerError(noLeader, { topic });
  const connection = await cluster.connection(leader, 'produce');
  const settings = { transactionalId: null, acks: -1, timeoutMs: cluster.requestTimeoutMs };
  const answer = await connection.send(produceRequest([{ topic, partition, bytes: Buffer.alloc(0) }], settings));
  // What produceRequest decodes.
  const { partitions } = answer as { readonly partitions: readonly ProduceAnswer[] };
  const errorCode = partitions[0]?.errorCode ?? 0;
  if (!nothingToWrite.has(errorCode)) throw brokerError(errorCode, { topic });
}
