import { z } from '@sluice/core/driver';
import { tableName } from '../table-name.js';

/** A value for a parameter of a query. The server reads its text as the type that the query wants there. */
export type QueryParameter = string | number | boolean | null;

/** What is polled, parsed. */
export interface PolledSettings {
  /** The table or view to read: `orders`, `sales.orders`, `"with.dot"`. This or `query`. */
  readonly table?: string | undefined;
  /** A SELECT to read instead of a table, with `$1`, `$2` for `parameters`. It becomes a part of a larger one, so it ends without `;`. */
  readonly query?: string | undefined;
  /** Values for `$1`, `$2` and so on of `query`. They are bound, and never become SQL. Default none. */
  readonly parameters: readonly QueryParameter[];
  /** Topic of the messages. Default: `schema.table`; none with `query`. */
  readonly topic?: string | undefined;
  /**
   * Column that is larger in a row that is new or changed than in those before: a time of change, a serial number. Rows where
   * it is null are not read.
   */
  readonly cursor?: string | undefined;
  /**
   * Columns that tell rows with the same cursor apart; they are never null, and become the key of the messages. Default: the
   * primary key of the table.
   */
  readonly key?: readonly string[] | undefined;
  /**
   * How far below cursor values that were read rows may still appear, for cursors that are not drawn in order (clocks of clients,
   * sequences with a cache): in units of the cursor, milliseconds for times. Default 0.
   */
  readonly lookback: number;
  /** Where to begin without a position. Default `earliest`: with all rows. `latest`: with those that come from now on. */
  readonly start: 'earliest' | 'latest';
}

const column = z.string().min(1).max(63);

/** Fields that the schemas of all modes that poll have. */
export interface PolledFields {
  readonly table: z.ZodOptional<z.ZodString>;
  readonly query: z.ZodOptional<z.ZodString>;
  readonly parameters: z.ZodDefault<z.ZodArray<z.ZodType<QueryParameter, QueryParameter>>>;
  readonly topic: z.ZodOptional<z.ZodString>;
  readonly cursor: z.ZodOptional<z.ZodString>;
  readonly key: z.ZodOptional<z.ZodArray<z.ZodString>>;
  readonly lookback: z.ZodDefault<z.ZodNumber>;
  readonly start: z.ZodDefault<z.ZodType<'earliest' | 'latest', 'earliest' | 'latest'>>;
}

/** See {@link PolledSettings}. */
export const polledFields: PolledFields = {
  table: tableName.optional().describe('The table or view to read: `orders`, `sales.orders`. This or `query`.'),
  query: z
    .string()
    .min(1)
    .optional()
    .describe('A SELECT to read instead of a table, without `;` at its end: `select * from orders where region = $1`.'),
  parameters: z
    .array(z.union([z.string(), z.number(), z.boolean(), z.null()]))
    .default([])
    .describe('Values for `$1`, `$2` and so on of `query`. They are bound, and never become SQL.'),
  topic: z.string().min(1).optional().describe('Topic of the messages. Default: `schema.table`; none with `query`.'),
  cursor: column
    .optional()
    .describe(
      'Column that is larger in a row that is new or changed than in those before: a time of change, a serial number.',
    ),
  key: z
    .array(column)
    .min(1)
    .optional()
    .describe('Columns that tell rows with the same cursor apart, and key of the messages. Default: the primary key.'),
  lookback: z
    .number()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .default(0)
    .describe(
      'How far below cursor values that were read rows may still appear: in units of the cursor, milliseconds for times.',
    ),
  start: z
    .enum(['earliest', 'latest'])
    .default('earliest')
    .describe('Where to begin without a position: with all rows, or with those that come from now on.'),
};

/** What of {@link PolledSettings} does not fit together. */
export function checkPolled(config: PolledSettings, context: z.core.$RefinementCtx): void {
  const { table, query, key, parameters } = config;
  const report = (path: string[], message: string): void => context.addIssue({ code: 'custom', path, message });
  if ((table === undefined) === (query === undefined)) report([], 'give either table or query');
  if (query !== undefined && key === undefined)
    report(['key'], 'missing: a query has no primary key, so name the columns that tell its rows apart');
  if (table !== undefined && parameters.length > 0) report(['parameters'], 'means nothing with table');
}
