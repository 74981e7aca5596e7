import type { CheckpointStore } from '@sluice/core';
import { parseConfig, z } from '@sluice/core/driver';
import { connectionFields, type KafkaConnectionConfig, type KafkaConnectionSettings } from '../config.js';
import type { KafkaOptions } from '../options.js';

/** Where {@link kafkaCheckpoints} keeps them. */
export type KafkaCheckpointsConfig = KafkaConnectionConfig & {
  /** Topic, made with one partition and compacted when it does not exist. Default `sluice-checkpoints`. */
  readonly topic?: string | undefined;
};

/** {@link KafkaCheckpointsConfig} with its defaults. */
export type KafkaCheckpointsSettings = KafkaConnectionSettings & { readonly topic: string };

const storeConfig = z.strictObject({
  ...connectionFields,
  topic: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,249}$/)
    .default('sluice-checkpoints')
    .describe('Topic that keeps the checkpoints. Made when it does not exist.'),
});

/**
 * Keeps checkpoints in a compacted topic, one record for each pipeline.
 *
 * - A save is durable when it resolves: all replicas in sync have it.
 * - A claim takes over: it raises the epoch of the pipeline's transactional id, `sluice/<pipeline>`, so the older holder's next
 *   save rejects with `fenced`. Whether a save whose answer got lost has happened, the next claim tells.
 * - It is connected only while something is claimed or read, so a program ends by itself when its pipelines have. After `close()` the
 *   store can be used again.
 *
 * Needs the rights to read and write the topic, to create it when it does not exist, and WRITE on the transactional ids.
 *
 * @throws {ConnectorError} `config_invalid` with every problem of the config
 */
export function kafkaCheckpoints(config: KafkaCheckpointsConfig, options: KafkaOptions = {}): CheckpointStore {
  const settings: KafkaCheckpointsSettings = parseConfig(storeConfig, config, 'kafka checkpoints');
  let opened: Promise<CheckpointStore> | undefined;
  const open = async (): Promise<CheckpointStore> => {
    // Whoever only imports this package loads no native client.
    const { topicCheckpoints } = await import('./topic-checkpoints.js');
    return topicCheckpoints(settings, options);
  };
  const store = (): Promise<CheckpointStore> => {
    opened ??= open();
    return opened;
  };
  return {
    description: `kafka topic ${settings.topic}`,
    durable: true,
    load: async (pipeline) => (await store()).load(pipeline),
    claim: async (pipeline) => (await store()).claim(pipeline),
    close: async () => {
      const closing = opened;
      opened = undefined;
      await (await closing)?.close();
    },
  };
}
