import { createHash } from 'node:crypto';
import { ConnectorError, type DriverContext, type TeardownRequest } from '@sluice/core/driver';
import type { Client } from 'pg';
import { openClient } from '../client.js';
import { endClient } from '../end-client.js';
import { quoted, quotedTable } from '../identifier.js';
import type { PostgresOptions } from '../options.js';
import type { ListenSourceSettings } from './listen-config.js';

/** How what this connector made is told from others. */
const mark = 'Made by Sluice.';
const functionName = 'sluice_notify';

interface Place {
  readonly schema: string;
  readonly table: string;
  readonly kind: string;
  /** Whether the trigger is there. */
  readonly installed: boolean;
}

const placeSql = `
  select n.nspname as schema, c.relname as table, c.relkind as kind, exists (
    select from pg_catalog.pg_trigger t where t.tgrelid = c.oid and t.tgname = $2
      and pg_catalog.obj_description(t.oid, 'pg_trigger') = '${mark}') as installed
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = pg_catalog.to_regclass($1)`;

/**
 * Puts a trigger on the table that notifies the first channel after each statement that inserts or updates. It says nothing about
 * the rows, so that a large one cannot make the statement fail. Does nothing where the trigger is there.
 */
export async function installTrigger(
  config: ListenSourceSettings,
  options: PostgresOptions,
  { pipeline, signal }: DriverContext,
): Promise<void> {
  const client = await openClient(config, options, { name: `sluice ${pipeline}`, signal });
  try {
    const trigger = triggerName(config.channels);
    const place = await findPlace(client, config.table ?? '', trigger);
    if (place === undefined || place.installed) return;
    if (!/^[rp]$/.test(place.kind))
      throw new ConnectorError(
        'config_invalid',
        `${place.table} is no table that a trigger could be put on. Set install to false`,
      );
    await install(client, place, config.channels);
  } finally {
    await endClient(client);
  }
}

async function install(client: Client, { schema, table }: Place, [channel = '']: readonly string[]): Promise<void> {
  const name = `${quoted(schema)}.${functionName}`;
  const target = `${quoted(schema)}.${quoted(table)}`;
  const trigger = quoted(triggerName([channel]));
  // The server quotes the name of the channel.
  const { rows } = await client.query<{ sql: string }>(
    `select pg_catalog.format('create or replace trigger %s after insert or update on %s for each statement execute function %s(%L)', $1::text, $2::text, $3::text, $4::text) as sql`,
    [trigger, target, name, channel],
  );
  await client.query('begin');
  try {
    // Two that replace a function at the same time would refuse one another.
    await client.query(`select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('${functionName}'))`);
    await client.query(`create or replace function ${name}() returns trigger language plpgsql as
      $$ begin perform pg_catalog.pg_notify(tg_argv[0], ''); return null; end $$`);
    await client.query(`comment on function ${name}() is '${mark}'`);
    await client.query(rows[0]?.sql ?? '');
    await client.query(`comment on trigger ${trigger} on ${target} is '${mark}'`);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

/** The trigger, and its function when no other table uses it. */
export async function teardownListenSource(
  config: ListenSourceSettings,
  options: PostgresOptions,
  { pipeline, remove, signal }: TeardownRequest,
): Promise<readonly string[]> {
  if (config.table === undefined) return [];
  const client = await openClient(config, options, { name: `sluice ${pipeline} teardown`, signal });
  try {
    const trigger = triggerName(config.channels);
    const place = await findPlace(client, config.table, trigger);
    if (place?.installed !== true) return [];
    const { schema, table } = place;
    if (remove) {
      await client.query(`drop trigger ${quoted(trigger)} on ${quoted(schema)}.${quoted(table)}`);
      await dropUnusedFunction(client, schema);
    }
    return [`trigger "${trigger}" on table ${quoted(schema)}.${quoted(table)}`];
  } finally {
    await endClient(client);
  }
}

const unusedSql = `
  select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname = $1 and p.proname = '${functionName}'
    and pg_catalog.obj_description(p.oid, 'pg_proc') = '${mark}'
    and not exists (select from pg_catalog.pg_trigger t where t.tgfoid = p.oid)`;

async function dropUnusedFunction(client: Client, schema: string): Promise<void> {
  const { rowCount } = await client.query(unusedSql, [schema]);
  if (rowCount === 1) await client.query(`drop function ${quoted(schema)}.${functionName}()`);
}

async function findPlace(client: Client, table: string, trigger: string): Promise<Place | undefined> {
  return (await client.query<Place>(placeSql, [quotedTable(table), trigger])).rows[0];
}

/** One for each channel. */
function triggerName([channel = '']: readonly string[]): string {
  return `sluice_notify_${createHash('sha256').update(channel).digest('hex').slice(0, 16)}`;
}
