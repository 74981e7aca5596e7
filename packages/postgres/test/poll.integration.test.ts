import type { Socket } from 'node:net';
import type { Client } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { openPostgresSource } from '../src/source.js';
import { sourceConfig } from '../src/source-config.js';
import { patience, Reader, testContext } from './cdc.js';
import { useDatabase } from './database.js';
import { column, openSource, pollConfig, positionAfter, readAll, session, sortedIds } from './poll.js';

const database = useDatabase();

test('rows come in the order of cursor and key, with key, topic, schema and time', async () => {
  const table = await database.table('id bigint primary key, name text, at timestamptz not null');
  await database.rows(
    `insert into ${table} values (2, 'b', '2026-01-01 00:00:00.123456+00'), (1, 'a', '2026-01-01 00:00:00.123456+00'),
     (9007199254740993, null, '2025-01-01')`,
  );
  const { messages } = await readAll(pollConfig(database, { table, cursor: 'at', bounded: true }));
  const name = `public.${table.replaceAll('"', '')}`;
  expect(messages.map(({ key, payload }) => [key, payload])).toEqual([
    [{ id: 9007199254740993n }, { id: 9007199254740993n, name: null, at: '2025-01-01T00:00:00Z' }],
    [{ id: 1 }, { id: 1, name: 'a', at: '2026-01-01T00:00:00.123456Z' }],
    [{ id: 2 }, { id: 2, name: 'b', at: '2026-01-01T00:00:00.123456Z' }],
  ]);
  expect(messages[1]).toMatchObject({
    topic: name,
    operation: undefined,
    timestamp: Date.UTC(2026, 0, 1, 0, 0, 0, 123),
    schema: {
      name,
      key: ['id'],
      fields: [
        { name: 'id', type: 'bigint', nullable: false },
        { name: 'name', type: 'text', nullable: true },
        { name: 'at', type: 'timestamp with time zone', nullable: false },
      ],
    },
  });
  expect(messages[1]?.schema).toBe(messages[2]?.schema);
});

test('no row is passed over whose cursor has a type of a schema that is not on search_path', async () => {
  await database.rows('create schema if not exists extensions');
  await database.rows('create extension citext schema extensions');
  const table = await database.table('name extensions.citext primary key');
  await database.rows(`insert into ${table} values ('a'), ('B'), ('c'), ('D')`);
  const first = await readAll(pollConfig(database, { table, cursor: 'name', bounded: true }));
  expect(column(first, 'name')).toEqual(['a', 'B', 'c', 'D']);
  const position = positionAfter(first, 1);
  const rest = await readAll(pollConfig(database, { table, cursor: 'name', bounded: true }), { position });
  expect(column(rest, 'name')).toEqual(['B', 'c', 'D']);
});

test('many rows that share a cursor value come once, across the ends of pages and after a restart anywhere', async () => {
  const table = await database.table('a int, b text, at date not null, primary key (b, a)');
  await database.rows(
    `insert into ${table} select n, n % 7, date '2026-01-01' + n / 500 from generate_series(-700, 699) n`,
  );
  const config = pollConfig(database, { table, cursor: 'at', bounded: true });
  const whole = await readAll(config, { maxMessages: 90 });
  const keys = whole.messages.map(({ key }) => JSON.stringify(key));
  expect(new Set(keys).size).toBe(1400);
  for (const count of [1, 41, 491, 700, 1399]) {
    const rest = await readAll(config, { position: positionAfter(whole, count) });
    expect(rest.messages.map(({ key }) => JSON.stringify(key))).toEqual(keys.slice(count));
  }
});

test.each([
  ['writes first', ['update', 'select']],
  ['writes last', ['select', 'update']],
])('a row of a transaction that began first, %s and committed last is not skipped', async (_, [before]) => {
  const table = await database.table('id int primary key, at timestamptz not null default now()');
  const [late, early] = [await session(database), await session(database)];
  const reader = new Reader(await openSource(pollConfig(database, { table, cursor: 'at' })));
  await late.query('begin');
  const write = `insert into ${table} values (1)`;
  if (before === 'update') await late.query(write);
  else await late.query('select now()');
  await early.query('begin');
  await early.query(`insert into ${table} values (2)`);
  await early.query('commit');
  if (before === 'select') {
    // It is read and passed: the other one has written nothing that could be waited for.
    await reader.take(1);
    await late.query(write);
  }
  // Looks that see the second row, and not the first.
  const looks = await lookCount();
  await expect.poll(async () => (await lookCount()) - looks, patience).toBeGreaterThan(3);
  await late.query('commit');
  await reader.take(2);
  expect(sortedIds(reader)).toEqual([1, 2]);
  await database.rows(`insert into ${table} values (3)`);
  await reader.take(3);
  expect(sortedIds(reader)).toEqual([1, 2, 3]);
  const [row] = await database.rows(
    `select count(*)::int as inverted from ${table} a join ${table} b on a.at < b.at and a.id = 1 and b.id = 2`,
  );
  expect(row).toEqual({ inverted: 1 });

  async function lookCount(): Promise<number> {
    const [found] = await database.rows(
      'select xact_commit::int as n from pg_stat_database where datname = current_database()',
    );
    return Number(found?.['n']);
  }
});

test('a row is not skipped that a transaction prepared, or wrote under a savepoint', async () => {
  const table = await database.table('id serial primary key');
  const other = await session(database);
  await other.query('begin');
  await other.query('savepoint a');
  await other.query(`insert into ${table} default values`);
  await other.query('release savepoint a');
  await database.rows(`insert into ${table} default values`);
  await other.query(`prepare transaction 'poll'`);
  const reader = new Reader(await openSource(pollConfig(database, { table, cursor: 'id' })));
  await database.rows(`insert into ${table} default values`);
  await database.rows(`commit prepared 'poll'`);
  await reader.take(3);
  expect(sortedIds(reader)).toEqual([1, 2, 3]);
});

test('a changed row comes again when its cursor has grown', async () => {
  const table = await database.table('id int primary key, version int not null, text text');
  await database.rows(`insert into ${table} values (1, 1, 'a'), (2, 2, 'b')`);
  const reader = new Reader(await openSource(pollConfig(database, { table, cursor: 'version' })));
  await reader.take(2);
  await database.rows(`update ${table} set version = 3, text = 'c' where id = 1`);
  await reader.take(3);
  expect(column(reader, 'text')).toEqual(['a', 'b', 'c']);
});

test('a row that is dated to the future hides no other', async () => {
  const table = await database.table('id int primary key, at timestamptz not null default now()');
  await database.rows(`insert into ${table} values (1, 'infinity'), (2, now())`);
  const reader = new Reader(await openSource(pollConfig(database, { table, cursor: 'at' })));
  await reader.take(2);
  for (let id = 3; id < 6; id++) {
    await database.rows(`insert into ${table} values (${id})`);
    await reader.take(id);
  }
  expect(column(reader, 'id')).toEqual([2, 1, 3, 4, 5]);
});

test('a row that changes while a large table is read is not lost, wherever it stands', async () => {
  const table = await database.table('id int primary key, hits int not null default 0');
  await database.rows(`insert into ${table} select generate_series(1, 3000)`);
  const reader = new Reader(await openSource(pollConfig(database, { table, cursor: 'id' })), { maxMessages: 100 });
  await reader.take(100);
  reader.pause();
  const writer = await session(database);
  await writer.query('begin');
  await writer.query(`update ${table} set hits = 1 where id in (5, 2000, 2999)`);
  await database.rows(`update ${table} set hits = 2 where id in (6, 2001)`);
  reader.resume();
  await writer.query('commit');
  await reader.take(3000);
  await expect.poll(() => new Set(column(reader, 'id')).size, patience).toBe(3000);
});

test('lookback finds rows that come in behind the others, and repeats none', async () => {
  const table = await database.table('id int primary key, at timestamptz not null');
  const add = (id: number, minutes: number): Promise<unknown> =>
    database.rows(`insert into ${table} values ($1, timestamptz '2026-01-01' + $2 * interval '1 minute')`, [
      id,
      minutes,
    ]);
  await add(1, 60);
  const reader = new Reader(await openSource(pollConfig(database, { table, cursor: 'at', lookback: 30 * 60_000 })));
  await reader.take(1);
  await add(2, 61);
  await reader.take(2);
  await add(3, 62);
  await reader.take(3);
  await add(4, 35);
  await reader.take(4);
  await add(5, 63);
  await reader.take(5);
  expect(column(reader, 'id')).toEqual([1, 2, 3, 4, 5]);
});

test('a run that is bounded ends with what is there, waits for who writes, and the next one brings the rest', async () => {
  const table = await database.table('id serial primary key');
  const config = pollConfig(database, { table, cursor: 'id', bounded: true });
  expect((await readAll(config)).messages).toEqual([]);
  await database.rows(`insert into ${table} default values`);
  const open = await session(database);
  await open.query('begin');
  await open.query(`insert into ${table} default values`);
  await database.rows(`insert into ${table} default values`);
  const first = new Reader(await openSource(config));
  await first.take(1);
  await open.query('commit');
  await expect.poll(() => first.ended, patience).toBe(true);
  expect(column(first, 'id')).toEqual([1, 2, 3]);
  await database.rows(`insert into ${table} default values`);
  expect(column(await readAll(config, { position: first.position }), 'id')).toEqual([4]);
});

test('start: latest, and a lost position that goes on at the latest, bring what comes from then on', async () => {
  const table = await database.table('id serial primary key');
  await database.rows(`insert into ${table} default values`);
  for (const [given, settings] of [
    [{ start: 'latest' }, {}],
    [{}, { start: 'latest' }],
  ] as const) {
    const driver = await openSource(pollConfig(database, { table, cursor: 'id', ...given }));
    const reader = new Reader(driver, settings);
    await expect.poll(() => reader.position, patience).toBeDefined();
    expect(reader.messages).toEqual([]);
    const [row] = await database.rows(`insert into ${table} default values returning id`);
    await reader.take(1);
    expect(column(reader, 'id')).toEqual([row?.['id']]);
    await reader.stop();
  }
});

test.each([
  ['timestamptz', `timestamptz '2026-01-01 00:00:00.000001+00' + n * interval '1 microsecond'`],
  ['timestamp', `timestamp '0044-03-15 BC' + n * interval '1 microsecond'`],
  ['numeric', `12345678901234567890.0000000001 + n * 0.0000000001`],
  ['bigint', '9007199254740992 + n'],
  ['uuid', `('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid`],
  ['text', `'ü"\\{},' || lpad(n::text, 5, '0')`],
  ['character(12)', `lpad(n::text, 5, '0')`],
  ['double precision', '0.1 + n * 1e-15'],
  ['bytea', `decode(lpad(to_hex(n), 6, '0'), 'hex')`],
  ['interval', `n * interval '1 hour'`],
])('the position of a cursor of type %s loses nothing', async (type, value) => {
  const table = await database.table(`id int primary key, at ${type} not null`);
  await database.rows(`insert into ${table} select n, ${value} from generate_series(1, 230) n`);
  const config = pollConfig(database, { table, cursor: 'at', bounded: true });
  const whole = await readAll(config, { maxMessages: 7 });
  expect(column(whole, 'id')).toEqual(Array.from({ length: 230 }, (_, index) => index + 1));
  const position = JSON.parse(JSON.stringify(positionAfter(whole, 70))); // as it is stored
  expect(column(await readAll(config, { position }), 'id')[0]).toBe(71);
});

test('columns that are added while it runs are in the rows from then on', async () => {
  const table = await database.table('id serial primary key, old text');
  const reader = new Reader(await openSource(pollConfig(database, { table, cursor: 'id' })));
  await database.rows(`insert into ${table} (old) values ('a')`);
  await reader.take(1);
  await database.rows(`alter table ${table} add "new" int default 7, drop old`);
  await database.rows(`insert into ${table} default values`);
  const [first, second] = await reader.take(2);
  expect(first?.payload).toEqual({ id: 1, old: 'a' });
  expect(second?.payload).toEqual({ id: 2, new: 7 });
  expect(second?.schema?.fields.map(({ name }) => name)).toEqual(['id', 'new']);
});

test('rows that were frozen come once', async () => {
  const table = await database.table('id serial primary key');
  const add = `insert into ${table} default values`;
  await database.rows(add);
  await database.rows(`vacuum (freeze) ${table}`);
  const reader = new Reader(await openSource(pollConfig(database, { table, cursor: 'id' })));
  await reader.take(1);
  await database.rows(add);
  await database.rows(`vacuum (freeze) ${table}`);
  await reader.take(2);
  await database.rows(add);
  await reader.take(3);
  expect(column(reader, 'id')).toEqual([1, 2, 3]);
});

test('large rows behind many small ones come in parts, and none of them is lost', async () => {
  const table = await database.table('id int primary key, text text');
  const insert = `insert into ${table} select n, case when n > 3000 then repeat('x', 100000) end from generate_series(1, 3500) n`;
  await database.rows(insert);
  const clients: Client[] = [];
  const config = sourceConfig.parse(pollConfig(database, { table, cursor: 'id', bounded: true }));
  const driver = await openPostgresSource(config, { onClient: (client) => void clients.push(client) }, testContext());
  onTestFinished(() => driver.close());
  const ids: unknown[] = [];
  let most = 0;
  let before = 0;
  const { signal } = new AbortController();
  for await (const batch of driver.read('', undefined, { maxMessages: 1000, maxBytes: 1024 * 1024, signal })) {
    ids.push(...column(batch, 'id'));
    const socket = clients[0]?.connection.stream as Socket | undefined; // it has no TLS
    const now = socket?.bytesRead ?? 0;
    most = Math.max(most, now - before);
    before = now;
  }
  expect(ids).toEqual(Array.from({ length: 3500 }, (_, index) => index + 1));
  expect(before).toBeGreaterThan(50_000_000);
  expect(most).toBeLessThan(25_000_000);
});
