import type { MessageSchema, SchemaField } from '@sluice/core/driver';
import type { Client } from 'pg';
import type { Relation } from '../changes/pgoutput.js';
import { nameOfTable } from '../identifier.js';
import { type CatalogType, type Convert, converterOf, typesSql } from './column-types.js';
import { blankRow, type Row } from './row.js';

/** What is needed to make messages of the rows of a table, as it looked when they were written. */
export interface TableShape {
  /** `schema.table`, as messages carry it. */
  readonly topic: string;
  readonly schema: MessageSchema;
  readonly columns: readonly ShapeColumn[];
  /** The columns that make the key of a message, by index and in the order of the key; empty when there is no key. */
  readonly keyColumns: readonly number[];
  /** See {@link blankRow}. */
  readonly blank: Readonly<Row>;
  /** The same of the columns of the key. */
  readonly blankKey: Readonly<Row>;
}

export interface ShapeColumn {
  readonly name: string;
  readonly convert: Convert;
  /** Whether the server sends it with an old row of which it sends only the replica identity. */
  readonly isIdentity: boolean;
}

/** Names of types as columns have them, by ids and modifiers, in their order. */
export const typeNamesSql = `
  select pg_catalog.format_type(type, modifier) as name
  from unnest($1::oid[], $2::int4[]) with ordinality as wanted(type, modifier, place) order by place`;

const columnsSql = `
  select a.attname as name, a.attnotnull as required, array_position(i.indkey::int2[], a.attnum)::int4 as place
  from pg_catalog.pg_attribute a
  left join pg_catalog.pg_index i on i.indrelid = a.attrelid and i.indisprimary
  where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped`;

interface CatalogColumn {
  readonly name: string;
  readonly required: boolean;
  /** Place in the primary key. */
  readonly place: number | null;
}

/**
 * Asks the catalog for what the stream does not tell: names of types, what arrays and domains are made of, NOT NULL, and the
 * primary key. The catalog tells how the table is now; where that no longer fits the rows, the stream wins.
 */
export async function shapeOf(client: Client, relation: Relation): Promise<TableShape> {
  const ids = relation.columns.map(({ typeId }) => typeId);
  const modifiers = relation.columns.map(({ typeModifier }) => typeModifier);
  const types = await client.query<CatalogType>(typesSql, [ids]);
  const names = await client.query<{ name: string }>(typeNamesSql, [ids, modifiers]);
  const known = await client.query<CatalogColumn>(columnsSql, [relation.id]);
  const byId = new Map(types.rows.map((type) => [type.id, type]));
  const byName = new Map(known.rows.map((column) => [column.name, column]));
  const keyColumns = keyOf(relation, byName);
  const key = keyColumns.map((index) => relation.columns[index]?.name ?? '');
  const topic = nameOfTable(relation.schema, relation.name);
  const fields: SchemaField[] = relation.columns.map(({ name }, index) => ({
    name,
    type: names.rows[index]?.name ?? 'text',
    nullable: byName.get(name)?.required !== true,
  }));
  return {
    topic,
    schema: { name: topic, fields, key },
    columns: relation.columns.map(({ name, typeId, isKey }) => ({
      name,
      convert: converterOf(typeId, byId),
      isIdentity: isKey,
    })),
    keyColumns,
    blank: blankRow(relation.columns.map(({ name }) => name)),
    blankKey: blankRow(key),
  };
}

/**
 * The replica identity, because it is all that is known of a deleted row; of a table that sends whole rows, the primary key.
 */
function keyOf({ columns, replicaIdentity }: Relation, catalog: ReadonlyMap<string, CatalogColumn>): number[] {
  const indexes = [...columns.keys()];
  const placeOf = (index: number): number | undefined => catalog.get(columns[index]?.name ?? '')?.place ?? undefined;
  const primary = indexes
    .filter((index) => placeOf(index) !== undefined)
    .sort((a, b) => (placeOf(a) ?? 0) - (placeOf(b) ?? 0));
  if (replicaIdentity === 'f') {
    const length = [...catalog.values()].filter(({ place }) => place !== null).length;
    return primary.length === length ? primary : []; // a part of the key is not published
  }
  const identity = indexes.filter((index) => columns[index]?.isKey);
  const isPrimary = identity.length === primary.length && identity.every((index) => primary.includes(index));
  return isPrimary ? primary : identity;
}
