import { ConnectorError } from '@sluice/core/driver';
import type { Client } from 'pg';
import { noFreeSlot } from './replication-slot.js';

/** @throws {ConnectorError} `unsupported` when the server's log has no changes */
export async function checkWalLevel(client: Client): Promise<void> {
  const [row] = (await client.query<{ wal_level: string }>('show wal_level')).rows;
  if (row?.wal_level === 'logical') return;
  throw new ConnectorError(
    'unsupported',
    `the server's wal_level is "${row?.wal_level}", and changes are read with "logical". Run: alter system set wal_level = 'logical'; and restart the server`,
  );
}

/**
 * A standby does not tell all transactions that are under way, so that changes could not be told from rows.
 *
 * @throws {ConnectorError} `unsupported` when the server is one
 */
export async function checkPrimary(client: Client): Promise<void> {
  const sql = 'select pg_catalog.pg_is_in_recovery() as standby';
  const [row] = (await client.query<{ standby: boolean }>(sql)).rows;
  if (row?.standby !== true) return;
  throw new ConnectorError(
    'unsupported',
    'the server is a standby, which cannot tell what a snapshot sees. Read from the primary, or set snapshot to never',
  );
}

/** @throws {ConnectorError} `resource_exhausted` when the server has no slot left */
export async function checkFreeSlot(client: Client, name: string): Promise<void> {
  const sql = `select count(*) < current_setting('max_replication_slots')::int8 as free from pg_catalog.pg_replication_slots`;
  const [row] = (await client.query<{ free: boolean }>(sql)).rows;
  if (row?.free !== true) throw noFreeSlot(name);
}
