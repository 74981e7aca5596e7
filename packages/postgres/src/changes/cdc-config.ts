import { z } from '@sluice/core/driver';
import {
  checkConnection,
  connectionFields,
  type ModeSchema,
  type PostgresConnectionConfig,
  type PostgresConnectionSettings,
} from '../config.js';
import { tableName } from '../table-name.js';

/** What every parsed config of `mode: cdc` has. */
interface CdcSettings extends PostgresConnectionSettings {
  readonly mode: 'cdc';
  /** About how many rows a chunk of a table has; a table has 256 chunks at the most. Default 250,000. */
  readonly snapshotChunkRows: number;
  /** How many chunks are read at the same time, each over a connection of its own. Default 4. */
  readonly snapshotConnections: number;
}

/** A parsed config that reads changes, by logical replication. */
export interface ChangesSettings extends CdcSettings {
  /** `initial` (the default): the rows that are there are read first, then their changes. `never`: changes only. */
  readonly snapshot: 'initial' | 'never';
  /** Name of the replication slot. One pipeline reads it at a time. */
  readonly slot: string;
  /** Name of the publication, which says what rows and changes of which tables are read. */
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

/** A parsed config that reads the rows that are there and ends. It needs neither slot nor publication. */
export interface SnapshotSettings extends CdcSettings {
  readonly snapshot: 'only';
  /** Tables and views to read: `orders`, `sales.orders`, `"with.dot"`. */
  readonly tables: readonly string[];
}

/** A parsed config of `mode: cdc`. */
export type CdcSourceSettings = ChangesSettings | SnapshotSettings;

type Optional<Settings, Field extends keyof Settings> = {
  readonly [Name in Field]?: Settings[Name] | undefined;
};
type Common = PostgresConnectionConfig &
  Pick<CdcSettings, 'mode'> &
  Optional<CdcSettings, 'snapshotChunkRows' | 'snapshotConnections'>;

/** Config that reads changes, and before them the rows that are there; see {@link ChangesSettings} for each field. */
export type ChangesConfig = Common &
  Pick<ChangesSettings, 'slot' | 'publication'> &
  Optional<ChangesSettings, 'snapshot' | 'tables' | 'create' | 'statusIntervalMs'>;

/** Config that reads the rows that are there and ends; see {@link SnapshotSettings} for each field. */
export type SnapshotConfig = Common & Pick<SnapshotSettings, 'snapshot' | 'tables'>;

/** Config of the source with `mode: cdc`. */
export type CdcSourceConfig = ChangesConfig | SnapshotConfig;

/** What the kind of snapshot asks for. */
function checkSnapshot(
  config: { readonly [Field in 'snapshot' | 'slot' | 'publication' | 'tables']?: unknown },
  context: z.core.$RefinementCtx,
): void {
  const isOnly = config.snapshot === 'only';
  for (const name of ['slot', 'publication'] as const) {
    if ((config[name] === undefined) === isOnly) continue;
    const message = isOnly ? 'is for changes, which snapshot "only" does not read: leave it out' : 'is required';
    context.addIssue({ code: 'custom', path: [name], message });
  }
  if (isOnly && config.tables === undefined)
    context.addIssue({ code: 'custom', path: ['tables'], message: 'is required with snapshot "only"' });
}

const fields = z
  .strictObject({
    ...connectionFields,
    mode: z.literal('cdc').describe('`cdc`: changes as they are committed, by logical replication.'),
    snapshot: z
      .enum(['initial', 'only', 'never'])
      .default('initial')
      .describe(
        'The rows that are there already. `initial`: they are read first, then their changes. `only`: they are read, and that is all. `never`: changes only.',
      ),
    slot: z
      .string()
      .regex(/^[a-z0-9_]{1,63}$/, 'must be lower-case letters, digits and "_", 63 at the most')
      .optional()
      .describe('Name of the replication slot, unless `snapshot` is `only`. One pipeline reads it at a time.'),
    publication: z
      .string()
      .min(1)
      .max(63)
      .optional()
      .describe('Name of the publication, unless `snapshot` is `only`. It says what of which tables is read.'),
    tables: z
      .array(tableName)
      .min(1)
      .optional()
      .describe(
        'Tables that the publication has to have; with `only`, what is read. Left out, what the publication has; `create` makes one of all tables.',
      ),
    create: z
      .boolean()
      .default(false)
      .describe('Whether to make the publication and the slot where they do not exist.'),
    statusIntervalMs: z
      .int()
      .min(10)
      .max(3_600_000)
      .default(10_000)
      .describe(
        'How often the server hears of this client; more often where its `wal_sender_timeout` asks for it. For this connection `wal_sender_timeout` is set to four intervals, and 5 s at least, where it is longer or off. A server that has said nothing for three intervals is taken for gone, which with less than 1300 may be one that decodes a long transaction of other tables.',
      ),
    snapshotChunkRows: z
      .int()
      .min(1)
      .max(1_000_000_000)
      .default(250_000)
      .describe('About how many rows a chunk of a table has; a table has 256 chunks at the most.'),
    snapshotConnections: z
      .int()
      .min(1)
      .max(100)
      .default(4)
      .describe('How many chunks are read at the same time, each over a connection of its own.'),
  })
  .superRefine(checkConnection)
  .superRefine(checkSnapshot)
  .meta({
    examples: [{ url: 'postgresql://app@db.example/shop', mode: 'cdc', slot: 'sluice', publication: 'sluice' }],
  });

/** Schema of the source's config with `mode: cdc`. */
// Which fields belong together is checked above, where types do not see it.
export const cdcConfig = fields as unknown as ModeSchema<CdcSourceSettings, CdcSourceConfig>;
