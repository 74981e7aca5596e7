import type { Client } from 'pg';
import { type ColumnKind, type ToText, textWriter } from './column-text.js';
import { canonicalTexts, type IsCanonical } from './key-spelling.js';

/** A column that can be written. */
export interface TargetColumn {
  readonly name: string;
  /** As the server writes it: `numeric(10,2)`. */
  readonly type: string;
  readonly nullable: boolean;
  /** Whether it gets a value of its own where a row has none. */
  readonly hasDefault: boolean;
  /** Whether it is GENERATED ALWAYS AS IDENTITY: a new row may have a value for it, and no update may change that. */
  readonly isFixed: boolean;
  readonly toText: ToText;
  /** The same where the source has a text for what is JSON. */
  readonly jsonToText: ToText;
  readonly isCanonical: IsCanonical;
}

/** A table as it is now. */
export interface TargetTable {
  /** Its quoted name, with which it was looked for. */
  readonly name: string;
  readonly columns: ReadonlyMap<string, TargetColumn>;
  /** Columns that the server computes: what a message has for them is left out. */
  readonly generated: ReadonlySet<string>;
  /** Columns of the primary key, in its order; empty when there is none. */
  readonly primaryKey: readonly string[];
}

interface CatalogRow {
  readonly name: string | null;
  readonly type: string;
  readonly nullable: boolean;
  readonly has_default: boolean;
  readonly is_fixed: boolean;
  readonly is_generated: boolean;
  readonly is_array: boolean;
  readonly base_type: string;
  readonly is_deterministic: boolean;
  readonly primary_key: readonly string[];
}

/** A domain is written as its base type, an array as its items. The left join keeps a table without columns from looking missing. */
const catalogQuery = `
  SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
    a.atthasdef OR a.attidentity <> '' AS has_default, a.attidentity = 'a' AS is_fixed, a.attgenerated <> '' AS is_generated,
    base.typcategory = 'A' AS is_array, coalesce(item.typname, base.typname) AS base_type,
    coalesce("collation".collisdeterministic, true) AS is_deterministic,
    ARRAY(SELECT k.attname::text FROM pg_index i
      CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS part(number, place)
      JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = part.number
      WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY part.place) AS primary_key
  FROM pg_class c
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_collation "collation" ON "collation".oid = a.attcollation
  LEFT JOIN pg_type own ON own.oid = a.atttypid
  LEFT JOIN pg_type base ON base.oid = (
    WITH RECURSIVE made(type, of) AS (
      SELECT own.oid, own.typbasetype
      UNION ALL SELECT further.oid, further.typbasetype FROM made JOIN pg_type further ON further.oid = made.of)
    SELECT type FROM made WHERE of = 0)
  LEFT JOIN pg_type item ON item.oid = base.typelem AND base.typcategory = 'A'
  WHERE c.oid = to_regclass($1)
  ORDER BY a.attnum`;

/** Looks a table up by its quoted name; undefined when there is none. */
export async function findTable(client: Client, name: string): Promise<TargetTable | undefined> {
  const { rows } = await client.query<CatalogRow>(catalogQuery, [name]);
  const [first] = rows;
  if (first === undefined) return undefined;
  const columns = rows.flatMap((row) => (row.name === null || row.is_generated ? [] : [columnOf(row, row.name)]));
  return {
    name,
    columns: new Map(columns.map((column) => [column.name, column])),
    generated: new Set(rows.flatMap((row) => (row.is_generated && row.name !== null ? [row.name] : []))),
    primaryKey: first.primary_key,
  };
}

/**
 * How a column's values are written.
 *
 * @param type what the message's schema says that they are. What is JSON at its source comes as a text, so that digits and
 *   its null survive; the name of a domain tells only where the column has the same type.
 */
export function writerOf(column: TargetColumn, type: string | undefined): ToText {
  return type === column.type || (type !== undefined && /^jsonb?(?:\[\])?$/.test(type))
    ? column.jsonToText
    : column.toText;
}

function columnOf(row: CatalogRow, name: string): TargetColumn {
  const kind = kinds[row.base_type] ?? 'plain';
  return {
    name,
    type: row.type,
    nullable: row.nullable,
    hasDefault: row.has_default,
    isFixed: row.is_fixed,
    toText: textWriter(kind, row.is_array),
    jsonToText: textWriter(kind === 'json' ? 'json text' : kind, row.is_array),
    isCanonical: canonicalTexts({
      baseType: row.base_type,
      type: row.type,
      isArray: row.is_array,
      isDeterministic: row.is_deterministic,
    }),
  };
}

const kinds: Readonly<Record<string, ColumnKind>> = {
  json: 'json',
  jsonb: 'json',
  bytea: 'bytes',
  timestamptz: 'time',
  timestamp: 'time',
  date: 'time',
};
