import pg, { type Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { breakPostgres, type PostgresServer, startPostgres, uniqueName } from '../src/index.js';

describe.each([15, 18] as const)('Postgres %i', (version) => {
  let server: PostgresServer;
  let native: Client;
  let table: string;
  beforeAll(async () => {
    server = await startPostgres({ version, settings: { work_mem: '5MB' } });
    native = await server.connect();
    table = `"${uniqueName('orders')}"`;
    await native.query(`CREATE TABLE ${table} (id int PRIMARY KEY)`);
  });
  afterEach(() => server.proxy.restore());
  afterAll(() => server?.stop());

  /** A client as a connector would have it: through the proxy. */
  async function clientUnderTest(): Promise<Client> {
    const client = new pg.Client({ connectionString: server.url, connectionTimeoutMillis: 1000 });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async function expectIds(ids: number[]): Promise<void> {
    const client = await server.connect();
    const { rows } = await client.query<{ id: number }>(`SELECT id FROM ${table} ORDER BY id`);
    await client.end();
    expect(rows.map(({ id }) => id)).toEqual(ids);
  }

  test('is of its version and has logical replication and the settings that were asked for', async () => {
    const setting = async (name: string): Promise<unknown> =>
      (await native.query<Record<string, string>>(`SHOW ${name}`)).rows[0]?.[name];
    expect(await setting('server_version')).toMatch(new RegExp(`^${version}`));
    expect(await setting('wal_level')).toBe('logical');
    expect(await setting('work_mem')).toBe('5MB');
  });

  test('is one of your own where the environment names it, and that is never hurt', async () => {
    vi.stubEnv('SLUICE_TEST_POSTGRES_URL', server.directUrl);
    const own = await startPostgres();
    vi.unstubAllEnvs();
    expect(own.url).toBe(server.directUrl);
    const client = await own.connect();
    expect((await client.query(`SELECT count(*)::int AS rows FROM ${table}`)).rows).toEqual([{ rows: 0 }]);
    await client.end();
    await expect(own.pause()).rejects.toThrow('SLUICE_TEST_POSTGRES_URL names one of your own');
    expect(() => own.proxy).toThrow('Unset it');
    await own.stop();
    await native.query('SELECT 1');
  });

  test('keeps the client under test out while it is cut, and the native client in', async () => {
    await server.proxy.cut();
    await expect(clientUnderTest()).rejects.toThrow('ECONNREFUSED');
    await native.query(`INSERT INTO ${table} VALUES (1)`);
    await server.proxy.restore();
    const client = await clientUnderTest();
    await client.query(`INSERT INTO ${table} VALUES (2)`);
    await client.end();
    await expectIds([1, 2]);
  });

  test('has committed when the answer is lost, and has not when the statement is', async () => {
    for (const [id, fault] of [
      [3, 'lose-answer'],
      [4, 'lose-statement'],
    ] as const) {
      const client = await clientUnderTest();
      await client.query(`BEGIN; INSERT INTO ${table} VALUES (${id})`);
      using watch = breakPostgres(server.proxy, { statement: 'COMMIT', fault });
      await expect(client.query('COMMIT')).rejects.toThrow(/terminated|ECONNRESET/);
      expect(watch.struck).toBe(1);
    }
    await expectIds([1, 2, 3]);
  });

  test('stays at its address and keeps its rows over a restart and a kill', async () => {
    await server.restart();
    await (await clientUnderTest()).end();
    await server.kill();
    await expect(clientUnderTest()).rejects.toThrow(/ECONNRE|terminated|timeout/);
    await server.restart();
    await expectIds([1, 2, 3]);
  });
});
