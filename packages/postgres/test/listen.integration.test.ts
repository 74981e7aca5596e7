import { isConnectorError, type SourceDriver, textOf } from '@sluice/core/driver';
import { expect, onTestFinished, test } from 'vitest';
import { postgres } from '../src/connector.js';
import type { ListenSourceConfig } from '../src/notifications/listen-config.js';
import { listenConfig } from '../src/notifications/listen-config.js';
import { patience, Reader, testContext } from './cdc.js';
import { useDatabase } from './database.js';
import { openSource, refusal, session, sortedIds } from './poll.js';

const database = useDatabase();
const odd = 'Odd "channel"; drop table x --';

/** So long that nothing comes by polling alone. */
const never = 3_600_000;

function config(given: Partial<ListenSourceConfig>): ListenSourceConfig {
  return { url: database.server.url, mode: 'listen', channels: [odd], intervalMs: never, ...given };
}

/** As the engine sees it. */
function codeOf(error: unknown): string | undefined {
  return isConnectorError(error) ? error.code : postgres.descriptor.classify?.(error)?.code;
}

function teardown(given: ListenSourceConfig, remove: boolean): Promise<readonly string[]> | undefined {
  const signal = new AbortController().signal;
  const request = { pipeline: 'test', id: 'source', remove, signal };
  return postgres.descriptor.source?.teardown?.(listenConfig.parse(given), {}, request);
}

test('without a table, notifications come with channel, payload and sender, and the guarantee is at-most-once', async () => {
  const reader = new Reader(await openSource(config({ channels: [odd, 'other'] })));
  const large = 'ü'.repeat(3999);
  const sender = await session(database);
  for (const [channel, payload] of [
    [odd, 'one'],
    ['other', ''],
    [odd, large],
  ])
    await sender.query('select pg_notify($1, $2)', [channel, payload]);
  const messages = await reader.take(3);
  expect(messages.map(({ topic, payload }) => [topic, textOf(payload)])).toEqual([
    [odd, 'one'],
    ['other', ''],
    [odd, large],
  ]);
  const [pid] = (await sender.query<{ pid: number }>('select pg_backend_pid() as pid')).rows;
  expect(messages[0]).toMatchObject({ key: null, headers: [['processId', pid?.pid]], operation: undefined });
  const { capabilities } = postgres.source(config({}));
  expect(capabilities).toMatchObject({ position: 'none', replayable: false });
});

test('what was notified before anybody reads is there, as far as there is room for it, and the rest is counted', async () => {
  let dropped = 0;
  const add = (name: string, amount: number): void => {
    if (name === 'dropped_notifications') dropped += amount;
  };
  const context = testContext();
  const driver = await openSource(config({ queueMaxBytes: 10_000 }), {
    ...context,
    metrics: { ...context.metrics, add },
  });
  await database.rows(`select pg_notify($1, n || repeat('x', 1000)) from generate_series(1, 50) n`, [odd]);
  await expect.poll(() => dropped, patience).toBe(42);
  const reader = new Reader(driver);
  expect((await reader.take(8)).map(({ payload }) => parseInt(textOf(payload), 10))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  await database.rows('select pg_notify($1, $2)', [odd, 'more']);
  await reader.take(9);
});

test('with a table and install, a trigger wakes the reading, and teardown removes it', async () => {
  const name = await database.table('id serial primary key, text text');
  const given = config({ table: name, cursor: 'id', install: true });
  const readers = await Promise.all([openSource(given), openSource(given)]).then((drivers) =>
    drivers.map((driver) => new Reader(driver)),
  );
  await openSource(given); // again, where everything is there
  await database.rows(`insert into ${name} (text) values ('a')`);
  for (const reader of readers) await reader.take(1);
  // More than a notification could carry.
  await database.rows(`insert into ${name} (text) select repeat('x', 100000) from generate_series(1, 3)`);
  for (const reader of readers) await reader.take(4);
  const line = expect.stringMatching(/^trigger "sluice_notify_[0-9a-f]{16}" on table "public"\."Table/);
  expect(await teardown(given, false)).toEqual([line]);
  const second = await database.table('id serial primary key');
  await openSource(config({ table: second, cursor: 'id', install: true }));
  expect(await teardown(given, true)).toEqual([line]);
  expect(await teardown(given, true)).toEqual([]);
  const left = `select tgname from pg_trigger where not tgisinternal union all select proname from pg_proc where proname like 'sluice%'`;
  expect(await database.rows(left)).toHaveLength(2);
  expect(await teardown(config({ table: second, cursor: 'id' }), true)).toHaveLength(1);
  expect(await database.rows(left)).toEqual([]);
  await database.rows(`insert into ${name} (text) values ('b')`);
});

test('a trigger that somebody else made stays', async () => {
  const name = await database.table('id serial primary key');
  await database.rows(`create function own() returns trigger language plpgsql as $$ begin perform pg_notify('own', ''); return null; end $$;
    create trigger own after insert on ${name} for each statement execute function own()`);
  onTestFinished(async () => void (await database.rows('drop function own() cascade')));
  const given = config({ channels: ['own'], table: name, cursor: 'id' });
  const reader = new Reader(await openSource(given));
  await database.rows(`insert into ${name} default values`);
  await reader.take(1);
  expect(await teardown(given, true)).toEqual([]);
  await database.rows(`insert into ${name} default values`);
  await reader.take(2);
});

test('rows that were written while nobody listened come first, and late ones soon after their transaction ends', async () => {
  const name = await database.table('id int primary key, at timestamptz not null default now()');
  const given = config({ channels: ['c'], table: name, cursor: 'at', install: true });
  const first = new Reader(await openSource(given));
  await database.rows(`insert into ${name} values (1)`);
  await first.take(1);
  await first.stop();
  const late = await session(database);
  await late.query(`begin`);
  await late.query(`insert into ${name} values (2)`);
  await database.rows(`insert into ${name} values (3)`);
  const { position } = first;
  const second = new Reader(await openSource(given), { position });
  // The younger row waits for the older transaction.
  await late.query('commit');
  await second.take(2);
  expect(sortedIds(second)).toEqual([2, 3]);
});

test.each([
  ['with a table', async () => ({ table: await database.table('id serial primary key'), cursor: 'id' })],
  ['without one', async () => ({})],
])('notices a connection that died without a word, %s', async (_, fields) => {
  const driver: SourceDriver = await openSource(
    config({ ...(await fields()), pingIntervalMs: 100, statementTimeoutMs: 500 }),
  );
  const reader = new Reader(driver);
  const stop = database.server.proxy.intercept(() => new Promise(() => undefined));
  onTestFinished(stop);
  await expect.poll(() => codeOf(reader.failure), patience).toBe('not_connected');
});

test('does not take a connection for dead on which a query takes long', async () => {
  const name = await database.table('id int primary key');
  await database.rows(`insert into ${name} values (1)`);
  const query = `select id, pg_sleep(0.5)::text as slept from ${name}`;
  const reader = new Reader(await openSource(config({ query, cursor: 'id', key: ['id'], pingIntervalMs: 50 })));
  await reader.take(1);
  expect(sortedIds(reader)).toEqual([1]);
});

test('notices a connection that the server ends', async () => {
  const reader = new Reader(await openSource({ ...config({}), applicationName: 'poll-victim' }));
  await database.rows(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'poll-victim'`);
  await expect.poll(() => codeOf(reader.failure), patience).toBe('not_connected');
});

test('says when there is no table to put a trigger on', async () => {
  const name = await database.table('id int primary key');
  await database.rows(`create view seen as select * from ${name}`);
  const given = config({ table: 'seen', cursor: 'id', key: ['id'], install: true });
  expect(await refusal(given)).toMatchObject({ code: 'config_invalid', message: expect.stringContaining('install') });
});
