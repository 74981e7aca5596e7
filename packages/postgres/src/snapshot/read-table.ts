import type { Client } from 'pg';
import type { Relation, RelationColumn } from '../changes/pgoutput.js';
import { quoted } from '../identifier.js';
import { shapeOf, type TableShape } from '../rows/table-shape.js';
import type { KeyColumn } from './snapshot-plan.js';

/** What is read of tables: what a publication publishes of them, or all of it. */
export interface ReadScope {
  readonly publication: string | undefined;
}

/** A table as a snapshot reads it. */
export interface ReadTable {
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  /** As `pg_class` has it: `r` for a table, `p` for a partitioned one, `v` for a view, and more. */
  readonly kind: string;
  readonly replicaIdentity: string;
  /** Columns that are published; null: all that there are. */
  readonly columns: readonly string[] | null;
  /** Condition of the publication for rows, as SQL of the server; null: all rows are published. */
  readonly filter: string | null;
  /** Whether generated columns are read that `columns` has: servers before 16 name them there, and publish none. */
  readonly hasGenerated: boolean;
}

// Through jsonb, because servers before 15 have no such columns.
const publishedSql = `
  select c.oid::int8::float8 as id, n.nspname as schema, c.relname as name, c.relkind::text as kind, c.relreplident::text as "replicaIdentity",
    to_jsonb(t) -> 'attnames' as columns, to_jsonb(t) ->> 'rowfilter' as filter,
    current_setting('server_version_num')::int4 >= 160000 as "hasGenerated"
  from pg_catalog.pg_publication_tables t
  join pg_catalog.pg_namespace n on n.nspname = t.schemaname
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
  where t.pubname = $1 and ($2::int8 is null or c.oid = $2::int8::oid) order by 2, 3`;

// Without a publication the primary key is the key, as with a replica identity that is the whole row.
const namedSql = `
  select c.oid::int8::float8 as id, n.nspname as schema, c.relname as name, c.relkind::text as kind, 'f' as "replicaIdentity",
    null as columns, null as filter, true as "hasGenerated"
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = $1::int8::oid`;

/** The tables of a publication. */
export async function publishedTables(client: Client, publication: string): Promise<readonly ReadTable[]> {
  return (await client.query<ReadTable>(publishedSql, [publication, null])).rows;
}

/** One table; undefined when it is gone, or not published any more. */
export async function readTable(client: Client, id: number, scope: ReadScope): Promise<ReadTable | undefined> {
  const { publication } = scope;
  const found =
    publication === undefined
      ? await client.query<ReadTable>(namedSql, [id])
      : await client.query<ReadTable>(publishedSql, [publication, id]);
  return found.rows[0];
}

/** The table in a query: its own rows, without those of tables that inherit from it. */
export function fromTable({ schema, name, kind }: ReadTable): string {
  return `${kind === 'r' ? 'only ' : ''}${quoted(schema)}.${quoted(name)}`;
}

const columnsSql = `
  select a.attname as name, a.atttypid::int8::float8 as "typeId", a.atttypmod as "typeModifier",
    $2 = 'f' or coalesce(a.attnum = any(i.indkey), false) as "isKey",
    quote_ident(tn.nspname) || '.' || quote_ident(t.typname) as type,
    case when a.attcollation not in (0, 100) then quote_ident(cn.nspname) || '.' || quote_ident(c.collname) end as collation
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  left join pg_catalog.pg_collation c on c.oid = a.attcollation
  left join pg_catalog.pg_namespace cn on cn.oid = c.collnamespace
  left join pg_catalog.pg_index i
    on i.indrelid = a.attrelid and case $2 when 'd' then i.indisprimary when 'i' then i.indisreplident else false end
  where a.attrelid = $1::int8::oid and a.attnum > 0 and not a.attisdropped and ($3 or a.attgenerated = '')
  order by a.attnum`;

/** What messages of a table look like, and what its key is. */
export interface ReadShape {
  readonly shape: TableShape;
  readonly key: readonly KeyColumn[];
}

/** Asks the catalog what the stream of changes would tell of a table, so that rows and changes look alike. */
export async function readShape(client: Client, table: ReadTable): Promise<ReadShape> {
  const { id, replicaIdentity, hasGenerated } = table;
  const { rows } = await client.query<RelationColumn & KeyColumn>(columnsSql, [id, replicaIdentity, hasGenerated]);
  const columns = rows.filter(({ name }) => table.columns?.includes(name) ?? true);
  const relation: Relation = { ...table, kind: 'relation', columns };
  const shape = await shapeOf(client, relation);
  const key = shape.keyColumns.flatMap((index) => {
    const column = columns[index];
    return column === undefined ? [] : [{ name: column.name, type: column.type, collation: column.collation }];
  });
  return { shape, key };
}
