import {
  BatchError,
  type BatchFailure,
  type CommonOptions,
  ConnectorError,
  type DriverContext,
  type SinkBatch,
  type SinkDriver,
} from '@sluice/core/driver';
import { openCluster } from './client.js';
import type { KafkaCluster } from './connection/cluster.js';
import { TopicDirectory } from './connection/topic-directory.js';
import { classifyKafkaError } from './error.js';
import { recordFields } from './message.js';
import type { KafkaOptions } from './options.js';
import { BatchEncoder } from './records/batch-encoder.js';
import type { KafkaSinkSettings } from './sink-config.js';
import { Delivery } from './writing/delivery.js';
import { Producer } from './writing/producer.js';
import { newIdentity } from './writing/producer-identity.js';
import { noIdentity } from './writing/record-writer.js';
import { requireTopic } from './writing/sink-check.js';
import { openTransactionalSink } from './writing/transactional-sink.js';
import { WriteTurns } from './writing/write-turns.js';

/** Connects, and looks the topic up when it is the same for all messages. */
export async function openKafkaSink(
  config: KafkaSinkSettings,
  options: KafkaOptions & CommonOptions,
  context: Pick<DriverContext, 'pipeline' | 'signal'>,
): Promise<SinkDriver> {
  const cluster = await openCluster(config, options, context.signal);
  try {
    const directory = new TopicDirectory(cluster, config.autoCreateTopics);
    const fields = recordFields(config, options.codec);
    if (fields.onlyTopic !== undefined) await requireTopic(directory, fields.onlyTopic, context.signal);
    const encoder = new BatchEncoder(fields, directory, config);
    if (config.transactional) return await openTransactionalSink({ cluster, directory, encoder, config, context });
    return new KafkaSink(cluster, directory, encoder, config);
  } catch (error) {
    cluster.close();
    throw error;
  }
}

/** Writes whole batches, each partition in order. */
class KafkaSink implements SinkDriver {
  readonly #cluster: KafkaCluster;
  readonly #encoder: BatchEncoder;
  readonly #producer: Producer;
  readonly #turns = new WriteTurns();

  constructor(cluster: KafkaCluster, directory: TopicDirectory, encoder: BatchEncoder, config: KafkaSinkSettings) {
    const { acks, maxRequestBytes, idempotent } = config;
    const identify = async (): Promise<typeof noIdentity> => (idempotent ? await newIdentity(cluster) : noIdentity);
    this.#cluster = cluster;
    this.#encoder = encoder;
    this.#producer = new Producer({ cluster, directory, acks, maxRequestBytes, transactionalId: null, identify });
  }

  async write({ messages }: SinkBatch, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const delivery = new Delivery();
    const failures = await this.#turns.run(
      () => this.#encoder.encode({ messages, from: 0, to: messages.length, delivery }, signal),
      (batches) => this.#producer.send(batches, delivery, signal),
    );
    if (failures.length > 0) throw writeError(failures, messages.length);
  }

  async close(): Promise<void> {
    this.#producer.close(new ConnectorError('closed', 'the sink was closed'));
    this.#cluster.close();
  }
}

/** Names the messages that failed. When nothing could be sent it is the way that is broken, and not the messages. */
export function writeError(failures: readonly BatchFailure[], count: number): unknown {
  const [first] = failures;
  const isCut = first !== undefined && classifyKafkaError(first.error)?.code === 'not_connected';
  return isCut && failures.length === count ? first.error : new BatchError(failures);
}
