import { ConnectorError } from '@sluice/core/driver';
import type { Client } from 'pg';
import { stateOf } from '../error.js';
import type { CdcPosition } from './cdc-position.js';
import { formatLsn, parseLsn } from './lsn.js';

/** A replication slot as the server describes it. */
export interface SlotState {
  readonly name: string;
  /** Undefined for a slot of physical replication. */
  readonly plugin: string | undefined;
  readonly database: string | undefined;
  /** Process of the server that streams from it. */
  readonly activePid: number | undefined;
  /** Why the server has given up keeping the log for it; undefined while it keeps it. */
  readonly lostBecause: string | undefined;
  /** Before it nothing can be read again. */
  readonly confirmedLsn: bigint;
  /** How much log the server keeps for it, in bytes. */
  readonly retainedBytes: number;
  /** The end of the server's log that can be read. */
  readonly serverLsn: bigint;
  readonly isStandby: boolean;
  readonly currentDatabase: string;
}

const serverSql = `select standby, case when standby then pg_catalog.pg_last_wal_replay_lsn()
    else pg_catalog.pg_current_wal_flush_lsn() end as server_lsn from pg_catalog.pg_is_in_recovery() standby`;

// Through jsonb, because servers before 17 have no such column.
const slotSql = `
  select plugin, database, active_pid as "activePid", confirmed_flush_lsn::text as confirmed, server_lsn::text as server,
    coalesce(to_jsonb(s) ->> 'invalidation_reason', case wal_status when 'lost' then 'wal_removed' end) as lost,
    coalesce(pg_catalog.pg_wal_lsn_diff(server_lsn, restart_lsn), 0)::float8 as retained, pg_catalog.current_database() as current, standby
  from pg_catalog.pg_replication_slots s, (${serverSql}) server
  where slot_name = $1`;

interface SlotRow {
  readonly plugin: string | null;
  readonly database: string | null;
  readonly activePid: number | null;
  readonly confirmed: string | null;
  readonly server: string;
  readonly lost: string | null;
  readonly retained: number;
  readonly current: string;
  readonly standby: boolean;
}

/** Undefined when there is no slot of this name. */
export async function slotState(client: Client, name: string): Promise<SlotState | undefined> {
  const [row] = (await client.query<SlotRow>(slotSql, [name])).rows;
  if (row === undefined) return undefined;
  return {
    name,
    plugin: row.plugin ?? undefined,
    database: row.database ?? undefined,
    activePid: row.activePid ?? undefined,
    lostBecause: row.lost ?? undefined,
    confirmedLsn: parseLsn(row.confirmed ?? '0/0'),
    retainedBytes: row.retained,
    serverLsn: parseLsn(row.server),
    isStandby: row.standby,
    currentDatabase: row.current,
  };
}

/**
 * Makes a slot. The server first waits for the transactions that are open, however long they take.
 *
 * @throws {ConnectorError} `resource_exhausted` when the server has no free slot
 */
export async function createSlot(client: Client, name: string): Promise<void> {
  await client.query('begin; set local statement_timeout = 0');
  try {
    await client.query(`select pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
  } catch (error) {
    const state = stateOf(error);
    if (state === '53400') throw noFreeSlot(name, error);
    if (state !== '42710') throw error; // another instance was faster
  } finally {
    await client.query('commit'); // of nothing but the setting; a rollback after an error
  }
}

/** The error for a server whose slots are all in use. */
export function noFreeSlot(name: string, cause?: unknown): ConnectorError {
  return new ConnectorError(
    'resource_exhausted',
    `replication slot "${name}" cannot be made: all slots of the server are in use. Drop one that nobody needs (select * from pg_replication_slots), or raise max_replication_slots and restart the server`,
    { cause },
  );
}

/** @throws {ConnectorError} `config_invalid` when the slot is not one of pgoutput in this database */
export function checkSlot({ name, plugin, database, currentDatabase }: SlotState): void {
  const wrong =
    plugin !== 'pgoutput'
      ? `is one of ${plugin === undefined ? 'physical replication' : `the plugin "${plugin}"`}, not of pgoutput`
      : database !== currentDatabase
        ? `belongs to the database "${database}", and this is "${currentDatabase}"`
        : undefined;
  if (wrong === undefined) return;
  throw new ConnectorError('config_invalid', `replication slot "${name}" ${wrong}. Name another slot`);
}

/** Where reading is to begin. */
export interface SlotStart {
  readonly position: CdcPosition | undefined;
  readonly start: 'earliest' | 'latest' | undefined;
}

/**
 * Where to read from in a slot, or why that would leave changes out.
 *
 * @throws {ConnectorError} `position_lost` when changes after the position are gone; `not_connected` when a standby, which was
 *   started again, has not come to it yet
 */
export function startIn(slot: SlotState, { position, start }: SlotStart): CdcPosition {
  const { name, lostBecause, confirmedLsn, serverLsn, isStandby } = slot;
  if (lostBecause !== undefined) {
    throw new ConnectorError(
      start === undefined ? 'position_lost' : 'not_found',
      `the server has given up replication slot "${name}" (${lostBecause}), and the changes since ${formatLsn(confirmedLsn)} are gone. Remove the slot with "sluice teardown", copy the tables anew, and begin with a new slot; raise max_slot_wal_keep_size against it`,
    );
  }
  if (position === undefined) return { lsn: start === 'latest' ? serverLsn : confirmedLsn, rows: 0 };
  if (position.lsn < confirmedLsn) {
    throw new ConnectorError(
      'position_lost',
      `replication slot "${name}" begins at ${formatLsn(confirmedLsn)}, and the position is ${formatLsn(position.lsn)}: it was made anew or read by somebody else, and the changes between are gone. Copy the tables anew, or set onPositionLost to go on without them`,
    );
  }
  if (position.lsn > serverLsn && isStandby) {
    const text = `the standby has replayed its log up to ${formatLsn(serverLsn)}, and the position is ${formatLsn(position.lsn)}: it is behind, or follows another primary`;
    throw new ConnectorError('not_connected', text);
  }
  if (position.lsn > serverLsn) {
    throw new ConnectorError(
      'position_lost',
      `the server's log ends at ${formatLsn(serverLsn)}, before the position ${formatLsn(position.lsn)}: it was restored from a backup, or another server took over. Copy the tables anew, or set onPositionLost to go on with what it has`,
    );
  }
  return position;
}

/** The error for a slot that does not exist: a gap, if something was read from it before. */
export function missingSlot(name: string, position: CdcPosition | undefined): ConnectorError {
  if (position !== undefined) {
    return new ConnectorError(
      'position_lost',
      `replication slot "${name}" does not exist any more, and the changes since ${formatLsn(position.lsn)} are gone. Copy the tables anew, or set onPositionLost to go on without them`,
    );
  }
  return new ConnectorError(
    'not_found',
    `replication slot "${name}" does not exist. Make it with: select pg_create_logical_replication_slot('${name}', 'pgoutput'); or set create to true`,
  );
}

/** Removes a slot, and lets the server forget the log that it kept for it. */
export async function dropSlot(client: Client, name: string): Promise<void> {
  await client.query('select pg_catalog.pg_drop_replication_slot($1)', [name]);
}
