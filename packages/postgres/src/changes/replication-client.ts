import { Socket, type SocketConstructorOpts } from 'node:net';
import { ConnectorError } from '@sluice/core/driver';
import type { Client, ClientConfig } from 'pg';
import { openClient } from '../client.js';
import type { PostgresConnectionSettings } from '../config.js';
import { endClient } from '../end-client.js';
import { stateOf } from '../error.js';
import type { PostgresOptions } from '../options.js';
import { textSettings } from '../rows/column-types.js';

/** A connection in the mode that streams, whose texts are those that {@link textSettings} makes. */
export async function openReplication(
  config: PostgresConnectionSettings,
  options: PostgresOptions,
  purpose: { readonly name: string; readonly signal: AbortSignal },
): Promise<Client> {
  const settings = {
    replication: 'database',
    // With any larger mark a socket that is paused is read on, in pieces as small as the server sends them.
    stream: () => new Socket({ readableHighWaterMark: 1 } as SocketConstructorOpts), // goes on to its stream
  } as ClientConfig; // pg knows `replication`; its types do not
  try {
    return await openClient(config, options, {
      ...purpose,
      settings,
      // A warning tells of changes that are left out.
      serverSettings: { ...textSettings, statement_timeout: 0, client_min_messages: 'warning' },
    });
  } catch (error) {
    throw withoutRight(error, config.user);
  }
}

function withoutRight(error: unknown, user: string | undefined): unknown {
  if (stateOf(error) !== '42501') return error;
  const name = user === undefined ? 'this user' : `user "${user}"`;
  const text = `${name} may not read the log of changes. Run as a superuser: alter role ${user ?? '...'} replication`;
  return new ConnectorError('permission_denied', text, { cause: error });
}

/** Tells the server from others, also from a copy of it under the same address. */
export async function identify(open: () => Promise<Client>): Promise<string> {
  const client = await open();
  try {
    const [row] = (await client.query<{ systemid: string; dbname: string }>('IDENTIFY_SYSTEM')).rows;
    return `${row?.systemid}/${row?.dbname}`;
  } finally {
    await endClient(client);
  }
}

/** A server that was told to wait less might miss a client that is only busy. */
const leastTimeoutMs = 5000;

/**
 * How often the server has to hear of this client so that it does not take it for dead. In turn it is made to be heard of: while it
 * decodes what is not published, it says nothing before half of its `wal_sender_timeout` has passed, so that must not be longer than
 * four intervals, whatever the server has otherwise.
 */
export async function statusInterval(client: Client, wantedMs: number): Promise<number> {
  const sql = `select setting::float8 as ms from pg_catalog.pg_settings where name = 'wal_sender_timeout'`;
  const [row] = (await client.query<{ ms: number }>(sql)).rows;
  const timeoutMs = row === undefined || row.ms === 0 ? Number.POSITIVE_INFINITY : row.ms;
  const enoughMs = Math.max(4 * wantedMs, leastTimeoutMs);
  if (timeoutMs > enoughMs) await client.query(`set wal_sender_timeout = ${enoughMs}`);
  return Math.min(wantedMs, Math.max(10, Math.floor(timeoutMs / 4)));
}
