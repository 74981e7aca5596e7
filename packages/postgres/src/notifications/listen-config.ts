import { z } from '@sluice/core/driver';
import {
  checkConnection,
  connectionFields,
  type ModeSchema,
  type PostgresConnectionConfig,
  type PostgresConnectionSettings,
} from '../config.js';
import { checkPolled, type PolledSettings, polledFields } from '../polling/polled-fields.js';

/** A parsed config of `mode: listen`. */
export interface ListenSourceSettings extends PostgresConnectionSettings, PolledSettings {
  /** Notifications. */
  readonly mode: 'listen';
  /** Channels to listen on. Case counts, as with `NOTIFY "Orders"`. */
  readonly channels: readonly string[];
  /**
   * Whether to put a trigger on `table` that notifies the first of `channels` when rows are inserted or updated. `sluice teardown`
   * removes it. Default false.
   */
  readonly install: boolean;
  /** With a table or query: how often to look without a notification, in milliseconds. Default 60,000. */
  readonly intervalMs: number;
  /** How often to ask whether the connection lives, in milliseconds; an answer may take as long. Default 10,000. */
  readonly pingIntervalMs: number;
  /**
   * Without a table or query: how many bytes of notifications wait for the pipeline before further ones are dropped. Default
   * 16 MiB. A queue on the server would stand in the way of everybody who notifies there.
   */
  readonly queueMaxBytes: number;
}

type Optional = 'install' | 'intervalMs' | 'pingIntervalMs' | 'queueMaxBytes' | keyof PolledSettings;

/** Config of the source with `mode: listen`; see {@link ListenSourceSettings} for each field. */
export type ListenSourceConfig = PostgresConnectionConfig &
  Pick<ListenSourceSettings, 'mode' | 'channels'> & {
    readonly [Field in Optional]?: ListenSourceSettings[Field] | undefined;
  };

/** Whether the rows of a table or query are what is read, so that notifications only say when. */
export function catchesUp({ table, query }: PolledSettings): boolean {
  return table !== undefined || query !== undefined;
}

const milliseconds = z.int().min(10).max(86_400_000);

/** Schema of the source's config with `mode: listen`. */
export const listenConfig: ModeSchema<ListenSourceSettings, ListenSourceConfig> = z
  .strictObject({
    ...connectionFields,
    mode: z.literal('listen').describe('`listen`: notifications, or rows as soon as a notification tells of them.'),
    channels: z
      .array(z.string().min(1).max(63))
      .min(1)
      .describe('Channels to listen on. Case counts, as with `NOTIFY "Orders"`.'),
    ...polledFields,
    install: z
      .boolean()
      .default(false)
      .describe('Whether to put a trigger on `table` that notifies the first channel of new and changed rows.'),
    intervalMs: milliseconds
      .default(60_000)
      .describe('With a table or query: how often to look without a notification.'),
    pingIntervalMs: milliseconds
      .default(10_000)
      .describe('How often to ask whether the connection lives; an answer may take as long.'),
    queueMaxBytes: z
      .int()
      .min(1)
      .max(1024 * 1024 * 1024)
      .default(16 * 1024 * 1024)
      .describe('Without a table or query: how much waits for the pipeline before further notifications are dropped.'),
  })
  .superRefine((config, context) => {
    checkConnection(config, context);
    const report = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (config.install && config.table === undefined) report('install', 'needs a table to put a trigger on');
    if (catchesUp(config)) {
      checkPolled(config, context);
      if (config.cursor === undefined) report('cursor', 'missing: the rows that are new or changed are found by it');
      return;
    }
    for (const field of ['cursor', 'key', 'topic'] as const)
      if (config[field] !== undefined) report(field, 'means nothing without table or query');
    if (config.parameters.length > 0) report('parameters', 'means nothing without query');
    if (config.lookback > 0) report('lookback', 'means nothing without table or query');
  })
  .meta({
    examples: [
      {
        url: 'postgresql://app@db.example/shop',
        mode: 'listen',
        channels: ['orders'],
        table: 'orders',
        cursor: 'updated_at',
      },
    ],
  });
