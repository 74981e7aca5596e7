import { isConnectorError, z } from '@sluice/core/driver';
import {
  checkConnection,
  connectionFields,
  type ModeSchema,
  type PostgresConnectionConfig,
  type PostgresConnectionSettings,
} from './config.js';
import { quotedTable } from './identifier.js';

/** A parsed config of `mode: cdc`. */
export interface CdcSourceSettings extends PostgresConnectionSettings {
  /** Changes as they are committed, by logical replication. */
  readonly mode: 'cdc';
  /** What to do about the rows that are there already. `never`: they are not read. */
  readonly snapshot: 'never';
  /** Name of the replication slot. One pipeline reads it at a time. */
  readonly slot: string;
  /** Name of the publication, which says what changes of which tables are read. */
  readonly publication: string;
  /**
   * Tables that the publication has to have: `orders`, `sales.orders`, `"with.dot"`. Left out, what it has is read, and `create`
   * makes one of all tables, for which the server asks for a superuser.
   */
  readonly tables?: readonly string[] | undefined;
  /** Whether to make the publication and the slot where they do not exist. Default false. */
  readonly create: boolean;
  /**
   * How often the server hears of this client, in milliseconds. Default 10,000; more often where the server's
   * `wal_sender_timeout` asks for it.
   */
  readonly statusIntervalMs: number;
}

/** Config of the source with `mode: cdc`; see {@link CdcSourceSettings} for each field. */
export type CdcSourceConfig = PostgresConnectionConfig &
  Pick<CdcSourceSettings, 'mode' | 'slot' | 'publication'> & {
    readonly [Field in 'snapshot' | 'tables' | 'create' | 'statusIntervalMs']?: CdcSourceSettings[Field] | undefined;
  };

const table = z.string().superRefine((text, context) => {
  try {
    quotedTable(text);
  } catch (error) {
    if (!isConnectorError(error)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
});

/** Schema of the source's config with `mode: cdc`. */
export const cdcConfig: ModeSchema<CdcSourceSettings, CdcSourceConfig> = z
  .strictObject({
    ...connectionFields,
    mode: z.literal('cdc').describe('`cdc`: changes as they are committed, by logical replication.'),
    snapshot: z
      .literal('never')
      .default('never')
      .describe('What to do about the rows that are there already. `never`: they are not read.'),
    slot: z
      .string()
      .regex(/^[a-z0-9_]{1,63}$/, 'must be lower-case letters, digits and "_", 63 at the most')
      .describe('Name of the replication slot. One pipeline reads it at a time.'),
    publication: z
      .string()
      .min(1)
      .max(63)
      .describe('Name of the publication, which says what changes of which tables are read.'),
    tables: z
      .array(table)
      .min(1)
      .optional()
      .describe('Tables that the publication has to have. Left out, what it has; `create` makes one of all tables.'),
    create: z
      .boolean()
      .default(false)
      .describe('Whether to make the publication and the slot where they do not exist.'),
    statusIntervalMs: z
      .int()
      .min(10)
      .max(3_600_000)
      .default(10_000)
      .describe('How often the server hears of this client; more often where its `wal_sender_timeout` asks for it.'),
  })
  .superRefine(checkConnection)
  .meta({
    examples: [{ url: 'postgresql://app@db.example/shop', mode: 'cdc', slot: 'sluice', publication: 'sluice' }],
  });
