import { type PostgresServer, startPostgres } from '@sluice/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CdcSourceConfig } from '../src/changes/cdc-config.js';
import { postgres } from '../src/connector.js';
import { cdcConfig, openCdc, patience, Reader, started, testContext } from './cdc.js';
import { useDatabase } from './database.js';

/** How reading from a position ends that has to fail. */
async function failureOf(reader: Reader): Promise<unknown> {
  await expect.poll(() => reader.ended, patience).toBe(true);
  return reader.failure;
}

const madeLater = { code: 'not_found', message: expect.stringMatching(/made after changes/) };

async function startServer(settings: Record<string, string>): Promise<PostgresServer> {
  const server = await startPostgres({ settings });
  onTestFinished(() => server.stop());
  return server;
}

function check(config: CdcSourceConfig): Promise<void> {
  return postgres.source(config).check();
}

describe.each([15, 18] as const)('what is missing on Postgres %i', (version) => {
  const database = useDatabase(version);

  it('is said: the publication, a table in it, the slot', async () => {
    const table = await database.table('id int primary key');
    const other = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table], create: false });
    const { publication, slot } = config;
    await expect(openCdc(config)).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining(`create publication "${publication}" for table ${table}`),
    });
    await database.rows(`create publication ${publication} for table ${other}`);
    await expect(openCdc(config)).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining(`alter publication "${publication}" add table ${table}`),
    });
    await database.rows(`alter publication ${publication} add table ${table}`);
    const reader = new Reader(await openCdc(config));
    expect(await failureOf(reader)).toMatchObject({
      code: 'not_found',
      message: expect.stringContaining(`pg_create_logical_replication_slot('${slot}', 'pgoutput')`),
    });
    await expect(check(config)).rejects.toMatchObject({ code: 'not_found' });
    await database.rows(`select pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    await check(config);
  });

  it('is made when asked for, and kept when it is there already', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    await check(config);
    expect(await database.rows('select from pg_replication_slots where slot_name = $1', [config.slot])).toEqual([]);
    await (await started(await openCdc(config))).stop();
    await database.rows(`insert into ${table} values (1)`);
    expect((await new Reader(await openCdc(config)).take(1)).length).toBe(1);
  });

  it('is told when the server refuses updates from now on, because nothing identifies the rows of a table', async () => {
    const table = await database.table('id int');
    const context = testContext();
    await openCdc(cdcConfig(database, { tables: [table] }), context);
    expect(context.notices.join()).toContain(`refuses updates and deletes of ${table}`);
    await expect(database.rows(`insert into ${table} values (1); delete from ${table}`)).rejects.toThrow(
      /replica identity/,
    );
  });

  it('is the right to read the log: the text says how to give it', async () => {
    await database.rows(`create role reader login password 'secret'`);
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table], user: 'reader', password: 'secret', create: false });
    await database.rows(`create publication ${config.publication} for table ${table}`);
    await expect(openCdc(config)).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('alter role reader replication'),
    });
    await expect(check(config)).rejects.toMatchObject({ code: 'permission_denied' });
    await database.rows('alter role reader replication');
    await started(await openCdc({ ...config, create: true }));
  });

  it('is the slot that was there before: a gap is never silent', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    const reader = await started(await openCdc(config));
    await database.rows(`insert into ${table} values (1)`);
    await reader.take(1);
    await reader.stop();
    await database.rows(`select pg_drop_replication_slot('${config.slot}')`);
    await database.rows(`insert into ${table} values (2)`);
    const { position } = reader;
    const driver = await openCdc(config);
    expect(await failureOf(new Reader(driver, { position }))).toMatchObject({ code: 'position_lost' });
    // Made anew by somebody else: it looks the same and has a gap.
    await database.rows(`select pg_create_logical_replication_slot('${config.slot}', 'pgoutput')`);
    expect(await failureOf(new Reader(driver, { position }))).toMatchObject({
      code: 'position_lost',
      message: expect.stringContaining('made anew'),
    });
    const onwards = await started(driver, { start: 'earliest' });
    await database.rows(`insert into ${table} values (3)`);
    expect((await onwards.take(1)).map(({ key }) => key)).toEqual([{ id: 3 }]);
  });

  it('is a slot that was made anew before the first change, too', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    const reader = await started(await openCdc(config));
    await reader.stop();
    await database.rows(`insert into ${table} values (1)`);
    await database.rows(`select pg_drop_replication_slot('${config.slot}')`);
    await database.rows(`select pg_create_logical_replication_slot('${config.slot}', 'pgoutput')`);
    const again = new Reader(await openCdc(config), { position: reader.position });
    expect(await failureOf(again)).toMatchObject({ code: 'position_lost' });
  });

  it('is a position of another kind', async () => {
    const table = await database.table('id int primary key');
    const driver = await openCdc(cdcConfig(database, { tables: [table] }));
    await (await started(driver)).stop();
    for (const position of ['0/1', { lsn: '0/G', rows: 0 }, { lsn: '0/1', rows: -1 }, null])
      expect(await failureOf(new Reader(driver, { position }))).toMatchObject({ code: 'position_lost' });
    expect(await failureOf(new Reader(driver, { position: { lsn: 'FFFFFFFF/0', rows: 0 } }))).toMatchObject({
      code: 'position_lost',
      message: expect.stringContaining('restored from a backup'),
    });
  });

  it('is a slot that is free: one that another reader holds can be had when that one ends', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    const first = await started(await openCdc(config));
    const second = await openCdc(config);
    expect(await failureOf(new Reader(second))).toMatchObject({
      code: 'not_connected',
      message: expect.stringMatching(/active for PID \d+: another pipeline/),
    });
    await first.stop();
    await started(second);
  });

  it('is a publication that was dropped while its slot stayed', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    await (await started(await openCdc(config))).stop();
    await database.rows(`drop publication ${config.publication}`);
    await expect(openCdc(config)).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('teardown'),
    });
  });

  it('is a publication that was made again after changes that its slot has', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    const reader = await started(await openCdc(config));
    await reader.stop();
    await database.rows(`drop publication ${config.publication}`);
    await database.rows(`insert into ${table} values (1)`);
    await database.rows(`create publication ${config.publication} for table ${table}`);
    await database.rows(`insert into ${table} values (2)`);
    const again = new Reader(await openCdc(config), { position: reader.position });
    expect(await failureOf(again)).toMatchObject(madeLater);
    expect(again.messages).toEqual([]);
  });

  it('is a publication that is dropped while its changes are read', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table], statusIntervalMs: 1000 });
    const driver = await openCdc(config);
    const reader = await started(driver);
    await database.rows(`insert into ${table} values (1)`);
    await reader.take(1);
    await database.rows(`drop publication ${config.publication}`);
    await database.rows(`insert into ${table} values (2)`);
    expect(await failureOf(reader)).toMatchObject(madeLater);
    await reader.stop();
    // No position has passed it.
    const active = 'select from pg_replication_slots where slot_name = $1 and active';
    await expect.poll(() => database.rows(active, [config.slot]), patience).toEqual([]);
    await database.rows(`create publication ${config.publication} for table ${table}`);
    expect(await failureOf(new Reader(driver, { position: reader.position }))).toMatchObject(madeLater);
  });

  it('is a table that is taken out of the publication while its changes are read: that is told once', async () => {
    const [table, other] = [await database.table('id int primary key'), await database.table('id int primary key')];
    const config = cdcConfig(database, { tables: [table, other], statusIntervalMs: 50 });
    const context = testContext();
    const reader = await started(await openCdc(config, context));
    await database.rows(`alter publication ${config.publication} drop table ${table}`);
    await expect
      .poll(() => context.notices, patience)
      .toEqual([expect.stringContaining(`does not publish ${table} any more`)]);
    await database.rows(`insert into ${other} values (1)`);
    await reader.take(1);
    expect(context.notices).toHaveLength(1);
  });

  it('is nothing that a slot or a publication of others is taken for', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    await database.rows(`select pg_create_physical_replication_slot('${config.slot}')`);
    await database.rows(`create publication ${config.publication} for table ${table}`);
    expect(await failureOf(new Reader(await openCdc(config)))).toMatchObject({ code: 'config_invalid' });
  });
});

describe('what the server does not allow', () => {
  it('is told: wal_level', async () => {
    const { url } = await startServer({ wal_level: 'replica' });
    const config: CdcSourceConfig = { url, mode: 'cdc', snapshot: 'never', slot: 's', publication: 'p', create: true };
    await expect(openCdc(config)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('wal_level is "replica"'),
    });
    await expect(check(config)).rejects.toMatchObject({ code: 'unsupported' });
  });

  it('is told: no free slot, and log that the server has removed', async () => {
    const server = await startServer({
      max_replication_slots: '1',
      max_slot_wal_keep_size: '1MB',
      max_wal_size: '32MB',
      min_wal_size: '32MB',
      wal_keep_size: '0',
    });
    const native = await server.connect();
    onTestFinished(() => native.end());
    await native.query('create table t (id int primary key, text text)');
    const config: CdcSourceConfig = {
      url: server.url,
      mode: 'cdc',
      snapshot: 'never',
      slot: 's',
      publication: 'p',
      create: true,
    };
    await native.query(`select pg_create_logical_replication_slot('other', 'pgoutput')`);
    await expect(check(config)).rejects.toMatchObject({ code: 'resource_exhausted' });
    expect(await failureOf(new Reader(await openCdc(config)))).toMatchObject({
      code: 'resource_exhausted',
      message: expect.stringContaining('raise max_replication_slots'),
    });
    await native.query(`select pg_drop_replication_slot('other')`);
    const reader = await started(await openCdc(config));
    await reader.stop();
    for (let isKept = true; isKept; ) {
      await native.query(
        `insert into t select n, repeat(md5(n::text), 100) from generate_series(1, 10000) n; truncate t`,
      );
      await native.query('select pg_switch_wal()');
      await native.query('checkpoint');
      const { rows } = await native.query<{ wal_status: string }>(
        `select wal_status from pg_replication_slots where slot_name = 's'`,
      );
      isKept = rows[0]?.wal_status !== 'lost';
    }
    const lost = { code: 'position_lost', message: expect.stringContaining('max_slot_wal_keep_size') };
    const driver = await openCdc(config);
    expect(await failureOf(new Reader(driver, { position: reader.position }))).toMatchObject(lost);
    expect(await failureOf(new Reader(driver))).toMatchObject(lost);
    await expect(check(config)).rejects.toMatchObject({ code: 'position_lost' });
  });
});
