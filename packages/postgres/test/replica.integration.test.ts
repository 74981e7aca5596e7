import { pipeline } from '@sluice/core';
import { uniqueName } from '@sluice/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { postgres } from '../src/index.js';
import { cdcConfig, patience, streams } from './cdc.js';
import { useDatabase } from './database.js';

const database = useDatabase();

test('a server that ends connections while they read rows, read changes and write loses and repeats nothing', async () => {
  const columns = 'id int primary key, n int, rest text';
  const [table, copy] = [await database.table(columns), await database.table(columns)];
  await database.rows(`insert into ${table} select g, 0, repeat('x', 100) from generate_series(1, 20000) g`);
  await database.rows(`analyze ${table}`);
  const name = uniqueName('ended');
  const stop = new AbortController();
  const config = cdcConfig(database, { snapshot: 'initial', tables: [table], snapshotChunkRows: 2000 });
  const running = pipeline({
    name,
    source: postgres.source(config),
    sink: postgres.sink({ url: database.server.url, table: copy, mode: 'mirror' }),
    flush: { intervalMs: 20 },
    retry: { initialDelayMs: 1, maxDelayMs: 20 },
  }).run({ signal: stop.signal });
  let failure: unknown;
  const ended = running.catch((error: unknown) => {
    failure = error;
  });
  onTestFinished(async () => {
    stop.abort();
    await ended;
  });
  /** Ends the connections that there are, as soon as one is among them that asks the server for this. */
  const end = async (query: string): Promise<void> => {
    const sql = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1
      and exists (select from pg_stat_activity where application_name = $1 and query ilike $2)`;
    await expect
      .poll(async () => failure ?? (await database.rows(sql, [`sluice ${name}`, query])).length, patience)
      .toBeGreaterThan(0);
  };
  for (let round = 1; round <= 4; round++) {
    await end('%');
    await database.rows(`update ${table} set n = $1 where id % 3 = 0`, [round]);
  }
  for (let round = 5; round <= 8; round++) {
    await database.rows(`update ${table} set n = $1`, [round]);
    await database.rows(`delete from ${table} where id = $1`, [round]);
    await end('start_replication%');
  }
  const sum = `select count(*)::int as rows, sum(n)::int as sum, sum(id)::int as ids from`;
  const [expected] = await database.rows(`${sum} ${table}`);
  await expect.poll(async () => failure ?? (await database.rows(`${sum} ${copy}`))[0], patience).toEqual(expected);
});

test('a mirror shows transactions as a whole where they fit into a batch', async () => {
  const columns = 'id int primary key, amount int';
  const [table, copy] = [await database.table(columns), await database.table(columns)];
  const config = cdcConfig(database, { tables: [table] });
  const stop = new AbortController();
  const running = pipeline({
    name: uniqueName('whole'),
    source: postgres.source(config),
    sink: postgres.sink({ url: database.server.url, table: copy, mode: 'mirror' }),
    flush: { intervalMs: 1 },
  }).run({ signal: stop.signal });
  onTestFinished(async () => {
    stop.abort();
    await running;
  });
  await streams(database, config);
  await database.rows(`insert into ${table} select g, 100 from generate_series(0, 9) g`);
  const writer = await database.server.connect();
  onTestFinished(() => writer.end());
  const writing = (async () => {
    for (let n = 0; n < 400; n++) {
      await writer.query('begin');
      for (let step = 0; step <= n % 20; step++) {
        await writer.query(`update ${table} set amount = amount - 1 where id = ${(n + step) % 10}`);
        await writer.query(`update ${table} set amount = amount + 1 where id = ${(n * 3 + step * 7 + 1) % 10}`);
      }
      await writer.query('commit');
    }
  })();
  const sums = new Set<unknown>();
  let isWritten = false;
  void writing.then(() => (isWritten = true));
  while (!isWritten) {
    const [row] = await database.rows(`select sum(amount)::int as sum from ${copy}`);
    sums.add(row?.['sum']);
  }
  await writing;
  const rows = (name: string): Promise<unknown> => database.rows(`select * from ${name} order by id`);
  const expected = await rows(table);
  await expect.poll(() => rows(copy), patience).toEqual(expected);
  sums.delete(null); // before the first one
  expect([...sums]).toEqual([1000]);
});
