import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '#demo/embedded-postgres';

/** Names a server of the user's own. Not DATABASE_URL, which may lead to one that nobody wants a demo to touch. */
const variable = 'SLUICE_DEMO_DATABASE_URL';

/** An empty database. */
export interface Database {
  readonly url: string;
  /** For people: what server that is. */
  readonly where: string;
  /** Removes it. */
  close(): Promise<void>;
}

/**
 * Makes an empty database: on the server of `SLUICE_DEMO_DATABASE_URL`, or else on a new one in `folder`.
 *
 * @throws {Error} that says what to do when there can be none
 */
export async function openDatabase(folder: string, signal: AbortSignal): Promise<Database> {
  const given = process.env[variable];
  if (given !== undefined) return await createDatabase(given);
  try {
    const { url, stop } = await startEmbeddedPostgres(join(folder, 'postgres'), signal);
    return { url, where: 'a Postgres server of its own, from npm', close: stop };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const advice = `Name a server whose user may create databases: ${variable}=postgresql://user:password@host/postgres`;
    throw new Error(`no Postgres server could be started here: ${reason}. ${advice}`);
  }
}

async function createDatabase(server: string): Promise<Database> {
  if (!/^postgres(?:ql)?:/.test(server) || !URL.canParse(server))
    throw new Error(`${variable} must be a URL: postgresql://user:password@host/postgres`);
  const name = `sluice_demo_${randomBytes(4).toString('hex')}`;
  try {
    await execute(server, `CREATE DATABASE ${name}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the server of ${variable} gave no database: ${reason}`);
  }
  const url = new URL(server);
  url.pathname = name;
  return {
    url: url.href,
    where: `the new database ${name} on ${url.host}`,
    close: () => execute(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client(url);
  try {
    await client.connect();
    await client.query(statement);
  } finally {
    await client.end();
  }
}
