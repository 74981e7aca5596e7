import { z } from 'zod';

const positive = (description: string) => z.int().positive().exactOptional().describe(description);
const notNegative = (description: string) => z.int().nonnegative().exactOptional().describe(description);

const Endpoint = z.strictObject({
  connector: z
    .string()
    .min(1)
    .describe(
      'What to read or write with: `udp` is @sluice/udp or sluice-connector-udp; also a package name or ./path',
    ),
  config: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("The connector's own fields: see `sluice describe <connector>`"),
  codec: z
    .enum(['bytes', 'text', 'json', 'base64', 'change'])
    .exactOptional()
    .describe('How payloads become values and bytes; left out, bytes pass untouched and structure is JSON'),
});

const Transforms = z
  .array(z.string().min(1))
  .exactOptional()
  .describe('Modules that export `transform`, as paths relative to this file; run in this order');

const DeadLetter = Endpoint.extend({
  maxRatio: z
    .number()
    .min(0)
    .max(1)
    .exactOptional()
    .describe('Share of invalid messages above which the pipeline stops; 0.1'),
  window: positive('How many of the latest messages the share is taken of; 1000'),
});

const Branch = Endpoint.extend({
  transforms: Transforms,
  deadLetter: DeadLetter.exactOptional().describe("This sink's dead letters; the pipeline's when left out"),
});

/** What a pipeline file holds. Strict: an unknown key is an error. */
export const PipelineFile = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]{1,200}$/, {
      error: ({ input }) =>
        `must be letters, digits, ".", "_" or "-", 200 at the most, got ${JSON.stringify(input)}; it names files and tables`,
    })
    .describe('Names the checkpoint and what is kept outside; letters, digits, `.`, `_`, `-`'),
  source: Endpoint.exactOptional().describe('What is read; its id is `source`'),
  sources: z.record(z.string(), Endpoint).exactOptional().describe('Several sources by id, instead of `source`'),
  transforms: Transforms,
  sink: Endpoint.exactOptional().describe('What is written; its id is `sink`'),
  sinks: z
    .record(z.string(), Branch)
    .exactOptional()
    .describe('Several sinks by id, instead of `sink`; each gets every message'),
  deadLetter: DeadLetter.exactOptional().describe(
    'Where messages go that can never be written; left out, they stop the pipeline',
  ),
  onInvalid: z.literal('drop').exactOptional().describe('`drop`: invalid messages are counted and forgotten'),
  onPositionLost: z
    .enum(['earliest', 'latest'])
    .exactOptional()
    .describe('Where to go on when the stored position is lost; left out, the pipeline stops'),
  order: z
    .literal('none')
    .exactOptional()
    .describe('`none`: gives up order, so failed messages hold back no later ones'),
  checkpoints: z
    .union([
      z.literal('memory'),
      z.strictObject({ path: z.string().min(1).describe('Folder of the checkpoint files') }),
    ])
    .exactOptional()
    .describe('Where positions are kept that nobody else keeps; `{ path: .sluice/checkpoints }`, or `memory`'),
  batch: z
    .strictObject({
      maxMessages: positive("Messages of one write; the sink's preferred size"),
      maxBytes: positive("Bytes of one write; the sink's preferred size"),
      maxAgeMs: notNegative('How long a write may wait to fill, in milliseconds; 0'),
    })
    .exactOptional()
    .describe('How messages are gathered into writes'),
  flush: z
    .strictObject({
      intervalMs: positive('Milliseconds between flushes; 1000'),
      maxMessages: positive('Messages since the last flush; 500000'),
      maxBytes: positive('Bytes since the last flush; half of the budget'),
    })
    .exactOptional()
    .describe('When what was written is made durable and the checkpoint moves'),
  retry: z
    .strictObject({
      initialDelayMs: positive('Milliseconds before the second attempt; 100'),
      maxDelayMs: positive('Milliseconds between attempts at the most; 30000'),
      maxAttempts: positive('Attempts after which an unknown error is fatal; 10'),
    })
    .exactOptional()
    .describe('Exponential back-off with full jitter'),
  budget: z
    .strictObject({
      maxBytes: positive('Bytes held between source and sink; 67108864'),
      maxMessages: positive(
        'Messages held between source and sink; what the sinks prefer to have under way, at least 10000',
      ),
    })
    .exactOptional()
    .describe('How much may be held in memory'),
  rateLimit: z
    .strictObject({ messagesPerSecond: z.number().positive().describe('Messages per second to each sink') })
    .exactOptional()
    .describe('No limit when left out'),
  timeoutMs: positive('Milliseconds that one write or flush may take; 30000'),
  openTimeoutMs: positive('Milliseconds until a source or sink must have opened for the first time; 30000'),
  shutdownTimeoutMs: positive('Milliseconds that draining may take at shutdown; 25000'),
});

/** A pipeline file that was checked. */
export type PipelineFile = z.output<typeof PipelineFile>;
export type DeadLetterFields = z.output<typeof DeadLetter>;
export type BranchFields = z.output<typeof Branch>;
