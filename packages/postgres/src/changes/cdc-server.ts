import { ConnectorError } from '@sluice/core/driver';
import type { Client } from 'pg';
import { noFreeSlot } from './replication-slot.js';

/** The first version whose standbys decode their log. */
const decodingStandby = 16;

/**
 * Whether the server is a standby.
 *
 * @throws {ConnectorError} `unsupported` when no changes can be read from it
 */
export async function checkServer(client: Client): Promise<{ readonly isStandby: boolean }> {
  const sql = `select pg_catalog.pg_is_in_recovery() as "isStandby", current_setting('wal_level') as "walLevel",
    current_setting('server_version_num')::int4 / 10000 as version`;
  const [row] = (await client.query<{ isStandby: boolean; walLevel: string; version: number }>(sql)).rows;
  const { isStandby = false, walLevel, version = 0 } = row ?? {};
  if (isStandby && version < decodingStandby) {
    throw new ConnectorError(
      'unsupported',
      `the server is a standby of Postgres ${version}, and changes are read on standbys from ${decodingStandby} on. Read from the primary`,
    );
  }
  if (walLevel !== 'logical') {
    throw new ConnectorError(
      'unsupported',
      `the server's wal_level is "${walLevel}", and changes are read with "logical". Run: alter system set wal_level = 'logical'; and restart the server`,
    );
  }
  return { isStandby };
}

/** A standby does not tell all transactions that are under way, so that changes could not be told from rows. */
export function rowsOnStandby(): ConnectorError {
  return new ConnectorError(
    'unsupported',
    'the server is a standby, which cannot tell what a snapshot sees. Read from the primary, or set snapshot to never',
  );
}

/** What is said while a slot is made on a standby, which takes as long as the primary is silent about its transactions. */
export function waitsForPrimary(slot: string): string {
  return `replication slot "${slot}" is made when the primary has told the standby what transactions are open. Where nothing is written there, run on it: select pg_log_standby_snapshot()`;
}

/** @throws {ConnectorError} `resource_exhausted` when the server has no slot left */
export async function checkFreeSlot(client: Client, name: string): Promise<void> {
  const sql = `select count(*) < current_setting('max_replication_slots')::int8 as free from pg_catalog.pg_replication_slots`;
  const [row] = (await client.query<{ free: boolean }>(sql)).rows;
  if (row?.free !== true) throw noFreeSlot(name);
}
