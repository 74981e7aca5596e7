import { z } from '@sluice/core/driver';
import {
  checkConnection,
  connectionFields,
  type ModeSchema,
  type PostgresConnectionConfig,
  type PostgresConnectionSettings,
} from '../config.js';
import { checkPolled, type PolledSettings, polledFields } from './polled-fields.js';

/** A parsed config of `mode: poll`. */
export interface PollSourceSettings extends PostgresConnectionSettings, PolledSettings {
  /** Rows of a table or a query, by asking again and again. */
  readonly mode: 'poll';
  /** `incremental` (default): the rows that are new or changed, by `cursor`. `full`: all rows, each time. */
  readonly refresh: 'incremental' | 'full';
  /** Whether to end when all that is there now is read. Default false. */
  readonly bounded: boolean;
  /** How long to wait before looking again when nothing was left to read, in milliseconds. Default 1,000. */
  readonly intervalMs: number;
}

type Optional = 'refresh' | 'bounded' | 'intervalMs' | keyof PolledSettings;

/** Config of the source with `mode: poll`; see {@link PollSourceSettings} for each field. */
export type PollSourceConfig = PostgresConnectionConfig &
  Pick<PollSourceSettings, 'mode'> & { readonly [Field in Optional]?: PollSourceSettings[Field] | undefined };

/** Schema of the source's config with `mode: poll`. */
export const pollConfig: ModeSchema<PollSourceSettings, PollSourceConfig> = z
  .strictObject({
    ...connectionFields,
    mode: z.literal('poll').describe('`poll`: rows of a table or a query, by asking again and again.'),
    ...polledFields,
    refresh: z
      .enum(['incremental', 'full'])
      .default('incremental')
      .describe('The rows that are new or changed by `cursor`, or all rows each time.'),
    bounded: z.boolean().default(false).describe('Whether to end when all that is there now is read.'),
    intervalMs: z
      .int()
      .min(1)
      .max(86_400_000)
      .default(1000)
      .describe('How long to wait before looking again when nothing was left to read.'),
  })
  .superRefine((config, context) => {
    checkConnection(config, context);
    checkPolled(config, context);
    const report = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    const isFull = config.refresh === 'full';
    if (!isFull && config.cursor === undefined) report('cursor', 'missing: refresh: incremental goes by it');
    if (isFull && config.cursor !== undefined) report('cursor', 'means nothing with refresh: full');
    if (isFull && config.lookback > 0) report('lookback', 'means nothing with refresh: full');
    if (isFull && config.start === 'latest') report('start', 'means nothing with refresh: full');
  })
  .meta({
    examples: [{ url: 'postgresql://app@db.example/shop', mode: 'poll', table: 'orders', cursor: 'updated_at' }],
  });
