import { z } from '@sluice/core/driver';
import { connectionFields, type KafkaConnectionConfig, type KafkaConnectionSettings } from './config.js';

/** Where to begin in a partition of which no position is known. */
export type KafkaStart =
  | 'earliest'
  | 'latest'
  /** The first message that is not older: milliseconds since the epoch, or an ISO time. */
  | { readonly timestamp: number | string }
  /** The same offset in every partition. */
  | { readonly offset: number };

/** A partition that is read by name. */
export interface KafkaPartition {
  readonly topic: string;
  readonly partition: number;
  /** Where to begin in it, instead of `start`. */
  readonly offset?: number | undefined;
}

/** A parsed config of the source. */
export interface KafkaSourceSettings extends KafkaConnectionSettings {
  /** Topics to read. This, `topicPattern` or `partitions`. */
  readonly topics?: readonly string[] | undefined;
  /** Regular expression for the whole name of topics to read, those included that appear while it runs. */
  readonly topicPattern?: string | undefined;
  /** Partitions to read, and no others. Not together with `groupId`. */
  readonly partitions?: readonly KafkaPartition[] | undefined;
  /**
   * Consumer group that shares the partitions among its members and keeps the positions. Left out, this source reads all
   * partitions itself, and the engine keeps the positions.
   */
  readonly groupId?: string | undefined;
  /** Name of this member, the same after a restart: the group then waits `sessionTimeoutMs` for it instead of rebalancing. */
  readonly groupInstanceId?: string | undefined;
  /** Where to begin in a partition without a position. Default `earliest`, with which nothing is missed. */
  readonly start: KafkaStart;
  /** Whether to end at the messages that are there when it opens. Default false: it goes on as messages come. */
  readonly bounded: boolean;
  /** Which messages of transactions are read. Default `read_committed`: not those of open and aborted ones. */
  readonly isolation: 'read_committed' | 'read_uncommitted';
  /** After how long without a sign of life the group takes the partitions of a member, in milliseconds. Default 30,000. */
  readonly sessionTimeoutMs: number;
  /** How often a member gives a sign of life, in milliseconds. Default 3,000: ten may be lost. */
  readonly heartbeatIntervalMs: number;
  /**
   * How long a member may take to finish what it holds of a partition that moves to another one, and how long the group waits
   * for its members, in milliseconds. Default 60,000: above the 25 s after which a pipeline gives up draining.
   */
  readonly rebalanceTimeoutMs: number;
  /** How often new topics and partitions are looked for, in milliseconds. Default 30,000. */
  readonly refreshIntervalMs: number;
  /**
   * How long a broker waits for messages before it answers with none, in milliseconds; a partition that is new to the source may
   * wait as long. Default 500.
   */
  readonly maxWaitMs: number;
  /** How many bytes a broker gathers before it answers, unless `maxWaitMs` has passed. Default 1: no wait. */
  readonly minBytes: number;
}

/** Config of the source; see {@link KafkaSourceSettings} for each field. */
export type KafkaSourceConfig = KafkaConnectionConfig & {
  readonly [Field in keyof KafkaSourceSettings]?: KafkaSourceSettings[Field] | undefined;
};

const topicName = z
  .string()
  .max(249)
  .regex(/^[A-Za-z0-9._-]+$/, 'must be a name of a topic: letters, digits, ".", "_" and "-"');
const offset = z.int().min(0);

const start: z.ZodType<KafkaStart, KafkaStart> = z.union([
  z.enum(['earliest', 'latest']),
  z.strictObject({
    timestamp: z
      .union([z.int().min(0), z.iso.datetime({ offset: true })])
      .describe('The first message that is not older: milliseconds since the epoch, or an ISO time.'),
  }),
  z.strictObject({ offset: offset.describe('The same offset in every partition.') }),
]);

const partition: z.ZodType<KafkaPartition, KafkaPartition> = z.strictObject({
  topic: topicName.describe('Name of the topic.'),
  partition: z.int().min(0).describe('Number of the partition.'),
  offset: offset.optional().describe('Where to begin in it, instead of `start`.'),
});

const milliseconds = z.int().min(1).max(86_400_000);

/** Schema of the source's config. */
export const sourceConfig: z.ZodType<KafkaSourceSettings, KafkaSourceConfig> = z
  .strictObject({
    ...connectionFields,
    topics: z.array(topicName).min(1).optional().describe('Topics to read. This, `topicPattern` or `partitions`.'),
    topicPattern: z
      .string()
      .min(1)
      .refine(isPattern, 'must be a regular expression')
      .optional()
      .describe('Regular expression for the whole name of topics, those included that appear while it runs.'),
    partitions: z
      .array(partition)
      .min(1)
      .optional()
      .describe('Partitions to read, and no others. Not together with `groupId`.'),
    groupId: z
      .string()
      .min(1)
      .optional()
      .describe('Consumer group that shares the partitions and keeps the positions. Left out, the engine keeps them.'),
    groupInstanceId: z
      .string()
      .min(1)
      .max(249)
      .optional()
      .describe('Name of this member, the same after a restart: the group then waits for it instead of rebalancing.'),
    start: start
      .default('earliest')
      .describe('Where to begin without a position: `earliest`, `latest`, `{ timestamp }` or `{ offset }`.'),
    bounded: z.boolean().default(false).describe('Whether to end at the messages that are there when it opens.'),
    isolation: z
      .enum(['read_committed', 'read_uncommitted'])
      .default('read_committed')
      .describe('Whether messages of open and aborted transactions are read, too.'),
    sessionTimeoutMs: milliseconds
      .default(30_000)
      .describe('After how long without a sign of life the group takes the partitions of a member.'),
    heartbeatIntervalMs: milliseconds.default(3000).describe('How often a member gives a sign of life.'),
    rebalanceTimeoutMs: milliseconds
      .default(60_000)
      .describe('How long a member may take to finish what it holds of a partition that moves to another one.'),
    refreshIntervalMs: milliseconds.default(30_000).describe('How often new topics and partitions are looked for.'),
    maxWaitMs: z
      .int()
      .min(1)
      .max(10_000)
      .default(500)
      .describe('How long a broker waits for messages before it answers with none.'),
    minBytes: z
      .int()
      .min(1)
      .max(1024 * 1024 * 1024)
      .default(1)
      .describe('How many bytes a broker gathers before it answers, unless `maxWaitMs` has passed.'),
  })
  .superRefine((config, context) => {
    const { topics, topicPattern, partitions, groupId, groupInstanceId, sessionTimeoutMs, heartbeatIntervalMs } =
      config;
    const report = (path: string[], message: string): void => context.addIssue({ code: 'custom', path, message });
    const chosen = [topics, topicPattern, partitions].filter((field) => field !== undefined);
    if (chosen.length !== 1) report([], 'give exactly one of topics, topicPattern and partitions');
    if (partitions !== undefined && groupId !== undefined)
      report(['partitions'], 'a group chooses the partitions itself; leave groupId or partitions out');
    if (groupInstanceId !== undefined && groupId === undefined) report(['groupInstanceId'], 'needs a groupId');
    if (heartbeatIntervalMs * 2 > sessionTimeoutMs)
      report(['heartbeatIntervalMs'], 'must be at most half of sessionTimeoutMs');
  })
  .meta({ examples: [{ brokers: ['localhost:9092'], topics: ['orders'], groupId: 'warehouse' }] });

function isPattern(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}
