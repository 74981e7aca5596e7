import { isConnectorError, parseTemplate, TemplateText, z } from '@sluice/core/driver';
import { checkConnection, connectionFields, type PostgresConnectionSettings } from './config.js';
import { quotedTable } from './identifier.js';
import { isFieldPath, namesFieldOfPayload } from './writing/field-path.js';

/** How rows get into a table. */
export type WriteMode = 'append' | 'upsert' | 'mirror';

/** A parsed config of the sink. */
export interface PostgresSinkSettings extends PostgresConnectionSettings {
  /**
   * The table, or a template for it: `orders`, `sales.orders`, `{topic}`, `"with.dot"`. Case counts, and a name without a schema
   * is looked for along `search_path`.
   */
  readonly table: string;
  /**
   * `append` (default) inserts every message. `upsert` updates the row of the same `key`, and a null payload deletes it. `mirror`
   * does what happened to the row at its source: create, update (of the key, too), delete and truncate.
   */
  readonly mode: WriteMode;
  /** Columns that identify a row, for `upsert` and `mirror`; they need a unique index. Default: the table's primary key. */
  readonly key?: readonly string[] | undefined;
  /**
   * What goes into each column: `payload`, `payload.address.city`, `key`, `key.id`, `headers.name`, `topic`, `timestamp`,
   * `operation`. Left out, every field of the payload goes into the column of its name. `{ data: payload }` puts whole payloads
   * into one column, and those that are bytes go there untouched.
   */
  readonly columns?: Readonly<Record<string, string>> | undefined;
  /**
   * Whether a missing table is made, from the messages' schema or, where they have none, from the values of the first write. Default
   * false: writing to a missing table is `not_found`.
   */
  readonly create: boolean;
  /** `add-columns` adds columns that the messages have and the table lacks. Default `none`: such a message is invalid. */
  readonly evolve: 'none' | 'add-columns';
  /**
   * Whether the position of the source is stored in the same transaction as the rows, which makes a pipeline effectively once.
   * Default true. False commits every write by itself, on several connections where order allows.
   */
  readonly atomic: boolean;
  /** Table for those positions, made when it is missing. Default `sluice_positions`. */
  readonly positionsTable: string;
  /** Connections that write at the same time with `atomic: false`. Default 2: while one commits, the other is filled. */
  readonly maxConnections: number;
  /**
   * How long the server keeps a transaction open in which nothing happens, in milliseconds. Default 60,000. It ends those of a
   * machine that vanished, which would hold up whoever comes next; what it ends is written again.
   */
  readonly idleTimeoutMs: number;
}

/** Config of the sink; see {@link PostgresSinkSettings} for each field. */
export type PostgresSinkConfig = Pick<PostgresSinkSettings, 'table'> & {
  readonly [Field in keyof PostgresSinkSettings]?: PostgresSinkSettings[Field] | undefined;
};

const name = z.string().min(1);
const path = z
  .string()
  .refine(
    isFieldPath,
    'must be payload, payload.field, key, key.field, headers, headers.name, topic, timestamp or operation',
  );

/** Schema of the sink's config. */
export const sinkConfig: z.ZodType<PostgresSinkSettings, PostgresSinkConfig> = z
  .strictObject({
    ...connectionFields,
    table: TemplateText.describe('The table, or a template for it: `orders`, `sales.orders`, `{topic}`. Case counts.'),
    mode: z
      .enum(['append', 'upsert', 'mirror'])
      .default('append')
      .describe('Insert every message, update the row of the same `key`, or repeat what happened to the row.'),
    key: z
      .array(name)
      .min(1)
      .optional()
      .describe("Columns that identify a row, for `upsert` and `mirror`. Default: the table's primary key."),
    columns: z
      .record(name, path)
      .refine((columns) => Object.keys(columns).length > 0, 'must name a column')
      .optional()
      .describe(
        'What goes into each column: `payload`, `payload.field`, `key`, `headers.name`, `topic`, `timestamp`. Left out, fields of the payload go into columns of their names.',
      ),
    create: z.boolean().default(false).describe('Whether a missing table is made.'),
    evolve: z
      .enum(['none', 'add-columns'])
      .default('none')
      .describe('Whether columns that the messages have and the table lacks are added.'),
    atomic: z
      .boolean()
      .default(true)
      .describe("Whether the source's position is stored in the same transaction as the rows: effectively once."),
    positionsTable: name.default('sluice_positions').describe('Table for those positions, made when it is missing.'),
    maxConnections: z
      .int()
      .min(1)
      .max(100)
      .default(2)
      .describe('Connections that write at the same time with `atomic: false`.'),
    idleTimeoutMs: z
      .int()
      .min(1000)
      .max(86_400_000)
      .default(60_000)
      .describe(
        'How long the server keeps the transaction of a client that says nothing any more, and what it has locked.',
      ),
  })
  .superRefine((config, context) => {
    checkConnection(config, context);
    const { key, columns, mode } = config;
    for (const path of ['table', 'positionsTable'] as const) {
      const problem = tableProblem(config[path]);
      if (problem !== undefined) context.addIssue({ code: 'custom', path: [path], message: problem });
    }
    for (const [index, column] of (key ?? []).entries()) {
      if (columns === undefined || Object.hasOwn(columns, column)) continue;
      context.addIssue({ code: 'custom', path: ['key', index], message: `"${column}" is not among columns` });
    }
    if (key !== undefined && mode === 'append')
      context.addIssue({ code: 'custom', path: ['key'], message: 'means nothing with mode append; set mode: upsert' });
  })
  .meta({ examples: [{ url: 'postgresql://app@db.example/shop', table: 'orders', mode: 'upsert', key: ['id'] }] });

/** What is wrong with the name of a table; with a template, every message makes one of its own. */
function tableProblem(table: string): string | undefined {
  try {
    if (parseTemplate(table).fields.length === 0) quotedTable(table);
    return undefined;
  } catch (error) {
    // What is wrong with a template its own schema says.
    return isConnectorError(error) && error.code === 'message_invalid' ? error.message : undefined;
  }
}

/** Whether payloads have to arrive decoded: fields of them are needed, or make the table's name. */
export function needsStructure({ columns, table }: Pick<PostgresSinkSettings, 'columns' | 'table'>): boolean {
  if (columns === undefined || Object.values(columns).some(namesFieldOfPayload)) return true;
  return parseTemplate(table).fields.includes('payload');
}
