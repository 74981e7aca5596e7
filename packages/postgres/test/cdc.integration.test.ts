import { describe, expect, it } from 'vitest';
import { cdcConfig, openCdc, Reader, started, told } from './cdc.js';
import { useDatabase } from './database.js';

describe.each([15, 18] as const)('changes of Postgres %i', (version) => {
  const database = useDatabase(version);

  /** Begins to read the changes of a new table. */
  async function watch(columns: string): Promise<{ table: string; reader: Reader }> {
    const table = await database.table(columns);
    return { table, reader: await started(await openCdc(cdcConfig(database, { tables: [table] }))) };
  }

  it('tells creates, updates and deletes, with the key of the row', async () => {
    const { table, reader } = await watch('id int primary key, name text');
    await database.rows(`insert into ${table} values (1, 'a'), (-2, 'b')`);
    await database.rows(`update ${table} set name = 'c' where id = 1`);
    await database.rows(`delete from ${table} where id = -2`);
    expect(told(await reader.take(4))).toEqual([
      ['create', { id: 1 }, { id: 1, name: 'a' }],
      ['create', { id: -2 }, { id: -2, name: 'b' }],
      ['update', { id: 1 }, { id: 1, name: 'c' }],
      ['delete', { id: -2 }, null],
    ]);
    expect(reader.messages.map(({ before }) => before)).toEqual([undefined, undefined, undefined, { id: -2 }]);
  });

  it('tells the whole row before a change where the replica identity is full', async () => {
    const { table, reader } = await watch('id int primary key, name text, rest text');
    await database.rows(`alter table ${table} replica identity full`);
    await database.rows(`insert into ${table} values (1, 'a', null)`);
    await database.rows(`update ${table} set name = 'b'`);
    await database.rows(`update ${table} set id = -1`);
    await database.rows(`delete from ${table}`);
    const [, update, move, remove] = await reader.take(4);
    expect(update).toMatchObject({ key: { id: 1 }, before: { id: 1, name: 'a', rest: null }, payload: { name: 'b' } });
    expect(move).toMatchObject({ key: { id: -1 }, before: { id: 1, name: 'b', rest: null }, payload: { id: -1 } });
    expect(remove).toMatchObject({ key: { id: -1 }, before: { id: -1, name: 'b', rest: null }, payload: null });
  });

  it('tells the key before an update that changes it', async () => {
    const { table, reader } = await watch('id int primary key, name text');
    await database.rows(`insert into ${table} values (1, 'a')`);
    await database.rows(`update ${table} set id = 2`);
    const [, update] = await reader.take(2);
    expect(update).toMatchObject({ operation: 'update', key: { id: 2 }, payload: { id: 2, name: 'a' } });
    expect(update?.before).toEqual({ id: 1 });
  });

  it('gives composite, text and uuid keys in the order of the key', async () => {
    const { table, reader } = await watch('a text, b uuid, c int, primary key (b, a)');
    const uuid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
    await database.rows(`insert into ${table} values ('', '${uuid}', 3)`);
    await database.rows(`delete from ${table}`);
    const messages = await reader.take(2);
    expect(messages.map(({ key }) => JSON.stringify(key))).toEqual(Array(2).fill(JSON.stringify({ b: uuid, a: '' })));
    expect(messages[0]?.schema?.key).toEqual(['b', 'a']);
    expect(messages[1]?.before).toEqual({ a: '', b: uuid });
  });

  it('has no key for a table without one, and says the old row where it is known', async () => {
    const { table, reader } = await watch('a int, b int');
    await database.rows(`insert into ${table} values (1, 2)`);
    await database.rows(`alter table ${table} replica identity full`);
    await database.rows(`delete from ${table}`);
    const [create, remove] = await reader.take(2);
    expect(create).toMatchObject({ key: null, payload: { a: 1, b: 2 }, schema: { key: [] } });
    expect(remove).toMatchObject({ key: null, payload: null, before: { a: 1, b: 2 } });
  });

  it('takes the index that is the replica identity for the key', async () => {
    const { table, reader } = await watch('id int primary key, code text not null unique, name text');
    const index = table.replace(/"$/, '_code_key"');
    await database.rows(`alter table ${table} replica identity using index ${index}`);
    await database.rows(`insert into ${table} values (1, 'x', 'a')`);
    await database.rows(`delete from ${table}`);
    expect(told(await reader.take(2))).toMatchObject([
      ['create', { code: 'x' }, { id: 1 }],
      ['delete', { code: 'x' }, null],
    ]);
  });

  it('leaves a stored-away value that did not change out, and never says that it is null', async () => {
    const { table, reader } = await watch('id int primary key, big text, name text');
    await database.rows(`alter table ${table} alter big set storage external`);
    await database.rows(`insert into ${table} values (1, repeat('x', 100000), 'a'), (2, null, 'a')`);
    await database.rows(`update ${table} set name = 'b'`);
    const messages = await reader.take(4);
    expect(messages[0]?.payload).toEqual({ id: 1, big: 'x'.repeat(100_000), name: 'a' });
    expect(messages[2]?.payload).toEqual({ id: 1, name: 'b' });
    expect(messages[3]?.payload).toEqual({ id: 2, big: null, name: 'b' });
  });

  it('takes a stored-away value that did not change from the old row where that is told', async () => {
    const { table, reader } = await watch('id int primary key, big text, name text');
    await database.rows(`alter table ${table} alter big set storage external, replica identity full`);
    await database.rows(`insert into ${table} values (1, repeat('x', 100000), 'a')`);
    await database.rows(`update ${table} set name = 'b'`);
    const [, update] = await reader.take(2);
    expect(update?.payload).toEqual({ id: 1, big: 'x'.repeat(100_000), name: 'b' });
  });

  it('tells that a table was emptied, one message for each', async () => {
    const { table, reader } = await watch('id int primary key');
    await database.rows(`insert into ${table} values (1)`);
    await database.rows(`truncate ${table}`);
    const [, truncate] = await reader.take(2);
    expect(truncate).toMatchObject({
      operation: 'truncate',
      key: null,
      payload: null,
      topic: `public.${table.slice(1, -1)}`,
    });
  });

  it('emits nothing of a transaction before it is committed, nothing of one that is rolled back, and order of commits', async () => {
    const { table, reader } = await watch('id int primary key');
    const other = await database.server.connect();
    await other.query(`begin; insert into ${table} values (1)`);
    await database.rows(`begin; insert into ${table} values (2); rollback`);
    await database.rows(`insert into ${table} values (3)`);
    await reader.take(1);
    await other.query(
      `savepoint a; insert into ${table} values (4); rollback to a; insert into ${table} values (5); commit`,
    );
    await other.end();
    expect((await reader.take(3)).map(({ key }) => key)).toEqual([{ id: 3 }, { id: 1 }, { id: 5 }]);
  });

  it('gives a large transaction that is open no sooner than it is committed', async () => {
    const { table, reader } = await watch('id int primary key, text text');
    // Less memory than the transaction needs: the server puts it aside on its disk.
    await database.rows(`alter system set logical_decoding_work_mem = '64kB'`);
    await database.rows('select pg_reload_conf()');
    await database.rows(`begin; insert into ${table} select n, repeat('x', 1000) from generate_series(1, 5000) n`);
    const other = await database.server.connect();
    await other.query(`insert into ${table} values (-1, '')`);
    await other.end();
    expect((await reader.take(1)).map(({ key }) => key)).toEqual([{ id: -1 }]);
    await database.rows('commit');
    expect((await reader.take(5001)).length).toBe(5001);
  });

  it('says transaction, place and time of the commit in headers, and marks the last message of each transaction', async () => {
    const { table, reader } = await watch('id int primary key');
    const [before] = await database.rows('select pg_current_wal_insert_lsn()::text as lsn');
    await database.rows('begin');
    await database.rows(`insert into ${table} values (1), (2)`);
    const [transaction] = await database.rows('select txid_current()::text as id');
    await database.rows('commit');
    await database.rows(`insert into ${table} values (3)`);
    const messages = await reader.take(3);
    const headers = messages.map((message) => new Map(message.headers));
    const text = (index: number, name: string): string => JSON.stringify(headers[index]?.get(name)).replaceAll('"', '');
    expect(headers.map((all) => all.get('transactionEnd'))).toEqual([undefined, true, true]);
    expect(text(0, 'transactionId')).toBe(transaction?.['id']);
    expect(text(1, 'transactionId')).toBe(text(0, 'transactionId'));
    expect(text(1, 'lsn')).toBe(text(0, 'lsn'));
    expect(text(2, 'transactionId')).not.toBe(text(0, 'transactionId'));
    const [order] = await database.rows('select $1::pg_lsn > $2::pg_lsn as later', [text(0, 'lsn'), before?.['lsn']]);
    expect(order?.['later']).toBe(true);
    const commitTime = text(0, 'commitTime');
    expect(commitTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(Date.parse(commitTime)).toBe(messages[0]?.timestamp);
    expect(Math.abs(Date.now() - (messages[0]?.timestamp ?? 0))).toBeLessThan(60_000);
  });

  it('reads tables and columns whatever their names are', async () => {
    const schema = `"We.ird ""schema"""`;
    const table = `${schema}."Ta.ble"`;
    await database.rows(`drop schema if exists ${schema} cascade; create schema ${schema}`);
    await database.rows(`create table ${table} ("I""d" int primary key, "select" text, "__proto__" text, "ü" int)`);
    const reader = await started(await openCdc(cdcConfig(database, { tables: [table] })));
    await database.rows(`insert into ${table} values (1, 'a', 'b', 2)`);
    const [message] = await reader.take(1);
    expect(message?.topic).toBe(table);
    expect(message?.key).toEqual({ 'I"d': 1 });
    expect(Object.entries(message?.payload ?? {})).toEqual([
      ['I"d', 1],
      ['select', 'a'],
      ['__proto__', 'b'],
      ['ü', 2],
    ]);
  });

  it('tells changes of partitions under the name of the partitioned table, those that move a row included', async () => {
    const table = await database.table('id int, part int, primary key (id, part)) partition by range (part');
    const partition = (n: number): string => table.replace(/"$/, `_${n}"`);
    for (const n of [1, 2])
      await database.rows(`create table ${partition(n)} partition of ${table} for values from (${n}) to (${n + 1})`);
    const reader = await started(await openCdc(cdcConfig(database, { tables: [table] })));
    await database.rows(`insert into ${table} values (7, 1)`);
    await database.rows(`update ${table} set part = 2`);
    await database.rows(`truncate ${table}`);
    const messages = await reader.take(4);
    expect(messages.map(({ topic }) => topic)).toEqual(Array(4).fill(`public.${table.slice(1, -1)}`));
    expect(told(messages)).toEqual([
      ['create', { id: 7, part: 1 }, { id: 7, part: 1 }],
      ['delete', { id: 7, part: 1 }, null],
      ['create', { id: 7, part: 2 }, { id: 7, part: 2 }],
      ['truncate', null, null],
    ]);
  });

  it('reads partitions under their own names where the publication says so', async () => {
    const table = await database.table('id int primary key) partition by range (id');
    const partition = table.replace(/"$/, '_1"');
    await database.rows(`create table ${partition} partition of ${table} for values from (1) to (9)`);
    const config = cdcConfig(database, { tables: [table], create: false });
    await database.rows(`create publication ${config.publication} for table ${table}`);
    await database.rows(`select pg_create_logical_replication_slot('${config.slot}', 'pgoutput')`);
    const reader = await started(await openCdc(config));
    await database.rows(`insert into ${table} values (1)`);
    expect((await reader.take(1))[0]?.topic).toBe(`public.${partition.slice(1, -1)}`);
  });

  it('follows a table that changes while it is read, with one schema object for each version', async () => {
    const { table, reader } = await watch('id int primary key');
    await database.rows(`insert into ${table} values (1)`);
    await database.rows(`insert into ${table} values (2)`);
    await reader.take(2);
    await database.rows(
      `begin; alter table ${table} add name varchar(20) not null default 'n'; insert into ${table} values (3, 'c')`,
    );
    await database.rows(`alter table ${table} rename id to number; insert into ${table} values (4, 'd'); commit`);
    const messages = await reader.take(4);
    expect(messages.map(({ payload }) => payload)).toEqual([
      { id: 1 },
      { id: 2 },
      { id: 3, name: 'c' },
      { number: 4, name: 'd' },
    ]);
    const schemas = messages.map(({ schema }) => schema);
    expect(schemas[1]).toBe(schemas[0]);
    expect(schemas[0]?.fields).toEqual([{ name: 'id', type: 'integer', nullable: false }]);
    expect(schemas[3]?.fields).toEqual([
      { name: 'number', type: 'integer', nullable: false },
      { name: 'name', type: 'character varying(20)', nullable: false },
    ]);
  });

  it('reads changes of a table that has been dropped since', async () => {
    const table = await database.table('id int primary key, tags text[]');
    const config = cdcConfig(database, { tables: [table] });
    const reader = await started(await openCdc(config));
    await reader.stop();
    await database.rows(`insert into ${table} values (1, '{a}')`);
    await database.rows(`drop table ${table}`);
    const again = new Reader(await openCdc({ ...config, tables: undefined }), { position: reader.position });
    expect(told(await again.take(1))).toEqual([['create', { id: 1 }, { id: 1, tags: ['a'] }]]);
  });
});
