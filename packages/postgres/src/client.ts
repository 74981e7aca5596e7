import type { Client, ClientConfig } from 'pg';
import type { PostgresConnectionSettings, SslMode } from './config.js';
import { endClient } from './end-client.js';
import { stateOf } from './error.js';
import type { PostgresOptions } from './options.js';
import { type Encryption, encryptionsOf } from './tls.js';

/** What one connection is for. */
export interface ClientPurpose {
  /** Default of `applicationName`. */
  readonly name: string;
  /** Given up when it is aborted. */
  readonly signal?: AbortSignal;
  /** More of pg's own settings. */
  readonly settings?: ClientConfig;
  readonly serverSettings?: ServerSettings;
}

/** Settings of the server for one connection, by their names. They are no user's values. */
export type ServerSettings = Readonly<Record<string, string | number>>;

/** Connects. Rejects with the native error of the last attempt, and nothing stays open then. */
export async function openClient(
  config: PostgresConnectionSettings,
  options: PostgresOptions,
  purpose: ClientPurpose,
): Promise<Client> {
  const { sslmode, sslrootcert, sslcert, sslkey, ...place } = await placeOf(config);
  const isSocket = place.host?.startsWith('/') ?? false;
  const encryptions: readonly Encryption[] = isSocket
    ? [false]
    : await encryptionsOf({ sslmode, sslrootcert, sslcert, sslkey });
  let refused: unknown;
  for (const ssl of encryptions) {
    try {
      const pgConfig = { ...place, ssl, ...settingsOf(config, options, purpose) };
      const serverSettings = { statement_timeout: config.statementTimeoutMs, ...purpose.serverSettings };
      const client = await connect(pgConfig, serverSettings, purpose.signal);
      options.onClient?.(client);
      return client;
    } catch (error) {
      refused = error;
      if (!mayHelp(error, ssl)) break;
    }
  }
  throw refused;
}

/** Where a config leads, for people: `host:port/database`. */
export async function addressOf(config: PostgresConnectionSettings): Promise<string> {
  const { host, port, database, user } = await placeOf(config);
  return `${host}:${port}/${database ?? user ?? ''}`;
}

type Place = Pick<ClientConfig, 'host' | 'port' | 'user' | 'database'> & {
  readonly password?: string | undefined;
  readonly application_name?: string | undefined;
  readonly sslmode?: SslMode | undefined;
  readonly sslrootcert?: string | undefined;
  readonly sslcert?: string | undefined;
  readonly sslkey?: string | undefined;
};

async function placeOf(config: PostgresConnectionSettings): Promise<Place> {
  const { host, port, user, password, database, sslmode, sslrootcert, sslcert, sslkey, applicationName } = config;
  const given = {
    host,
    port,
    user,
    password,
    database,
    sslmode,
    sslrootcert,
    sslcert,
    sslkey,
    application_name: applicationName,
  };
  const fields = Object.entries(given).filter(([, value]) => value !== undefined);
  return { host: 'localhost', port: 5432, ...(await fromUrl(config.url)), ...Object.fromEntries(fields) };
}

async function fromUrl(text: string | undefined): Promise<Place> {
  if (text === undefined) return {};
  const { parse } = await import('pg-connection-string');
  const url = new URL(text);
  // Taken out first: the library would read the files and judge the modes by rules that are not libpq's.
  const tls: Record<string, string> = {};
  for (const name of ['sslmode', 'sslrootcert', 'sslcert', 'sslkey']) {
    const value = url.searchParams.get(name);
    if (value !== null) tls[name] = value;
    url.searchParams.delete(name);
  }
  const { host, port, user, password, database, application_name } = parse(url.href);
  const found = { host, port: port ? Number(port) : undefined, user, password, database, application_name, ...tls };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value)); // What is empty is not given.
}

function settingsOf(
  config: PostgresConnectionSettings,
  options: PostgresOptions,
  purpose: ClientPurpose,
): ClientConfig {
  return {
    application_name: config.applicationName ?? purpose.name,
    connectionTimeoutMillis: config.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    ...(options.password === undefined ? {} : { password: async () => (await options.password?.()) ?? '' }),
    ...purpose.settings,
  };
}

async function connect(
  config: ClientConfig,
  serverSettings: ServerSettings,
  signal: AbortSignal | undefined,
): Promise<Client> {
  signal?.throwIfAborted();
  const { default: pg } = await import('pg');
  const client = new pg.Client(config);
  // Without a listener it would end the process. A connection that broke fails the next query.
  client.on('error', () => undefined);
  // Not `end`, which waits for a server that may say nothing.
  const giveUp = (): void => void client.connection.stream.destroy();
  signal?.addEventListener('abort', giveUp);
  let timer: NodeJS.Timeout | undefined;
  try {
    await client.connect();
    timer = setTimeout(giveUp, config.connectionTimeoutMillis);
    // Not when it connects: a pooler like PgBouncer lets in nobody who asks for settings that it does not know.
    const statements = Object.entries(serverSettings).map(([name, value]) => `set ${name} = '${value}'`);
    await client.query(statements.join('; '));
    return client;
  } catch (error) {
    await endClient(client);
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}

/** Whether the other way to connect that `allow` and `prefer` know may succeed where this one failed. */
function mayHelp(error: unknown, ssl: Encryption): boolean {
  // The server has no line in pg_hba.conf for this way, or does not speak TLS.
  if (stateOf(error) === '28000') return true;
  return ssl !== false && error instanceof Error && error.message.includes('does not support SSL');
}
