import { memoryCheckpoints } from '@sluice/core';
import { startPostgres } from '@sluice/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { postgres } from '../src/connector.js';
import { cdcConfig, openCdc, patience, Reader, testContext } from './cdc.js';
import { useDatabase } from './database.js';
import { follow, gate, onlyRows, readAll } from './snapshot.js';

describe('a snapshot after a crash', () => {
  const database = useDatabase(18);

  it.each([
    [true, []],
    [false, ['delete 5', 'update 6']],
  ])('repeats the changes since the first reading unless the sink is atomic (%s)', async (atomic, repeated) => {
    const table = await database.table('id int primary key, n int');
    await database.rows(`insert into ${table} select g, 0 from generate_series(1, 10) g`);
    const config = cdcConfig(database, { snapshot: 'initial', tables: [table] });
    const chunk = `public.${table.slice(1, -1)}/1`;
    const open = (): ReturnType<typeof openCdc> => openCdc(config, { ...testContext(), atomic });

    const first = await open();
    const plan = new Reader(first, { partition: 'snapshot' });
    await expect.poll(() => plan.position, patience).toBeDefined();
    const lost = new Reader(first, { partition: chunk });
    await lost.take(10);
    // Whether what it gave out has left something, nobody has stored.
    for (const reader of [plan, lost]) await reader.stop();
    await first.close();
    await database.rows(`delete from ${table} where id = 5; update ${table} set n = 1 where id = 6`);

    const second = await open();
    const planned = new Reader(second, { partition: 'snapshot', position: plan.position });
    const again = new Reader(second, { partition: chunk });
    await expect.poll(() => again.ended || again.failure, patience).toBe(true);
    expect(again.failure).toBeUndefined();
    expect(again.messages).toHaveLength(9);
    const changes = new Reader(second);
    await database.rows(`insert into ${table} values (11, 0)`);
    await changes.take(repeated.length + 1);
    expect(changes.messages.map(({ operation, key }) => `${operation} ${(key as { id: number }).id}`)).toEqual([
      ...repeated,
      'create 11',
    ]);
    await planned.stop();
  });

  it('repeats them where the table has no key, because rows that are stored come again', async () => {
    const table = await database.table('id int, n int');
    await database.rows(`alter table ${table} replica identity full`);
    await database.rows(`insert into ${table} select g, 0 from generate_series(1, 10) g`);
    const config = cdcConfig(database, { snapshot: 'initial', tables: [table] });
    const chunk = `public.${table.slice(1, -1)}/1`;
    const open = (): ReturnType<typeof openCdc> => openCdc(config, { ...testContext(), atomic: true });
    const first = await open();
    const plan = new Reader(first, { partition: 'snapshot' });
    await expect.poll(() => plan.position, patience).toBeDefined();
    const begun = new Reader(first, { partition: chunk, maxMessages: 4 });
    await begun.take(10);
    for (const reader of [plan, begun]) await reader.stop();
    await first.close();
    await database.rows(`delete from ${table} where id = 2`);

    const second = await open();
    const planned = new Reader(second, { partition: 'snapshot', position: plan.position });
    // The first four rows are stored, of which one is gone.
    const again = new Reader(second, { partition: chunk, position: begun.batches[0]?.position });
    expect(await again.take(9)).toHaveLength(9);
    await expect.poll(() => again.ended, patience).toBe(true);
    const changes = new Reader(second);
    await database.rows(`insert into ${table} values (11, 0)`);
    const messages = await changes.take(2);
    expect(messages.map(({ operation, before, payload }) => [operation, before ?? payload])).toEqual([
      ['delete', { id: 2, n: 0 }],
      ['create', { id: 11, n: 0 }],
    ]);
    await planned.stop();
  });

  it('knows without reading the chunks again which changes their rows show', async () => {
    const table = await database.table('id int primary key, n int');
    await database.rows(`insert into ${table} select g, 0 from generate_series(1, 10) g`);
    const config = cdcConfig(database, { snapshot: 'initial', tables: [table], statusIntervalMs: 100 });
    const chunk = `public.${table.slice(1, -1)}/1`;
    const context = { ...testContext(), atomic: true };
    const open = (): ReturnType<typeof openCdc> => openCdc(config, context);
    const first = await open();
    const plan = new Reader(first, { partition: 'snapshot' });
    await expect.poll(() => plan.position, patience).toBeDefined();
    await database.rows(`update ${table} set n = 1`);
    // The server keeps its log meanwhile, and that can be seen.
    await expect.poll(() => context.gauges.get('slot_retained_bytes'), patience).toBeGreaterThan(0);
    const rows = new Reader(first, { partition: chunk });
    await rows.take(10);
    await rows.stop();
    await plan.stop();
    await first.close();

    const second = await open();
    const planned = new Reader(second, { partition: 'snapshot', position: plan.position });
    const again = new Reader(second, { partition: chunk, position: rows.position });
    await expect.poll(() => again.ended, patience).toBe(true);
    expect([again.messages, again.failure]).toEqual([[], undefined]);
    const changes = new Reader(second);
    await database.rows(`insert into ${table} values (11, 0)`);
    expect((await changes.take(1)).map(({ operation }) => operation)).toEqual(['create']);
    // Once that is stored, the next start needs neither chunks nor filter.
    await second.commit?.('changes', changes.position ?? null);
    await expect.poll(() => planned.position, patience).toEqual({ over: true });
    await changes.stop();
    await second.close();

    const third = await open();
    const over = new Reader(third, { partition: 'snapshot', position: planned.position });
    const sets = third.partitions?.(new AbortController().signal)[Symbol.asyncIterator]();
    expect((await sets?.next())?.value).toEqual(['snapshot']);
    await expect.poll(() => over.ended, patience).toBe(true);
    expect((await sets?.next())?.value).toEqual(['changes']);
  });
});

describe('changes after a snapshot', () => {
  const database = useDatabase(15);

  it('does not begin the changes when the slot was made anew meanwhile', async () => {
    const table = await database.table('id int primary key');
    await database.rows(`insert into ${table} select generate_series(1, 15000)`);
    const config = cdcConfig(database, { snapshot: 'initial', tables: [table] });
    const { opened, open } = gate();
    const following = follow(config, { handle: () => opened });
    const reading = `select from pg_stat_activity where query like 'copy (select%'`;
    await expect.poll(async () => (await database.rows(reading)).length, patience).toBe(1);
    await database.rows('select pg_drop_replication_slot($1)', [config.slot]);
    await database.rows(`insert into ${table} values (0)`);
    await database.rows(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [config.slot]);
    open();
    await expect.poll(() => following.failure, patience).toMatchObject({ code: 'position_lost' });
  });

  it('asks for a new snapshot when changes are to follow rows that were read alone', async () => {
    const table = await database.table('id int primary key');
    await database.rows(`insert into ${table} values (1)`);
    const checkpoints = memoryCheckpoints();
    const first = follow(onlyRows(database, { tables: [table] }), { name: 'both', checkpoints });
    await expect.poll(() => first.messages.length, patience).toBe(1);
    await first.stop();
    const second = follow(cdcConfig(database, { snapshot: 'initial', tables: [table] }), { name: 'both', checkpoints });
    await expect.poll(() => second.failure, patience).toMatchObject({ code: 'position_lost' });
  });
});

describe('a snapshot alone', () => {
  it('needs no logical log, no slot, and no right but to read the table', async () => {
    const server = await startPostgres({ settings: { wal_level: 'replica' } });
    onTestFinished(() => server.stop());
    const native = await server.connect();
    onTestFinished(() => native.end());
    await native.query(`create table rows (id int primary key); insert into rows values (1)`);
    await native.query(`create view seen as select id + 1 as id from rows`);
    await native.query(`create role reader login password 'reader'; grant select on rows, seen to reader`);
    const config = {
      url: server.directUrl,
      user: 'reader',
      password: 'reader',
      mode: 'cdc',
      snapshot: 'only',
    } as const;
    await postgres.source({ ...config, tables: ['rows', 'seen'] }).check();
    const batches = await readAll({ ...config, tables: ['rows', 'seen'] });
    const found = new Map(batches.flatMap(({ messages }) => messages).map(({ topic, payload }) => [topic, payload]));
    expect(Object.fromEntries(found)).toEqual({ 'public.rows': { id: 1 }, 'public.seen': { id: 2 } });
  });
});

describe('a snapshot of what is not there', () => {
  const database = useDatabase(18);

  it('is refused', async () => {
    const source = postgres.source(onlyRows(database, { tables: ['nowhere'] }));
    await expect(source.check()).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('"nowhere"'),
    });
  });
});
