import type { Checkpoint, Message, SinkBatch, SinkDriver, StoredPosition } from '@sluice/core/driver';
import { BatchError, createMessage, parseConfig } from '@sluice/core/driver';
import { breakPostgres, uniqueName } from '@sluice/testkit';
import type { Client } from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { type PostgresOptions, type PostgresSinkConfig, type PostgresSinkSettings, postgres } from '../src/index.js';
import { useDatabase } from './database.js';

const database = useDatabase();
const opened: SinkDriver[] = [];
afterEach(async () => {
  for (const driver of opened.splice(0)) await driver.close();
});

const signal = new AbortController().signal;
const { sink: found } = postgres.descriptor;
if (found === undefined) throw new Error('there is no sink');
const sink = found;

function settings(config: Omit<PostgresSinkConfig, 'url'>): PostgresSinkSettings {
  return parseConfig(sink.config, { url: database.server.url, ...config }, 'test');
}

/** Opens the driver itself, as the engine does: what it does at which call is the point here. */
async function open(
  pipeline: string,
  config: Omit<PostgresSinkConfig, 'url'>,
  options: PostgresOptions = {},
): Promise<SinkDriver> {
  const context = { pipeline, id: 'sink', signal, metrics: { add: () => {}, set: () => {} }, notice: () => {} };
  const driver = await sink.open(settings(config), options, context);
  opened.push(driver);
  return driver;
}

function batch(partition: string, ...payloads: Message['payload'][]): SinkBatch {
  const messages = payloads.map((payload) => createMessage({ payload }));
  return { messages, slices: [{ partition, from: 0, to: messages.length, position: undefined }] };
}

function position(offset: number): StoredPosition {
  return { connector: 'test', version: 1, identity: null, position: { offset } };
}

async function ids(table: string): Promise<unknown[]> {
  return (await database.rows(`SELECT id FROM ${table} ORDER BY id`)).map((row) => row['id']);
}

/** Resolves when a statement waits for a lock. */
async function someoneWaits(): Promise<void> {
  const waiting = 'SELECT FROM pg_locks WHERE NOT granted';
  await expect.poll(async () => (await database.rows(waiting)).length).toBeGreaterThan(0);
}

async function claim(driver: SinkDriver, ...partitions: string[]): Promise<Checkpoint | undefined> {
  return await driver.claim?.(partitions);
}

test('rows and position become visible together, and only with a flush', async () => {
  const table = await database.table('id int');
  const pipeline = uniqueName('orders');
  const driver = await open(pipeline, { table });
  expect(await claim(driver, 'p0', 'p1')).toEqual({});
  await driver.write(batch('p0', { id: 1 }), signal);
  expect(await ids(table)).toEqual([]);
  await driver.flush?.({ p0: position(1) }, signal);
  expect(await ids(table)).toEqual([1]);
  await driver.write(batch('p1', { id: 2 }), signal);
  // A claim forgets what was not flushed.
  expect(await claim(driver, 'p1')).toEqual({});
  await driver.flush?.({ p1: position(5) }, signal);
  expect(await ids(table)).toEqual([1]);
  expect(await claim(driver, 'p0', 'p1')).toEqual({ p0: position(1), p1: position(5) });
});

test('an older instance is refused, and nothing that it wrote stays', async () => {
  const table = await database.table('id int');
  const pipeline = uniqueName('orders');
  const [older, newer] = [await open(pipeline, { table }), await open(pipeline, { table })];
  await claim(older, 'p0', 'p1');
  await older.write(batch('p0', { id: 1 }), signal);
  await claim(newer, 'p0');
  await newer.write(batch('p0', { id: 2 }), signal);
  await newer.flush?.({ p0: position(2) }, signal);
  await expect(older.flush?.({ p0: position(1) }, signal)).rejects.toMatchObject({ code: 'fenced' });
  // Even when the checkpoint names only what is still its own.
  const next = await open(pipeline, { table });
  await claim(next, 'p0', 'p1');
  await claim(newer, 'p0');
  await next.write(batch('p0', { id: 3 }), signal);
  await expect(next.flush?.({ p1: position(1) }, signal)).rejects.toMatchObject({ code: 'fenced' });
  await claim(next, 'p1');
  await next.write(batch('p1', { id: 4 }), signal);
  await next.flush?.({ p1: position(4) }, signal);
  expect(await ids(table)).toEqual([2, 4]);
});

test('rows that an older instance holds uncommitted do not block the newer one', async () => {
  const table = await database.table('id int PRIMARY KEY, n int');
  const pipeline = uniqueName('orders');
  const config = { table, mode: 'upsert' } as const;
  const [older, newer] = [await open(pipeline, config), await open(pipeline, config)];
  const other = await open(uniqueName('orders'), config);
  await claim(older, 'p0', 'p1');
  await older.write(batch('p0', { id: 1, n: 1 }), signal);
  await claim(other, 'p0');
  await other.write(batch('p0', { id: 2, n: 1 }), signal);
  await claim(newer, 'p1');
  // It holds nothing of the other partition, so nobody ended it.
  await older.write(batch('p0', { id: 3, n: 1 }), signal);
  await claim(newer, 'p0');
  await newer.write(batch('p0', { id: 1, n: 2 }), signal);
  await newer.flush?.({ p0: position(1) }, signal);
  await expect(older.write(batch('p0', { id: 1, n: 9 }), signal)).rejects.toMatchObject({ code: 'fenced' });
  await expect(older.flush?.({}, signal)).rejects.toMatchObject({ code: 'fenced' });
  // Another pipeline is left alone.
  await other.flush?.({ p0: position(1) }, signal);
  expect(await database.rows(`SELECT id, n FROM ${table} ORDER BY id`)).toEqual([
    { id: 1, n: 2 },
    { id: 2, n: 1 },
  ]);
});

describe('a COMMIT that the client does not know the end of', () => {
  test.each([
    ['lose-answer', { p0: position(1) }, [1]],
    ['lose-statement', {}, []],
  ] as const)('%s: the claim after it says whether it happened', async (fault, stored, found) => {
    const table = await database.table('id int');
    const pipeline = uniqueName('orders');
    const driver = await open(pipeline, { table });
    await claim(driver, 'p0');
    await driver.write(batch('p0', { id: 1 }), signal);
    using watch = breakPostgres(database.server.proxy, { statement: 'COMMIT', fault });
    await expect(driver.flush?.({ p0: position(1) }, signal)).rejects.toThrow(/terminated|ECONNRESET/);
    expect(watch.struck).toBe(1);
    expect(await claim(await open(pipeline, { table }), 'p0')).toEqual(stored);
    expect(await ids(table)).toEqual(found);
  });
});

test('a claim waits for the commit of another instance that is under way', async () => {
  const table = await database.table('id int');
  const pipeline = uniqueName('orders');
  const driver = await open(pipeline, { table });
  await claim(driver, 'p0');
  // As an instance that has stored its position and is about to commit.
  const other = await database.server.connect();
  await other.query('BEGIN');
  await other.query('UPDATE sluice_positions SET position = $2 WHERE pipeline = $1', [pipeline, position(7)]);
  const claiming = claim(await open(pipeline, { table }), 'p0');
  await someoneWaits();
  await other.query('COMMIT');
  await other.end();
  expect(await claiming).toEqual({ p0: position(7) });
});

test('a write with a bad row stores nothing of itself, and writes before it stay', async () => {
  const table = await database.table('id int');
  const driver = await open(uniqueName('orders'), { table });
  await claim(driver, 'p0');
  await driver.write(batch('p0', { id: 1 }), signal);
  await expect(driver.write(batch('p0', { id: 2 }, { id: 'x' }, { id: 3 }), signal)).rejects.toMatchObject({
    failures: [{ index: 1 }],
  });
  await driver.write(batch('p0', { id: 3 }), signal);
  await driver.flush?.({ p0: position(1) }, signal);
  expect(await ids(table)).toEqual([1, 3]);
});

test('a later write of the same partition fails with an earlier one, and those of others do not', async () => {
  const table = await database.table('id int PRIMARY KEY, n int');
  const driver = await open(uniqueName('orders'), { table, mode: 'upsert' });
  await claim(driver, 'p0', 'p1');
  const results = await Promise.allSettled([
    driver.write(batch('p0', { id: 1, n: 1 }, { id: 2, n: 'x' }), signal),
    driver.write(batch('p0', { id: 1, n: 2 }), signal),
    driver.write(batch('p1', { id: 9, n: 9 }), signal),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  const [, second] = results;
  // It names no message, so the engine hands all of it over again, behind the first one.
  expect(second?.status === 'rejected' && second.reason instanceof BatchError && second.reason.failures).toEqual([]);
  await driver.flush?.({ p1: position(1) }, signal);
  expect(await ids(table)).toEqual([9]);
});

test('a deadlock is a conflict, and the rows can be written after a claim', async () => {
  const table = await database.table('id int PRIMARY KEY, n int');
  await database.rows(`INSERT INTO ${table} VALUES (1, 0), (2, 0)`);
  const driver = await open(uniqueName('orders'), { table, mode: 'upsert' });
  await claim(driver, 'p0');
  await driver.write(batch('p0', { id: 1, n: 1 }), signal);
  const other = await database.server.connect();
  await other.query(`BEGIN; SET LOCAL deadlock_timeout = '60s'; UPDATE ${table} SET n = 9 WHERE id = 2`);
  const blocked = other.query(`UPDATE ${table} SET n = 9 WHERE id = 1`);
  const error: unknown = await driver.write(batch('p0', { id: 2, n: 2 }), signal).catch((thrown: unknown) => thrown);
  expect(postgres.descriptor.classify?.(error)).toMatchObject({ code: 'conflict' });
  await expect(driver.flush?.({ p0: position(1) }, signal)).rejects.toMatchObject({ code: 'conflict' });
  await claim(driver, 'p0');
  await blocked;
  await other.query('COMMIT');
  await other.end();
  await driver.write(batch('p0', { id: 2, n: 3 }), signal);
  await driver.flush?.({ p0: position(1) }, signal);
  expect(await database.rows(`SELECT id, n FROM ${table} ORDER BY id`)).toEqual([
    { id: 1, n: 9 },
    { id: 2, n: 3 },
  ]);
});

test('a serialization failure is a conflict, and the rows can be written after a claim', async () => {
  const table = await database.table('id int PRIMARY KEY, n int');
  await database.rows(`INSERT INTO ${table} VALUES (1, 0)`);
  const isolation = "SET default_transaction_isolation = 'repeatable read'";
  const onClient = (client: Client): void => void client.query(isolation);
  const driver = await open(uniqueName('orders'), { table, mode: 'upsert' }, { onClient });
  await claim(driver, 'p0');
  await driver.write(batch('p0', { id: 2, n: 2 }), signal);
  await database.rows(`UPDATE ${table} SET n = 5 WHERE id = 1`);
  const error: unknown = await driver.write(batch('p0', { id: 1, n: 1 }), signal).catch((thrown: unknown) => thrown);
  expect(postgres.descriptor.classify?.(error)).toMatchObject({ code: 'conflict' });
  await claim(driver, 'p0');
  await driver.write(batch('p0', { id: 1, n: 1 }), signal);
  await driver.flush?.({ p0: position(1) }, signal);
  expect(await database.rows(`SELECT id, n FROM ${table}`)).toEqual([{ id: 1, n: 1 }]);
});

test('says that a deferred constraint cannot name a row, and stores nothing', async () => {
  const table = await database.table('id int UNIQUE DEFERRABLE INITIALLY DEFERRED');
  const driver = await open(uniqueName('orders'), { table });
  await claim(driver, 'p0');
  await driver.write(batch('p0', { id: 1 }, { id: 1 }), signal);
  await expect(driver.flush?.({ p0: position(1) }, signal)).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('NOT DEFERRABLE'),
  });
  expect(await ids(table)).toEqual([]);
});

test('an abort ends a write that waits for a lock', async () => {
  const table = await database.table('id int PRIMARY KEY, n int');
  const driver = await open(uniqueName('orders'), { table, mode: 'upsert' });
  await claim(driver, 'p0');
  const other = await database.server.connect();
  await other.query(`BEGIN; LOCK TABLE ${table}`);
  const stop = new AbortController();
  const writing = driver.write(batch('p0', { id: 1, n: 1 }), stop.signal);
  await someoneWaits();
  stop.abort();
  await expect(writing).rejects.toThrow('aborted');
  await other.end();
});

test('tools change positions as they are after a commit that is under way', async () => {
  const table = await database.table('id int');
  const pipeline = uniqueName('orders');
  const config = settings({ table });
  const driver = await open(pipeline, { table });
  await claim(driver, 'p0', 'p1');
  await driver.flush?.({ p0: position(1), p1: position(1) }, signal);
  const other = await database.server.connect();
  await other.query('BEGIN');
  await other.query(`UPDATE ${config.positionsTable} SET position = $1 WHERE pipeline = $2 AND partition = 'p1'`, [
    JSON.stringify(position(2)),
    pipeline,
  ]);
  const changed = sink.positions?.change(config, {}, pipeline, (stored) => ({ ...stored, p0: position(9) }));
  await someoneWaits();
  await other.query('COMMIT');
  await other.end();
  await changed;
  expect(await sink.positions?.load(config, {}, pipeline)).toEqual({ p0: position(9), p1: position(2) });
});

test('what tools store is where the next claim begins, and it ends an instance that runs', async () => {
  const table = await database.table('id int');
  const pipeline = uniqueName('orders');
  const config = settings({ table });
  expect(await sink.positions?.load(config, {}, pipeline)).toEqual({});
  await expect(sink.positions?.change(config, {}, pipeline, () => ({}))).rejects.toMatchObject({ code: 'not_found' });
  const driver = await open(pipeline, { table });
  await claim(driver, 'p0', 'p1');
  await driver.flush?.({ p0: position(1), p1: position(2) }, signal);
  expect(await sink.positions?.load(config, {}, pipeline)).toEqual({ p0: position(1), p1: position(2) });
  await sink.positions?.change(config, {}, pipeline, () => ({ p0: position(100) }));
  await expect(driver.flush?.({ p0: position(3) }, signal)).rejects.toMatchObject({ code: 'fenced' });
  expect(await claim(await open(pipeline, { table }), 'p0', 'p1')).toEqual({ p0: position(100) });
});
