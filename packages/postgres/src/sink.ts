import type { Discovered, DriverContext, SinkDriver } from '@sluice/core/driver';
import { ConnectorError, parseTemplate } from '@sluice/core/driver';
import { openClient } from './client.js';
import { discoverTables } from './discover.js';
import { quotedTable } from './identifier.js';
import type { PostgresOptions } from './options.js';
import type { PostgresSinkSettings } from './sink-config.js';
import { AtomicSink } from './writing/atomic-sink.js';
import { PlainSink } from './writing/plain-sink.js';
import { ensurePositionTable } from './writing/position-table.js';
import { Session } from './writing/session.js';
import { Tables } from './writing/tables.js';
import { findTable } from './writing/target-table.js';

/** Connects and makes the table of positions; the tables that are written to are looked up when they are first written to. */
export async function openPostgresSink(
  config: PostgresSinkSettings,
  options: PostgresOptions,
  context: DriverContext,
): Promise<SinkDriver> {
  const sessions: Session[] = [];
  const makeTables = (): Tables => new Tables(config, (text) => context.notice(text));
  try {
    for (let count = config.atomic ? 1 : config.maxConnections; count > 0; count--)
      sessions.push(await openSession(config, options, `sluice ${context.pipeline}`, context.signal));
    const [session] = sessions;
    if (!config.atomic || session === undefined) return new PlainSink(sessions, makeTables);
    const name = quotedTable(config.positionsTable);
    await ensurePositionTable(session, name);
    const positions = { name, pipeline: context.pipeline, sink: context.id };
    const ask = (): Promise<Session> => openSession(config, options, `sluice ${context.pipeline}`);
    return new AtomicSink(session, makeTables(), positions, { ask, idleTimeoutMs: config.idleTimeoutMs });
  } catch (error) {
    await Promise.all(sessions.map((session) => session.close()));
    throw error;
  }
}

/** Connects for writing. */
export async function openSession(
  config: PostgresSinkSettings,
  options: PostgresOptions,
  name: string,
  signal?: AbortSignal,
): Promise<Session> {
  // Amounts of money mean the same on every server: a point before the fraction.
  const serverSettings = { idle_in_transaction_session_timeout: config.idleTimeoutMs, lc_monetary: 'C' };
  const purpose = { name, serverSettings, ...(signal === undefined ? {} : { signal }) };
  const client = await openClient(config, options, purpose);
  return new Session(client);
}

/** Whether the server lets this user in, takes writes, and lets it write to the table, where the config names one. */
export async function checkPostgresSink(
  config: PostgresSinkSettings,
  options: PostgresOptions,
  signal: AbortSignal,
): Promise<void> {
  const session = await openSession(config, options, 'sluice check', signal);
  try {
    const { rows } = await session.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby', []);
    if (rows[0]?.standby)
      throw new ConnectorError('unsupported', 'the server is a standby, which takes no writes. Name the primary.');
    if (parseTemplate(config.table).fields.length > 0) return;
    const name = quotedTable(config.table);
    if ((await findTable(session.client, name)) === undefined) {
      if (config.create) return;
      throw new ConnectorError(
        'not_found',
        `table ${name} does not exist. Create it, set create: true, or check search_path`,
      );
    }
    await checkRights(session, name, config);
  } finally {
    await session.close();
  }
}

async function checkRights(session: Session, name: string, { mode }: PostgresSinkSettings): Promise<void> {
  const needed = {
    append: ['INSERT'],
    upsert: ['INSERT', 'UPDATE', 'SELECT'],
    mirror: ['INSERT', 'UPDATE', 'SELECT', 'DELETE'],
  };
  for (const right of needed[mode]) {
    // Of rows, not of columns.
    const ofColumns = right === 'DELETE' ? '' : 'OR has_any_column_privilege($1::text, $2)';
    const { rows } = await session.query<{ granted: boolean }>(
      `SELECT has_table_privilege($1::text, $2) ${ofColumns} AS granted`,
      [name, right],
    );
    if (!rows[0]?.granted)
      throw new ConnectorError('permission_denied', `this user lacks ${right} on ${name}. Grant it.`);
  }
}

/** The tables that this user may write to. */
export async function discoverPostgresSink(
  config: PostgresSinkSettings,
  options: PostgresOptions,
  signal: AbortSignal,
): Promise<readonly Discovered[]> {
  const session = await openSession(config, options, 'sluice discover', signal);
  try {
    return await discoverTables(session.client, 'write');
  } finally {
    await session.close();
  }
}
