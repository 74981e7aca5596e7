import { z } from 'zod';
import type { SinkCapabilities, SourceCapabilities } from '../capabilities.js';

/** Fields that may be left out or undefined. */
type Optional<T> = { readonly [Name in keyof T]?: T[Name] | undefined };

/** A parsed config of the memory source. */
export interface MemorySourceConfig {
  /** Name of the stream in the system. */
  readonly stream: string;
  /** Name of the group that reads. Default: the name of the pipeline. */
  readonly group?: string | undefined;
  /**
   * `single`: one partition, named "". `fixed` (default): those that are there when it is opened. `assigned`: those that the group gives
   * to this member.
   */
  readonly partitions: 'single' | 'fixed' | 'assigned';
  /** Who keeps the position. Default `engine`. */
  readonly position: SourceCapabilities['position'];
  /**
   * Whether it can be read again from an earlier position. Default true. False with `position: source` makes a queue, where
   * uncommitted messages come again and committed ones never do.
   */
  readonly replayable: boolean;
  /** Default `partition`. */
  readonly order: SourceCapabilities['order'];
  /** Whether a partition ends when all that is there was read. Default false. */
  readonly bounded: boolean;
  /** How many messages may be uncommitted. Left out: no limit. */
  readonly window?: number | undefined;
  /** Whether the messages carry operations. Default false. */
  readonly changes: boolean;
  /** Whether every message has a key that identifies it. Default true. */
  readonly keyed: boolean;
  /** Whether the driver has `commit`. Default: unless nobody keeps the position. */
  readonly commits?: boolean | undefined;
  /** Whether a commit lets the stream forget, so that nothing before it can be read. Default false. */
  readonly discardCommitted: boolean;
  /** Whether batches can settle in part. Default true. */
  readonly positionAt: boolean;
  /** Whether batches tell how many messages wait behind them. Default true. */
  readonly lag: boolean;
  /** Where to read when there is no position. Default `earliest`. */
  readonly start: 'earliest' | 'latest';
  /** How many messages a batch holds at most. Left out: what the engine asks for. */
  readonly batchMessages?: number | undefined;
}

/** What a user writes for a memory source. */
export type MemorySourceInput = Pick<MemorySourceConfig, 'stream'> & Optional<MemorySourceConfig>;

/** The schema of {@link MemorySourceConfig}. */
export const memorySourceConfig: z.ZodType<MemorySourceConfig, MemorySourceInput> = z
  .strictObject({
    stream: z.string().min(1).describe('Name of the stream in the system.'),
    group: z
      .string()
      .min(1)
      .optional()
      .describe('Name of the group that reads; the name of the pipeline when left out.'),
    partitions: z.enum(['single', 'fixed', 'assigned']).default('fixed').describe('Which partitions it reads.'),
    position: z.enum(['source', 'engine', 'none']).default('engine').describe('Who keeps the position.'),
    replayable: z.boolean().default(true).describe('Whether it can be read again from an earlier position.'),
    order: z
      .enum(['partition', 'none'])
      .default('partition')
      .describe('Whether the order inside a partition is promised.'),
    bounded: z.boolean().default(false).describe('Whether a partition ends when all that is there was read.'),
    window: z.int().positive().optional().describe('How many messages may be uncommitted.'),
    changes: z.boolean().default(false).describe('Whether the messages carry operations.'),
    keyed: z.boolean().default(true).describe('Whether every message has a key that identifies it.'),
    commits: z
      .boolean()
      .optional()
      .describe('Whether the driver has commit; unless nobody keeps the position when left out.'),
    discardCommitted: z.boolean().default(false).describe('Whether a commit lets the stream forget.'),
    positionAt: z.boolean().default(true).describe('Whether batches can settle in part.'),
    lag: z.boolean().default(true).describe('Whether batches tell how many messages wait behind them.'),
    start: z.enum(['earliest', 'latest']).default('earliest').describe('Where to read when there is no position.'),
    batchMessages: z.int().positive().optional().describe('How many messages a batch holds at most.'),
  })
  .refine(({ position, replayable }) => position !== 'engine' || replayable, {
    path: ['replayable'],
    message: 'must be true when the engine keeps the position',
  })
  .refine(({ position, commits }) => position !== 'none' || commits !== true, {
    path: ['commits'],
    message: 'must not be true when nobody keeps the position',
  });

/** A parsed config of the memory sink. */
export interface MemorySinkConfig {
  /** Name of the destination in the system. */
  readonly destination: string;
  /** Whether `flush` stores the checkpoint together with the data. Default false. */
  readonly atomic: boolean;
  /** Whether the driver has `flush`; without it a write is durable at once. Default: when atomic. */
  readonly flush?: boolean | undefined;
  /** Whether a key that is written twice counts once. Default false. */
  readonly idempotent: SinkCapabilities['idempotent'];
  /** Which writes may be under way at the same time. Default `none`. */
  readonly overlap: SinkCapabilities['overlap'];
  /** What payloads it takes. Default `bytes`. */
  readonly payload: SinkCapabilities['payload'];
  /** Whether it takes operations. Default false. */
  readonly changes: boolean;
  /**
   * What becomes of written messages when the flush fails, the driver is closed or the instance crashes. Default `lost`; always so
   * when atomic.
   */
  readonly unflushed: 'lost' | 'stored';
  /** The size of write that it asks for. Default: 100 messages, 1 MiB, 4 under way. */
  readonly preferred: SinkCapabilities['preferred'];
  /** What a write must not exceed. Default: nothing. */
  readonly limits?: { readonly maxMessages?: number | undefined; readonly maxBytes?: number | undefined } | undefined;
}

/** What a user writes for a memory sink. */
export type MemorySinkInput = Pick<MemorySinkConfig, 'destination'> &
  Optional<Omit<MemorySinkConfig, 'preferred'>> & {
    readonly preferred?: Optional<MemorySinkConfig['preferred']> | undefined;
  };

/** The schema of {@link MemorySinkConfig}. */
export const memorySinkConfig: z.ZodType<MemorySinkConfig, MemorySinkInput> = z
  .strictObject({
    destination: z.string().min(1).describe('Name of the destination in the system.'),
    atomic: z.boolean().default(false).describe('Whether flush stores the checkpoint together with the data.'),
    flush: z.boolean().optional().describe('Whether the driver has flush; when atomic if left out.'),
    idempotent: z
      .union([z.literal('key'), z.literal(false)])
      .default(false)
      .describe('Whether a key that is written twice counts once.'),
    overlap: z
      .enum(['none', 'partitions', 'ordered'])
      .default('none')
      .describe('Which writes may be under way at the same time.'),
    payload: z.enum(['bytes', 'value']).default('bytes').describe('What payloads it takes.'),
    changes: z.boolean().default(false).describe('Whether it takes operations.'),
    unflushed: z
      .enum(['lost', 'stored'])
      .default('lost')
      .describe('What becomes of written messages that are not flushed.'),
    preferred: z
      .strictObject({
        maxMessages: z.int().positive().default(100).describe('Messages of one write.'),
        maxBytes: z.int().positive().default(1_048_576).describe('Bytes of one write.'),
        maxInFlight: z.int().positive().default(4).describe('Writes under way at the same time.'),
      })
      .prefault({})
      .describe('The size of write that it asks for.'),
    limits: z
      .strictObject({
        maxMessages: z.int().positive().optional().describe('Messages of one write.'),
        maxBytes: z.int().positive().optional().describe('Bytes of one write.'),
      })
      .optional()
      .describe('What a write must not exceed.'),
  })
  .refine(({ atomic, flush }) => !atomic || flush !== false, {
    path: ['flush'],
    message: 'must not be false when atomic',
  });
