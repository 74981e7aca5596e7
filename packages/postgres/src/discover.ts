import type { Discovered } from '@sluice/core/driver';
import type { Client } from 'pg';
import { nameOfTable } from './identifier.js';

/** What is to be done with a table. */
type Purpose = 'read' | 'write';

interface Row {
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  /** Undefined before the first ANALYZE. */
  readonly rows: number | null;
  readonly bytes: number;
  readonly identity: string;
  readonly fields: readonly {
    readonly name: string;
    readonly type: string;
    readonly nullable: boolean;
    readonly key: boolean;
  }[];
}

// A partition is read through its table.
const sql = `
  select n.nspname as schema, c.relname as name,
    case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view'
      when 'm' then 'materialized view' else 'foreign table' end as kind,
    case when c.relkind = 'p' then (
      select nullif(sum(greatest(p.reltuples, 0)), 0) from pg_catalog.pg_partition_tree(c.oid) t
      join pg_catalog.pg_class p on p.oid = t.relid where t.isleaf
    ) else nullif(c.reltuples, -1) end::float8 as rows,
    pg_catalog.pg_total_relation_size(c.oid)::float8 as bytes,
    case c.relreplident when 'f' then 'full' when 'i' then 'index' when 'n' then 'nothing' else 'default' end as identity,
    (
      select json_agg(json_build_object(
        'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
        'key', coalesce(a.attnum = any(i.indkey), false)) order by a.attnum)
      from pg_catalog.pg_attribute a
      left join pg_catalog.pg_index i on i.indrelid = c.oid and i.indisprimary
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ) as fields
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = any($1) and not c.relispartition
    and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_temp\\_%' and n.nspname not like 'pg\\_toast%'
    and pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_table_privilege(c.oid, $2)
  order by 1, 2`;

const kindsFor: Readonly<Record<Purpose, readonly [kinds: readonly string[], right: string]>> = {
  read: [['r', 'p', 'v', 'm', 'f'], 'select'],
  write: [['r', 'p', 'f'], 'insert'],
};

/** The tables (and to read, views) that this user may read or write, with their columns. */
export async function discoverTables(client: Client, purpose: Purpose): Promise<readonly Discovered[]> {
  const { rows } = await client.query<Row>(sql, [...kindsFor[purpose]]);
  return rows.map(({ schema, name, kind, rows: estimate, bytes, identity, fields }) => ({
    name: nameOfTable(schema, name),
    fields: fields ?? [],
    details: {
      kind,
      ...(estimate === null ? {} : { estimatedRows: estimate }),
      bytes,
      ...(kind.endsWith('table') && kind !== 'foreign table' ? { replicaIdentity: identity } : {}),
    },
  }));
}
