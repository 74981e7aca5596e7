import type { Checkpoint, SinkPositions, StoredPosition } from '@sluice/core/driver';
import { CheckpointLog } from '../checkpoints/checkpoint-log.js';
import { checkpointBatch, partitionOfKey, positionKey, storedPosition } from '../checkpoints/checkpoint-record.js';
import { ensureCheckpointTopic } from '../checkpoints/checkpoint-topic.js';
import { openCluster } from '../client.js';
import type { KafkaCluster } from '../connection/cluster.js';
import { TopicDirectory } from '../connection/topic-directory.js';
import type { KafkaOptions } from '../options.js';
import type { KafkaSinkSettings } from '../sink-config.js';
import { Delivery } from './delivery.js';
import { Transaction } from './transaction.js';
import { transactionalId } from './transactional-sink.js';

/**
 * The positions that a transactional sink has stored for a pipeline. A change claims each partition under its transactional id: a
 * pipeline that runs is fenced by that and ends, since the sink cannot tell whether one does.
 */
export const sinkPositions: SinkPositions<KafkaSinkSettings, KafkaOptions> = {
  load: (config, options, pipeline) =>
    withCluster(config, options, async (cluster, signal) => {
      const directory = new TopicDirectory(cluster, false);
      return await storedPositions(new CheckpointLog(cluster, directory, config.checkpointTopic), pipeline, signal);
    }),
  change: (config, options, pipeline, change) =>
    withCluster(config, options, async (cluster, signal) => {
      const directory = new TopicDirectory(cluster, false);
      const { checkpointTopic, transactionTimeoutMs, maxRequestBytes } = config;
      const log = new CheckpointLog(cluster, directory, checkpointTopic);
      const claimed = new Map<string, Transaction>();
      const claim = async (partitions: readonly string[]): Promise<void> => {
        for (const partition of partitions) {
          const setup = { cluster, directory, transactionTimeoutMs, maxRequestBytes };
          const transaction = new Transaction(transactionalId(pipeline, partition), setup);
          await transaction.claim(signal);
          claimed.set(partition, transaction);
        }
      };
      const unclaimedOf = (positions: Checkpoint): readonly string[] =>
        Object.keys(positions).filter((partition) => !claimed.has(partition));

      let stored = await storedPositions(log, pipeline, signal);
      for (let moving = unclaimedOf(stored); moving.length > 0; moving = unclaimedOf(stored)) {
        await claim(moving);
        stored = await storedPositions(log, pipeline, signal); // as they are when nobody moves them any more
      }
      const checkpoint = change(stored);
      await claim(unclaimedOf(checkpoint));
      for (const [partition, transaction] of claimed) {
        const position = checkpoint[partition];
        const delivery = new Delivery();
        const value = position === undefined ? null : JSON.stringify(position);
        const batch = checkpointBatch(checkpointTopic, positionKey(pipeline, partition), value, delivery);
        const [failure] = await transaction.send([batch], delivery, signal);
        if (failure !== undefined) throw failure.error;
        await transaction.end('commit', signal);
        transaction.close();
      }
    }),
};

async function storedPositions(log: CheckpointLog, pipeline: string, signal: AbortSignal): Promise<Checkpoint> {
  const positions: Record<string, StoredPosition> = {};
  for (const [key, text] of await log.read(signal)) {
    const partition = partitionOfKey(key, pipeline);
    if (partition !== undefined) positions[partition] = storedPosition(text, log.topic);
  }
  return positions;
}

async function withCluster<T>(
  config: KafkaSinkSettings,
  options: KafkaOptions,
  use: (cluster: KafkaCluster, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal } = new AbortController();
  const cluster = await openCluster(config, options, signal);
  try {
    await ensureCheckpointTopic(cluster, config.checkpointTopic, signal);
    return await use(cluster, signal);
  } finally {
    cluster.close();
  }
}
