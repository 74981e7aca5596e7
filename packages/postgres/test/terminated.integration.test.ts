import { pipeline } from '@sluice/core';
import { uniqueName } from '@sluice/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { postgres } from '../src/index.js';
import { cdcConfig, patience } from './cdc.js';
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
  /** Ends the connections of a kind as soon as there are any. */
  const end = async (queries: string): Promise<void> => {
    const sql = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and query ilike $2`;
    await expect
      .poll(async () => failure ?? (await database.rows(sql, [`sluice ${name}`, queries])).length, patience)
      .toBeGreaterThan(0);
  };
  for (let round = 1; round <= 3; round++) {
    await end('copy (select%'); // rows
    await end('copy%from stdin%'); // writes
    await database.rows(`update ${table} set n = $1 where id % 3 = 0`, [round]);
  }
  for (let round = 4; round <= 8; round++) {
    await database.rows(`update ${table} set n = $1`, [round]);
    await database.rows(`delete from ${table} where id = $1`, [round]);
    await end('start_replication%');
    await end('%');
  }
  const sum = `select count(*)::int as rows, sum(n)::int as sum, sum(id)::int as ids from`;
  const [expected] = await database.rows(`${sum} ${table}`);
  await expect.poll(async () => failure ?? (await database.rows(`${sum} ${copy}`))[0], patience).toEqual(expected);
});
