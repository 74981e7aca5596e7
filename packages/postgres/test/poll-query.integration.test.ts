import { expect, test } from 'vitest';
import { patience, Reader } from './cdc.js';
import { useDatabase } from './database.js';
import { column, openSource, pollConfig, positionAfter, readAll, refusal, session } from './poll.js';

const database = useDatabase();

test('refresh: full brings all rows each time, and goes on where it was stopped', async () => {
  const table = await database.table('a int, b text, primary key (a, b)');
  await database.rows(`insert into ${table} select n / 2, n from generate_series(1, 250) n`);
  const config = pollConfig(database, { table, refresh: 'full', bounded: true });
  const whole = await readAll(config, { maxMessages: 60 });
  expect(whole.messages).toHaveLength(250);
  const rest = await readAll(config, { position: positionAfter(whole, 90) });
  expect(column(rest, 'b')).toEqual(column(whole, 'b').slice(90));
  expect((await readAll(config, { position: whole.position })).messages).toHaveLength(250);
  const reader = new Reader(await openSource({ ...config, bounded: false }));
  await reader.take(500);
  expect(new Set(column(reader, 'b')).size).toBe(250);
});

test('a query is read with bound parameters, which never become SQL', async () => {
  const table = await database.table('id int primary key, region text, at timestamptz not null default now()');
  const evil = `x'; drop table ${table}; --`;
  await database.rows(
    `insert into ${table} select n, case when n % 2 = 0 then 'north' else $1 end from generate_series(1, 250) n`,
    [evil],
  );
  const query = `select id, region || '!' as region from ${table} where region = $1 and id > $2 -- as it stands`;
  const config = pollConfig(database, {
    query,
    parameters: [evil, 100],
    cursor: 'id',
    key: ['id'],
    topic: 'odd',
    bounded: true,
  });
  const { messages } = await readAll(config);
  expect(messages).toHaveLength(75);
  expect(messages[0]).toMatchObject({ topic: 'odd', key: { id: 101 }, payload: { id: 101, region: `${evil}!` } });
  const full = pollConfig(database, { query, parameters: ['north', 240], key: ['id'], refresh: 'full', bounded: true });
  expect(column(await readAll(full), 'id')).toEqual([242, 244, 246, 248, 250]);
});

test('a query goes no further than where nothing can be committed any more', async () => {
  const table = await database.table('id int primary key, at timestamptz not null default now()');
  const late = await session(database);
  await late.query('begin');
  await late.query('select now()'); // it has the time of its rows, and no id
  await database.rows(`insert into ${table} values (2)`);
  const config = pollConfig(database, { query: `select * from ${table}`, cursor: 'at', key: ['id'] });
  const reader = new Reader(await openSource(config));
  await late.query(`insert into ${table} values (1)`);
  await late.query('commit');
  await reader.take(2);
  await database.rows(`insert into ${table} values (3)`);
  await reader.take(3);
  expect(column(reader, 'id')).toEqual([1, 2, 3]);
  expect(column(await readAll({ ...config, bounded: true }, { position: positionAfter(reader, 2) }), 'id')).toEqual([
    3,
  ]);
});

test('start: latest brings what comes after the last row of a query, which a row of the future does not hide', async () => {
  const table = await database.table('id int primary key, at timestamptz not null default now()');
  await database.rows(`insert into ${table} values (1, now()), (2, now()), (9, now() + interval '1 hour')`);
  const query = { query: `select * from ${table}`, cursor: 'at', key: ['id'] };
  for (const [given, settings] of [
    [{ start: 'latest' }, {}],
    [{}, { start: 'latest' }],
  ] as const) {
    const reader = new Reader(await openSource(pollConfig(database, { ...query, ...given })), settings);
    await expect.poll(() => reader.failure ?? reader.position, patience).toBeDefined();
    expect(reader.messages).toEqual([]);
    const [row] = await database.rows(`insert into ${table} select max(id) + 1 from ${table} returning id`);
    await reader.take(1);
    expect(column(reader, 'id')).toEqual([row?.['id']]);
    await reader.stop();
    const later = await readAll(pollConfig(database, { ...query, bounded: true }), { position: reader.position });
    expect(later.messages).toEqual([]);
  }
});

test('a query that takes longer than statementTimeoutMs is given up', async () => {
  const query = { query: 'select 1 as id, pg_sleep(60)::text as slow', cursor: 'id', key: ['id'] };
  expect(await refusal(pollConfig(database, { ...query, statementTimeoutMs: 1000 }))).toMatchObject({ code: '57014' });
});

test('views, partitioned tables and names that need quotes are read', async () => {
  const table = await database.table('"Id" int primary key, "Changed at" int not null');
  await database.rows(`create schema "Odd.Schema"; create view "Odd.Schema"."a ""view" as select * from ${table};
    insert into ${table} values (1, 5), (2, 4)`);
  const view = pollConfig(database, {
    table: '"Odd.Schema"."a ""view"',
    cursor: 'Changed at',
    key: ['Id'],
    bounded: true,
  });
  const { messages } = await readAll(view);
  expect(messages.map(({ topic, key }) => [topic, key])).toEqual([
    ['"Odd.Schema"."a ""view"', { Id: 2 }],
    ['"Odd.Schema"."a ""view"', { Id: 1 }],
  ]);
  await database.rows(`create table parts (id int primary key, at int not null) partition by range (id);
    create table part_1 partition of parts for values from (0) to (100); create table part_2 partition of parts default;
    insert into parts values (1, 9), (200, 8), (-1, 7)`);
  const parts = pollConfig(database, { table: 'parts', cursor: 'at' });
  const reader = new Reader(await openSource(parts));
  await reader.take(3);
  await database.rows('insert into parts values (2, 10)');
  await reader.take(4);
  expect(column(reader, 'id')).toEqual([-1, 200, 1, 2]);
});

test('says what is wrong with what it is to read', async () => {
  const table = await database.table('id int, at int, other int not null unique');
  const given = (fields: object): ReturnType<typeof pollConfig> =>
    pollConfig(database, { table, bounded: true, cursor: 'at', ...fields });
  await database.rows(`insert into ${table} values (1, 1, 1), (1, 1, 2)`);
  expect(await refusal(given({ table: 'nowhere' }))).toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('"nowhere"'),
  });
  expect(await refusal(given({}))).toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('no primary key'),
  });
  expect(await refusal(given({ cursor: 'missing', key: ['other'] }))).toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('"missing"'),
  });
  expect(await refusal(given({ key: ['id'] }))).toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('may be null'),
  });
  const query = { table: undefined, query: `select * from ${table}` };
  expect(await refusal(given({ ...query, key: ['id'] }))).toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('same at, id (1, 1)'),
  });
  await database.rows(`update ${table} set id = null where other = 1`);
  expect(await refusal(given({ ...query, key: ['id'] }))).toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('null in column "id"'),
  });
  const text = await database.table('id text primary key');
  expect(await refusal(given({ table: text, cursor: 'id', lookback: 5 }))).toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('lookback'),
  });
  expect(await refusal(given({ key: ['other'] }), { position: { at: 1 } })).toMatchObject({ code: 'position_lost' });
  const { position } = await readAll(given({ key: ['other'] }));
  expect(await refusal(given({ cursor: 'other', key: ['other'] }), { position })).toMatchObject({
    code: 'position_lost',
  });
  const ahead = { ...(position as object), before: '99999999999' };
  expect(await refusal(given({ key: ['other'] }), { position: ahead })).toMatchObject({
    code: 'position_lost',
    message: expect.stringContaining('restored'),
  });
});

test('lookback of a query finds rows that come in behind the others, by reading its window again', async () => {
  const table = await database.table('id int primary key');
  await database.rows(`insert into ${table} values (5), (10), (20)`);
  const config = pollConfig(database, { query: `select * from ${table}`, cursor: 'id', key: ['id'], lookback: 10 });
  const reader = new Reader(await openSource(config));
  await reader.take(3);
  await database.rows(`insert into ${table} values (15), (9)`);
  await expect.poll(() => column(reader, 'id'), patience).toContain(15);
  expect(column(reader, 'id')).not.toContain(9);
  expect(column(reader, 'id').filter((id) => id === 5)).toHaveLength(1);
});
