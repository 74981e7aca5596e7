import { describe, expect, it } from 'vitest';
import { postgres } from '../src/connector.js';
import { cdcConfig, openCdc, started } from './cdc.js';
import { useDatabase } from './database.js';

const signal = new AbortController().signal;

describe.each([15, 18] as const)('a source of Postgres %i', (version) => {
  const database = useDatabase(version);

  it('discovers tables and views with columns, types, keys and an estimate of their rows', async () => {
    await database.rows('create schema shop');
    await database.rows(
      `create table shop."Or.ders" (id bigint, "Line No" int, price numeric(10,2) not null, tags text[], primary key ("Line No", id))`,
    );
    await database.rows(`insert into shop."Or.ders" select n, 1, 1 from generate_series(1, 500) n`);
    await database.rows('create view shop.cheap as select id, price from shop."Or.ders"');
    await database.rows('create table shop.parts (id int primary key) partition by range (id)');
    await database.rows('create table shop.parts_1 partition of shop.parts for values from (0) to (1000)');
    await database.rows('insert into shop.parts select generate_series(0, 99)');
    await database.rows('analyze');
    const all = await postgres.source(cdcConfig(database)).discover();
    const found = all.filter(({ name }) => name.startsWith('shop.'));
    expect(found.map(({ name }) => name)).toEqual(['shop."Or.ders"', 'shop.cheap', 'shop.parts']);
    expect(found[0]?.fields).toEqual([
      { name: 'id', type: 'bigint', nullable: false, key: true },
      { name: 'Line No', type: 'integer', nullable: false, key: true },
      { name: 'price', type: 'numeric(10,2)', nullable: false, key: false },
      { name: 'tags', type: 'text[]', nullable: true, key: false },
    ]);
    expect(found[0]?.details).toMatchObject({ kind: 'table', estimatedRows: 500, replicaIdentity: 'default' });
    expect(found[1]?.details).toMatchObject({ kind: 'view' });
    expect(found[2]?.details).toMatchObject({ kind: 'partitioned table', estimatedRows: 100 });
    expect(all.some(({ name }) => name.startsWith('pg_catalog.'))).toBe(false);
  });

  it('lists what it made outside, and removes it only when asked to', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    const reader = await started(await openCdc(config));
    const { descriptor } = postgres;
    const settings = postgres.source(config).config as Parameters<
      NonNullable<NonNullable<typeof descriptor.source>['teardown']>
    >[0]; // parsed by it
    const teardown = (remove: boolean): Promise<readonly string[]> | undefined =>
      descriptor.source?.teardown?.(settings, {}, { pipeline: 'test', id: 'source', remove, signal });
    expect(await teardown(false)).toEqual([
      expect.stringMatching(
        new RegExp(`^replication slot "${config.slot}" \\(in use by process \\d+, keeps 0\\.\\d MB of the log\\)$`),
      ),
      `publication "${config.publication}"`,
    ]);
    await expect(teardown(true)).rejects.toMatchObject({ code: '55006' });
    await reader.stop();
    expect(await teardown(false)).toHaveLength(2);
    expect(await teardown(true)).toEqual([
      expect.stringContaining('not in use'),
      `publication "${config.publication}"`,
    ]);
    expect(await teardown(true)).toEqual([]);
    expect(await database.rows('select from pg_replication_slots')).toEqual([]);
    expect(await database.rows('select from pg_publication')).toEqual([]);
  });

  it('leaves a publication that somebody else made', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database);
    await database.rows(`create publication ${config.publication} for table ${table}`);
    await (await started(await openCdc(config))).stop();
    const { source } = postgres.descriptor;
    const settings = postgres.source(config).config as Parameters<
      NonNullable<NonNullable<typeof source>['teardown']>
    >[0]; // parsed by it
    const request = { pipeline: 'test', id: 'source', remove: true, signal };
    expect(await source?.teardown?.(settings, {}, request)).toEqual([expect.stringContaining('replication slot')]);
    expect(
      await database.rows('select pubname from pg_publication where pubname = $1', [config.publication]),
    ).toHaveLength(1);
  });
});
