import { type PostgresServer, type PostgresVersion, startPostgres, uniqueName } from '@sluice/testkit';
import type { Client } from 'pg';
import { afterAll, afterEach, beforeAll } from 'vitest';

/** A row, by the names of its columns. */
export type Row = Record<string, unknown>;

/** A server for the tests of one file or block, and its native client. */
export interface Database {
  readonly server: PostgresServer;
  readonly native: Client;
  /** Rows of a query by the native client. */
  rows(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Makes a table with these columns and returns its quoted name. */
  table(columns: string): Promise<string>;
}

/** Starts a server before the tests and stops it after them. */
export function useDatabase(version: PostgresVersion = 18): Database {
  let server: PostgresServer;
  let native: Client;
  beforeAll(async () => {
    server = await startPostgres({ version });
    native = await server.connect();
  });
  afterEach(async () => await server.proxy.restore());
  afterAll(async () => {
    await native?.end();
    await server?.stop();
  });
  const rows = async (sql: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await native.query<Row>(sql, [...values])).rows;
  return {
    get server() {
      return server;
    },
    get native() {
      return native;
    },
    rows,
    table: async (columns) => {
      const name = `"${uniqueName('Table')}"`;
      await native.query(`CREATE TABLE ${name} (${columns})`);
      return name;
    },
  };
}
