import { randomUUID } from 'node:crypto';
import { ConnectorError } from '@sluice/core/driver';
import type { Client } from 'pg';
import { nameOfTable, quoted, quotedTable } from '../identifier.js';
import type { KeyTexts } from './chunk-position.js';
import { fromTable, publishedTables, type ReadTable, readShape, readTable } from './read-table.js';
import type { KeyColumn, PlannedTable, SnapshotPlan } from './snapshot-plan.js';

/** What a plan is made for. */
export interface PlanRequest {
  /** What is read: the tables of a publication, or those that are named. */
  readonly publication: string | undefined;
  readonly tables: readonly string[];
  /** See {@link SnapshotPlan.lsn}. */
  readonly lsn: bigint | undefined;
  /** See {@link SnapshotPlan.since}; undefined: from now on. */
  readonly since: string | undefined;
  readonly chunkRows: number;
}

const maxChunks = 256;
/** Pages of a sample for each chunk, which keep the sizes of most chunks within a fifth of each other. */
const sampledPerChunk = 30;
const pageBytes = 8192;

/** Cuts tables into chunks. Reads a sample of each large one. */
export async function makePlan(client: Client, request: PlanRequest): Promise<SnapshotPlan> {
  const tables =
    request.publication === undefined
      ? await namedTables(client, request.tables)
      : await publishedTables(client, request.publication);
  const planned: PlannedTable[] = [];
  for (const table of tables) planned.push(await planTable(client, table, request.chunkRows));
  return {
    id: randomUUID(),
    lsn: request.lsn,
    since: request.since ?? (await currentSnapshot(client)),
    tables: planned,
  };
}

/** Which transactions are visible in a snapshot of now. */
async function currentSnapshot(client: Client): Promise<string> {
  const sql = 'select pg_catalog.pg_current_snapshot()::text as snapshot';
  return (await client.query<{ snapshot: string }>(sql)).rows[0]?.snapshot ?? '';
}

/** @throws {ConnectorError} `not_found` when one of them is missing */
export async function namedTables(client: Client, names: readonly string[]): Promise<readonly ReadTable[]> {
  const tables = new Map<number, ReadTable>();
  for (const name of names) {
    const sql = 'select pg_catalog.to_regclass($1)::oid::int8::float8 as id';
    const id = (await client.query<{ id: number | null }>(sql, [quotedTable(name)])).rows[0]?.id ?? undefined;
    const table = id === undefined ? undefined : await readTable(client, id, { publication: undefined });
    if (table === undefined)
      throw new ConnectorError('not_found', `there is no table ${quotedTable(name)}. Create it, or correct tables`);
    tables.set(table.id, table);
  }
  return [...tables.values()];
}

async function planTable(client: Client, table: ReadTable, chunkRows: number): Promise<PlannedTable> {
  const { key } = await readShape(client, table);
  const name = nameOfTable(table.schema, table.name);
  const bounds = key.length === 0 ? [] : await boundsOf(client, table, { key, chunkRows });
  return { id: table.id, name, key, bounds };
}

interface Cut {
  readonly key: readonly KeyColumn[];
  readonly chunkRows: number;
}

async function boundsOf(client: Client, table: ReadTable, { key, chunkRows }: Cut): Promise<readonly KeyTexts[]> {
  const rows = await estimateRows(client, table);
  const chunks = Math.min(maxChunks, Math.round(rows / chunkRows));
  if (chunks < 2) return [];
  const names = key.map(({ name }) => quoted(name)).join(', ');
  const percent = Math.min(100, (100 * chunks * sampledPerChunk) / Math.max(1, await pagesOf(client, table)));
  // The last key of each part of the sample, but of the last part.
  const sql = `
    select distinct on (part) part, array[${key.map(({ name }) => `${quoted(name)}::text`).join(', ')}] as bound
    from (select ${names}, ntile($1::int4) over (order by ${names}) as part from ${fromTable(table)} tablesample system ($2)) sample
    where part < $1::int4 order by part, ${key.map(({ name }) => `${quoted(name)} desc`).join(', ')}`;
  const found = await client.query<{ part: number; bound: string[] }>(sql, [chunks, percent]);
  const sampled = found.rows.map(({ bound }) => bound);
  // A sample of fewer rows than chunks has a part for each of its rows, and the last one bounds nothing.
  return sampled.length < chunks - 1 ? sampled.slice(0, -1) : sampled;
}

/** How many pages a table has, with its partitions. */
async function pagesOf(client: Client, { id }: ReadTable): Promise<number> {
  const sql = `select coalesce(sum(pg_catalog.pg_relation_size(relid)), 0)::float8 as bytes
    from (select relid from pg_catalog.pg_partition_tree($1::int8::oid) union select $1::int8::oid) parts`;
  const [row] = (await client.query<{ bytes: number }>(sql, [id])).rows;
  return (row?.bytes ?? 0) / pageBytes;
}

/** What the server thinks of the number of rows, from the size of the table. */
async function estimateRows(client: Client, table: ReadTable): Promise<number> {
  const sql = `explain (format json) select from ${fromTable(table)}`;
  const { rows } = await client.query<{ 'QUERY PLAN': readonly { Plan: { 'Plan Rows': number } }[] }>(sql);
  return rows[0]?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0;
}
