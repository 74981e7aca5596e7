import { ConnectorError } from '@sluice/core/driver';
import { nameOfTable, quotedTable } from '../identifier.js';
import { type CatalogType, converterOf, typesSql } from '../rows/column-types.js';
import { keyOperatorsSql } from '../rows/key-operators.js';
import { blankRow } from '../rows/row.js';
import { type TableShape, typeNamesSql } from '../rows/table-shape.js';
import type { TextClient, TextColumn } from '../text-client.js';
import type { PolledSettings } from './polled-fields.js';

/** A column that rows are ordered by. */
export interface OrderColumn {
  readonly name: string;
  /** Place among the columns. */
  readonly index: number;
  /** As SQL names it. */
  readonly type: string;
}

/** Whether values of a type are points in time. */
export function isTime(type: string): boolean {
  return /^(timestamp|date)/.test(type);
}

/** What is polled, as the server knows it. */
export interface PollTarget {
  /** What stands after FROM. */
  readonly from: string;
  readonly columns: readonly TextColumn[];
  readonly shape: TableShape;
  /** The cursor first where there is one, then the key. */
  readonly order: readonly OrderColumn[];
  /** Whether a row tells the transaction that wrote it. */
  readonly hasTransaction: boolean;
}

/** Names of the columns that rows are ordered by. */
export function namesOf({ order }: PollTarget): string[] {
  return order.map(({ name }) => name);
}

interface Relation {
  readonly name: string;
  readonly quoted: string;
  readonly kind: string;
  readonly primaryKey: readonly string[];
  readonly required: readonly string[];
}

const relationSql = `
  select n.nspname as schema, c.relname as name, c.relkind as kind,
    (select coalesce(json_agg(a.attname order by array_position(i.indkey::int2[], a.attnum)), '[]')
      from pg_catalog.pg_index i join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey)
      where i.indrelid = c.oid and i.indisprimary) as "primaryKey",
    (select coalesce(json_agg(a.attname), '[]') from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attnotnull) as required
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = pg_catalog.to_regclass($1)`;

/**
 * Asks the server what it knows of a table or query.
 *
 * @throws {ConnectorError} `not_found` when the table or a column is missing, `config_invalid` when rows cannot be told apart
 */
export async function findTarget(client: TextClient, config: PolledSettings): Promise<PollTarget> {
  const relation = config.table === undefined ? undefined : await findRelation(client, config.table);
  // On lines of their own, because a query may end in a comment.
  const from = relation?.quoted ?? `(\n${config.query ?? ''}\n)`;
  const { columns } = await client.query(`select t.* from ${from} as t limit 0`, config.parameters);
  const names = new Set(columns.map(({ name }) => name));
  const key = config.key ?? relation?.primaryKey ?? [];
  const wanted = [...new Set([...(config.cursor === undefined ? [] : [config.cursor]), ...key])];
  const missing = wanted.filter((name) => !names.has(name));
  const what = relation === undefined ? 'the query' : relation.name;
  if (missing.length > 0)
    throw new ConnectorError(
      'not_found',
      `${what} has no column "${missing.join('", "')}". It has ${[...names].join(', ')}`,
    );
  if (key.length === 0)
    throw new ConnectorError(
      'config_invalid',
      `${what} has no primary key: name the columns that tell its rows apart in "key"`,
    );
  checkRequired(relation, key);
  const { shape, types } = await describe(client, { columns, key, relation, topic: config.topic });
  const order = wanted.map((name) => {
    const index = columns.findIndex((column) => column.name === name);
    return { name, index, type: types[index] ?? 'text' };
  });
  await client.query(keyOperatorsSql, [order.map(({ type }) => type), false]);
  return { from, columns, shape, order, hasTransaction: relation !== undefined && isTable(relation) };
}

async function findRelation(client: TextClient, table: string): Promise<Relation> {
  const quoted = quotedTable(table);
  const row = await client.one(relationSql, [quoted]);
  if (row === undefined)
    throw new ConnectorError(
      'not_found',
      `there is no table or view ${quoted}. Create it, or check the name and search_path`,
    );
  const name = nameOfTable(row['schema'] ?? '', row['name'] ?? '');
  const list = (text: string | null | undefined): readonly string[] => JSON.parse(text ?? '[]') as string[]; // json_agg of names
  return {
    name,
    quoted: quotedTable(name),
    kind: row['kind'] ?? '',
    primaryKey: list(row['primaryKey']),
    required: list(row['required']),
  };
}

/** Not a view, and not a materialized one, whose rows are all written anew from time to time. */
function isTable({ kind }: Relation): boolean {
  return kind === 'r' || kind === 'p';
}

/** A row whose key is null is neither before nor after any other, so pages would miss it. Of a view, nothing is known. */
function checkRequired(relation: Relation | undefined, key: readonly string[]): void {
  if (relation === undefined || !isTable(relation)) return;
  const nullable = key.filter((name) => !relation.required.includes(name));
  if (nullable.length === 0) return;
  throw new ConnectorError(
    'config_invalid',
    `column "${nullable.join('", "')}" of ${relation.name} may be null, so it cannot be part of "key". Declare it NOT NULL, or name others`,
  );
}

interface Description {
  readonly columns: readonly TextColumn[];
  readonly key: readonly string[];
  readonly relation: Relation | undefined;
  readonly topic: string | undefined;
}

async function describe(
  client: TextClient,
  { columns, key, relation, topic }: Description,
): Promise<{ readonly shape: TableShape; readonly types: readonly string[] }> {
  const ids = columns.map(({ typeId }) => typeId);
  const modifiers = columns.map(({ typeModifier }) => typeModifier);
  const named = await client.query(typeNamesSql, [ids, modifiers]);
  const types = named.rows.map(([name]) => name ?? 'text');
  const byId = new Map((await client.query(typesSql, [ids])).rows.map((row) => [Number(row[0]), typeOf(row)]));
  const topicName = topic ?? relation?.name ?? '';
  const shape: TableShape = {
    topic: topicName,
    schema: {
      name: topicName,
      fields: columns.map(({ name }, index) => ({
        name,
        type: types[index] ?? 'text',
        nullable: relation?.required.includes(name) !== true,
      })),
      key,
    },
    columns: columns.map(({ name, typeId }) => ({ name, convert: converterOf(typeId, byId), isIdentity: false })),
    keyColumns: key.map((name) => columns.findIndex((column) => column.name === name)),
    blank: blankRow(columns.map(({ name }) => name)),
    blankKey: blankRow(key),
  };
  return { shape, types };
}

/** A row of {@link typesSql}. */
function typeOf([id, element, base, delimiter]: readonly (string | null)[]): CatalogType {
  const number = (text: string | null | undefined): number | null => (text == null ? null : Number(text));
  return { id: Number(id), element: number(element), base: number(base), delimiter: delimiter ?? ',' };
}
