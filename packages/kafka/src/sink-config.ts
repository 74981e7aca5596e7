import { parseTemplate, TemplateText, z } from '@sluice/core/driver';
import { connectionFields, type KafkaConnectionSettings } from './config.js';

/** A parsed config of the sink. */
export interface KafkaSinkSettings extends KafkaConnectionSettings {
  /** Topic, as a template: `orders`, `{topic}` for the message's own, `{headers.type}-events`. */
  readonly topic: string;
  /** Key, as a template. Left out, the message's own key; a message without one has none. */
  readonly key?: string | undefined;
  /** Number of the partition, as a template. Left out, the key decides as in the Java client. */
  readonly partition?: string | undefined;
  /** Headers beside the message's own, by name, as templates. One that the message has too is replaced. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Time in milliseconds since the epoch, as a template. Left out, the message's own, or else the time of writing. */
  readonly timestamp?: string | undefined;
  /** Who must have stored a message before it counts as written: all replicas in sync (default), or the leader alone. */
  readonly acks: 'all' | 'leader';
  /** How batches are compressed. Default none. */
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
  /**
   * Whether the broker recognises a batch that is sent again because its answer got lost. Default true; needs `acks: all`, and
   * the right IDEMPOTENT_WRITE before Kafka 3.0.
   */
  readonly idempotent: boolean;
  /** Whether messages and checkpoint are written in transactions, for effectively once. Default false. */
  readonly transactional: boolean;
  /**
   * After this time the broker aborts a transaction that was not ended, in milliseconds. It bounds how long a crashed pipeline
   * holds up read-committed readers. Default 60,000, as in the Java client.
   */
  readonly transactionTimeoutMs: number;
  /** Topic that keeps the checkpoints of transactional sinks. Made with one partition, compacted, when it does not exist. */
  readonly checkpointTopic: string;
  /** Whether topics that do not exist are created, where the cluster allows it. Default false: a typo is an error. */
  readonly autoCreateTopics: boolean;
  /**
   * Size up to which messages of one partition are sent together, before compression, in bytes. Default 1,000,000, just below
   * `max.message.bytes` of a topic. One larger message is sent alone, and the broker decides.
   */
  readonly maxBatchBytes: number;
  /**
   * A message above it is refused here, because brokers close the connection on requests above `socket.request.max.bytes`.
   * Default 104,857,600, as there.
   */
  readonly maxRequestBytes: number;
}

/** Config of the sink; see {@link KafkaSinkSettings} for each field. */
export type KafkaSinkConfig = Pick<KafkaSinkSettings, 'brokers' | 'topic'> & {
  readonly [Field in keyof KafkaSinkSettings]?: KafkaSinkSettings[Field] | undefined;
};

const template = TemplateText.refine((text) => text !== '', 'must not be empty');
const topicName = z.string().regex(/^[A-Za-z0-9._-]{1,249}$/, 'must be 1 to 249 letters, digits, ".", "_" and "-"');

const topicTemplate = template.superRefine((text, context) => {
  if (!isPlain(text) || topicName.safeParse(text).success) return;
  context.addIssue({ code: 'custom', message: 'must be 1 to 249 letters, digits, ".", "_" and "-"' });
});

const partitionTemplate = template.superRefine((text, context) => {
  if (!isPlain(text) || /^\d{1,9}$/.test(text)) return;
  context.addIssue({ code: 'custom', message: 'must be a number or a template such as {headers.partition}' });
});

/** Whether a template is the same text for every message; one that is wrong is reported by {@link TemplateText}. */
function isPlain(text: string): boolean {
  try {
    return parseTemplate(text).fields.length === 0;
  } catch {
    return false;
  }
}

/** Schema of the sink's config. */
export const sinkConfig: z.ZodType<KafkaSinkSettings, KafkaSinkConfig> = z
  .strictObject({
    ...connectionFields,
    topic: topicTemplate.describe("Topic, as a template: `orders`, or `{topic}` for the message's own."),
    key: template.optional().describe("Key, as a template. Left out, the message's own."),
    partition: partitionTemplate
      .optional()
      .describe('Number of the partition, as a template. Left out, the key decides as in the Java client.'),
    headers: z
      .record(z.string(), template)
      .optional()
      .describe("Headers beside the message's own, as templates. One that the message has too is replaced."),
    timestamp: template
      .optional()
      .describe("Time in milliseconds since the epoch, as a template. Left out, the message's own, or else now."),
    acks: z
      .enum(['all', 'leader'])
      .default('all')
      .describe('Who must have stored a message: all replicas in sync, or the leader alone.'),
    compression: z
      .enum(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
      .default('none')
      .describe('How batches are compressed.'),
    idempotent: z
      .boolean()
      .default(true)
      .describe('Whether the broker recognises a batch that is sent again. Needs `acks: all`.'),
    transactional: z
      .boolean()
      .default(false)
      .describe('Whether messages and checkpoint are written in transactions, for effectively once.'),
    transactionTimeoutMs: z
      .int()
      .min(1000)
      .max(900_000)
      .default(60_000)
      .describe('After this time the broker aborts a transaction that was not ended.'),
    checkpointTopic: topicName
      .default('sluice-checkpoints')
      .describe('Topic that keeps the checkpoints of transactional sinks. Made when it does not exist.'),
    autoCreateTopics: z
      .boolean()
      .default(false)
      .describe('Whether topics that do not exist are created, where the cluster allows it.'),
    maxBatchBytes: z
      .int()
      .min(1024)
      .max(100_000_000)
      .default(1_000_000)
      .describe(
        'Size up to which messages of one partition are sent together. Keep it below `max.message.bytes` of the topic.',
      ),
    maxRequestBytes: z
      .int()
      .min(10_240)
      .max(1_000_000_000)
      .default(104_857_600)
      .describe('A message above it is refused. Brokers close the connection above `socket.request.max.bytes`.'),
  })
  .superRefine(({ acks, idempotent, transactional }, context) => {
    if (acks === 'leader' && idempotent)
      context.addIssue({ code: 'custom', path: ['acks'], message: '"leader" needs idempotent: false' });
    if (!idempotent && transactional)
      context.addIssue({ code: 'custom', path: ['idempotent'], message: 'must be true for a transactional sink' });
  })
  .meta({ examples: [{ brokers: ['localhost:9092'], topic: 'orders' }] });
