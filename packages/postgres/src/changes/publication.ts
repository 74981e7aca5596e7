import { ConnectorError } from '@sluice/core/driver';
import type { Client } from 'pg';
import { stateOf } from '../error.js';
import { quoted, quotedTable } from '../identifier.js';

/** What a config says of its publication. */
export interface PublicationWish {
  readonly publication: string;
  /** Tables that it has to publish; undefined: whatever it publishes, and all tables when it is made. */
  readonly tables?: readonly string[] | undefined;
  /** Whether it would have been made where that can be done, which is on a primary. */
  readonly create?: boolean | undefined;
}

/** How the publications that this connector made are told from others. */
const mark = 'Made by Sluice.';

const stateSql = `select pg_catalog.obj_description(oid, 'pg_publication') = '${mark}' as own
  from pg_catalog.pg_publication where pubname = $1`;

/** Whether there is a publication of this name, and whether this connector made it. */
export async function publicationState(client: Client, name: string): Promise<'missing' | 'own' | 'foreign'> {
  const [row] = (await client.query<{ own: boolean | null }>(stateSql, [name])).rows;
  if (row === undefined) return 'missing';
  return row.own === true ? 'own' : 'foreign';
}

// A partitioned table is published by itself, or by its partitions.
const unpublishedSql = `
  select wanted.name from unnest($2::text[], $3::text[]) as wanted(name, quoted) where not exists (
    select from pg_catalog.pg_publication_tables t
    join pg_catalog.pg_namespace n on n.nspname = t.schemaname
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
    where t.pubname = $1 and pg_catalog.to_regclass(wanted.quoted) in
      (select c.oid union select relid from pg_catalog.pg_partition_ancestors(c.oid)))`;

/** The tables that the publication has to have and does not have, quoted. */
export async function unpublished(client: Client, { publication, tables }: PublicationWish): Promise<string[]> {
  if (tables === undefined) return [];
  const { rows } = await client.query<{ name: string }>(unpublishedSql, [publication, tables, tables.map(quotedTable)]);
  return rows.map(({ name }) => quotedTable(name));
}

/** @throws {ConnectorError} `not_found` when the publication or one of the tables in it is missing */
export async function checkPublication(
  client: Client,
  { publication, tables, create }: PublicationWish,
): Promise<void> {
  if ((await publicationState(client, publication)) === 'missing') {
    const target = tables === undefined ? 'all tables' : `table ${tables.map(quotedTable).join(', ')}`;
    const where = create === true ? 'Make it on the primary' : 'Set create to true, or make it';
    throw new ConnectorError(
      'not_found',
      `publication "${publication}" does not exist. ${where} with: create publication ${quoted(publication)} for ${target}`,
    );
  }
  const missing = await unpublished(client, { publication, tables });
  if (missing.length === 0) return;
  const names = missing.join(', ');
  throw new ConnectorError(
    'not_found',
    `publication "${publication}" does not publish ${names}, or there is no such table. Add it with: alter publication ${quoted(publication)} add table ${names}`,
  );
}

/**
 * Makes a publication: changes of partitions carry the name of the partitioned table.
 *
 * @returns the tables of which the server now refuses updates and deletes, because nothing would identify their rows
 */
export async function createPublication(client: Client, { publication, tables }: PublicationWish): Promise<string[]> {
  const target = tables === undefined ? 'all tables' : `table ${tables.map(quotedTable).join(', ')}`;
  await client.query('begin');
  try {
    await client.query(
      `create publication ${quoted(publication)} for ${target} with (publish_via_partition_root = true)`,
    );
    await client.query(`comment on publication ${quoted(publication)} is '${mark}'`);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    if (stateOf(error) !== '42710') throw error; // another instance was faster
  }
  const { rows } = await client.query<{ name: string }>(withoutIdentitySql, [publication]);
  return rows.map(({ name }) => name);
}

const withoutIdentitySql = `
  select c.oid::regclass::text as name from pg_catalog.pg_publication_tables t
  join pg_catalog.pg_namespace n on n.nspname = t.schemaname
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
  where t.pubname = $1 and (c.relreplident = 'n' or c.relreplident = 'd'
    and not exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary))
  order by 1`;

/** Removes a publication. */
export async function dropPublication(client: Client, name: string): Promise<void> {
  await client.query(`drop publication if exists ${quoted(name)}`);
}
