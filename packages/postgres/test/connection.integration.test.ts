import dns, { type LookupAddress } from 'node:dns';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createCertificateAuthority,
  type SecuredPostgresServer,
  startSecuredPostgres,
  uniqueName,
} from '@sluice/testkit';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  type PostgresConnectionConfig,
  type PostgresOptions,
  type PostgresSinkConfig,
  postgres,
  type SslMode,
} from '../src/index.js';
import { cdcConfig } from './cdc.js';
import { useDatabase } from './database.js';
import { forwarder } from './forwarder.js';

describe('a server that demands TLS', () => {
  let server: SecuredPostgresServer;
  let folder: string;
  beforeAll(async () => {
    server = await startSecuredPostgres();
    const native = await server.connect();
    await native.query(
      'CREATE TABLE orders (id int); GRANT ALL ON orders TO PUBLIC; GRANT ALL ON SCHEMA public TO PUBLIC',
    );
    await native.end();
    folder = await mkdtemp(join(tmpdir(), 'sluice-postgres-'));
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  function check(config: PostgresConnectionConfig): Promise<void> {
    const { hostname, port } = new URL(server.url);
    const place = { host: hostname, port: Number(port), user: 'postgres', password: 'postgres', database: 'postgres' };
    return postgres.sink({ ...place, ...config, table: 'orders' }).check();
  }

  test.each<[SslMode, 'works' | RegExp]>([
    ['disable', /does not let this user in/],
    ['allow', 'works'],
    ['prefer', 'works'],
    ['require', 'works'],
    ['verify-ca', /certificate is not accepted/],
    ['verify-full', /certificate is not accepted/],
  ])('with sslmode %s and no authority', async (sslmode, outcome) => {
    if (outcome === 'works') await check({ sslmode });
    else
      await expect(check({ sslmode })).rejects.toMatchObject({
        code: 'unauthenticated',
        message: expect.stringMatching(outcome),
      });
  });

  test.each<SslMode>(['require', 'verify-ca', 'verify-full'])(
    'with sslmode %s believes the right authority alone',
    async (sslmode) => {
      const other = await createCertificateAuthority();
      await check({ sslmode, sslrootcert: server.authority.certificate });
      await expect(check({ sslmode, sslrootcert: other.certificate })).rejects.toMatchObject({
        code: 'unauthenticated',
      });
    },
  );

  test('verify-full looks at the name of the server, and verify-ca does not', async () => {
    // The certificate is for localhost and 127.0.0.1.
    const elsewhere = { host: '127.0.0.2', sslrootcert: server.authority.certificate };
    const port = Number(server.directUrl.replace(/.*:(\d+)\/.*/, '$1'));
    await check({ ...elsewhere, port, sslmode: 'verify-ca' });
    await expect(check({ ...elsewhere, port, sslmode: 'verify-full' })).rejects.toMatchObject({
      code: 'unauthenticated',
    });
  });

  test('shows a client certificate, from texts and from files of a URL', async () => {
    const { certificate, key } = server.clientCertificate;
    const ca = server.authority.certificate;
    const user = { user: 'user', password: 'user-password' };
    await check({ ...user, sslmode: 'verify-full', sslrootcert: ca, sslcert: certificate, sslkey: key });
    await expect(check({ ...user, sslmode: 'verify-full', sslrootcert: ca })).rejects.toMatchObject({
      code: 'unauthenticated',
    });
    const files = { ca, certificate: server.certifiedCertificate.certificate, key: server.certifiedCertificate.key };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const { host } = new URL(server.url);
    const parameters = `sslmode=verify-full&sslrootcert=${folder}/ca&sslcert=${folder}/certificate&sslkey=${folder}/key`;
    await postgres.sink({ url: `postgresql://certified@${host}/postgres?${parameters}`, table: 'orders' }).check();
  });

  test('prefer goes on without TLS where only that is let in', async () => {
    await check({ user: 'open', password: 'open-password', sslmode: 'prefer' });
    await expect(check({ user: 'open', password: 'open-password', sslmode: 'require' })).rejects.toMatchObject({
      code: 'unauthenticated',
    });
  });
});

describe('a connection', () => {
  const database = useDatabase();

  function sinkOf(table: string, config: PostgresConnectionConfig = {}, options: PostgresOptions = {}) {
    return postgres.sink({ url: database.server.url, table, ...config }, options);
  }

  test('asks for the password each time it is made, and says who it is', async () => {
    const table = await database.table('id int');
    const url = new URL(database.server.url);
    url.password = '';
    const passwords: string[] = [];
    const password = async (): Promise<string> => {
      passwords.push('asked');
      return 'postgres';
    };
    const name = uniqueName('app');
    const sink = await sinkOf(table, { url: url.href, applicationName: name }, { password }).open();
    const activity = 'SELECT pid FROM pg_stat_activity WHERE application_name = $1';
    const [first] = await database.rows(activity, [name]);
    await database.rows('SELECT pg_terminate_backend($1)', [first?.['pid']]);
    await sink.write([{ payload: { id: 1 } }]);
    const [second] = await database.rows(activity, [name]);
    await sink.close();
    expect(second?.['pid']).not.toBe(first?.['pid']);
    expect(passwords.length).toBeGreaterThanOrEqual(2);
    expect(await database.rows(`SELECT * FROM ${table}`)).toEqual([{ id: 1 }]);
  });

  test.each([
    ['a wrong password', { password: 'wrong-secret' }, 'unauthenticated'],
    ['a missing database', { database: 'not_there' }, 'not_found'],
    ['a port where nobody listens', { port: 1 }, 'not_connected'],
    ['a host that is unknown', { host: 'not.there.invalid' }, 'not_connected'],
  ] as const)('tells %s apart, without the password', async (_name, config, code) => {
    const error = await sinkOf('orders', config)
      .check()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect(String(error)).not.toContain('wrong-secret');
  });

  test.each<[SslMode, 'works' | 'unsupported']>([
    ['disable', 'works'],
    ['allow', 'works'],
    ['prefer', 'works'],
    ['require', 'unsupported'],
    ['verify-ca', 'unsupported'],
    ['verify-full', 'unsupported'],
  ])('with sslmode %s and a server without TLS', async (sslmode, outcome) => {
    const checking = sinkOf(await database.table('id int'), { sslmode }).check();
    if (outcome === 'works') await checking;
    else await expect(checking).rejects.toMatchObject({ code: outcome, message: expect.stringContaining('TLS') });
  });

  test('is made as often as maxConnections says where writes are not atomic, and once where they are', async () => {
    const table = await database.table('id int');
    const counted = async (config: Partial<PostgresSinkConfig>): Promise<unknown> => {
      const applicationName = uniqueName('app');
      const sink = await postgres.sink({ url: database.server.url, table, applicationName, ...config }).open();
      const sql = 'SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = $1';
      const [row] = await database.rows(sql, [applicationName]);
      await sink.close();
      return row?.['count'];
    };
    expect(await counted({ atomic: false, maxConnections: 3 })).toBe(3);
    expect(await counted({ maxConnections: 3 })).toBe(1);
  });

  /** A name that leads to the server by one address, and by another one when it has moved. */
  async function movingServer(): Promise<{ readonly host: string; readonly port: number; move(): Promise<void> }> {
    const { hostname, port } = new URL(database.server.directUrl);
    const there = { host: hostname, port: Number(port) };
    const host = uniqueName('moving');
    let address = '127.0.0.1';
    const lookUp = vi.spyOn(dns, 'lookup').mockImplementation(((name: string, ...rest: unknown[]) => {
      const callback = rest.at(-1) as (error: null, found: LookupAddress[]) => void; // as net calls it
      callback(null, [{ address: name === host ? address : name, family: 4 }]);
    }) as typeof dns.lookup);
    onTestFinished(() => lookUp.mockRestore());
    const before = await forwarder(there, { host: address, port: 0 });
    return {
      host,
      port: before.port,
      move: async () => {
        await before.close();
        address = '127.0.0.2';
        const after = await forwarder(there, { host: address, port: before.port });
        onTestFinished(() => after.close());
      },
    };
  }

  test('follows a server whose name leads to another address, to write', async () => {
    const table = await database.table('id int');
    const { move, ...place } = await movingServer();
    const sink = await sinkOf(table, place).open();
    onTestFinished(() => sink.close());
    await sink.write([{ payload: { id: 1 } }]);
    await move();
    await sink.write([{ payload: { id: 2 } }]);
    expect(await database.rows(`SELECT * FROM ${table} ORDER BY id`)).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test('follows it to read, too, and asks for the password anew', async () => {
    const table = await database.table('id int PRIMARY KEY');
    const { move, ...place } = await movingServer();
    const { url: _url, ...config } = cdcConfig(database, { tables: [table], snapshot: 'initial' });
    const password = vi.fn<() => Promise<string>>(async () => 'postgres');
    const account = { user: 'postgres', database: 'postgres' };
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    const read: unknown[] = [];
    const source = postgres.source({ ...config, ...place, ...account }, { password });
    await database.rows(`INSERT INTO ${table} VALUES (1)`);
    for await (const { messages, commit } of source.read({ signal: stop.signal })) {
      read.push(...messages.map(({ payload }) => payload));
      await commit();
      if (messages.length === 0) continue;
      if (read.length === 1) await database.rows(`INSERT INTO ${table} VALUES (2)`);
      else if (read.length === 2) {
        password.mockClear();
        await move();
        await database.rows(`INSERT INTO ${table} VALUES (3)`);
      } else break;
    }
    expect(read).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
    expect(password).toHaveBeenCalled();
  });

  test('survives a restart of the server', async () => {
    const table = await database.table('id int');
    const sink = await sinkOf(table).open();
    await sink.write([{ payload: { id: 1 } }]);
    await database.server.restart();
    await sink.write([{ payload: { id: 2 } }]);
    await sink.close();
    const native = await database.server.connect();
    const { rows } = await native.query(`SELECT * FROM ${table} ORDER BY id`);
    await native.end();
    expect(rows).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test('gives up a statement after statementTimeoutMs', async () => {
    const native = await database.server.connect();
    onTestFinished(() => native.end());
    const table = `"${uniqueName('slow')}"`;
    await native.query(`CREATE TABLE ${table} (id int)`);
    await native.query(`BEGIN; LOCK TABLE ${table}`);
    const retried = Promise.withResolvers<string>();
    const stop = new AbortController();
    const sink = await sinkOf(table, { statementTimeoutMs: 1000 }).open({
      signal: stop.signal,
      onRetry: ({ code }) => {
        if (code === 'timeout') retried.resolve(code);
      },
    });
    onTestFinished(() => sink.close());
    const writing = sink.write([{ payload: { id: 1 } }]);
    writing.catch(() => undefined);
    expect(await retried.promise).toBe('timeout');
    stop.abort();
    await expect(writing).rejects.toMatchObject({ message: expect.stringContaining('statementTimeoutMs') });
  });

  test('is checked for the table and the rights to write to it', async () => {
    const native = await database.server.connect();
    const table = uniqueName('orders').replace('-', '_');
    await native.query(
      `CREATE TABLE ${table} (id int PRIMARY KEY); DROP USER IF EXISTS app; CREATE USER app PASSWORD 'app'`,
    );
    const app = { user: 'app', password: 'app' };
    await expect(sinkOf(table, app).check()).rejects.toMatchObject({ code: 'permission_denied' });
    await native.query(`GRANT INSERT ON ${table} TO app`);
    await sinkOf(table, app).check();
    await expect(
      postgres.sink({ url: database.server.url, ...app, table, mode: 'mirror' }).check(),
    ).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('UPDATE'),
    });
    await expect(sinkOf('not_there').check()).rejects.toMatchObject({ code: 'not_found' });
    await postgres.sink({ url: database.server.url, table: 'not_there', create: true }).check();
    const found = await sinkOf(table, app).discover();
    expect(found).toEqual([
      {
        name: `public.${table}`,
        fields: [{ name: 'id', type: 'integer', nullable: false, key: true }],
        details: { kind: 'table', bytes: expect.any(Number), replicaIdentity: 'default' },
      },
    ]);
    await native.end();
  });
});
