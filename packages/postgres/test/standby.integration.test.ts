import { type PostgresServer, startPostgres } from '@sluice/testkit';
import type { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { postgres } from '../src/connector.js';
import { column, openSource, readAll, refusal } from './poll.js';
import { readAll as readRows } from './snapshot.js';

let server: PostgresServer;
let url: string;
beforeAll(async () => {
  server = await startPostgres();
  ({ url } = server);
  const native: Client = await server.connect();
  await native.query(`create table rows (id int primary key); insert into rows values (1), (2);
    create publication changes for table rows`);
  // A standby is a server that finds this file, also if there is nothing that it could follow.
  await native.query(`do $$ begin
    execute format('copy (select) to %L', current_setting('data_directory') || '/standby.signal'); end $$`);
  await native.end();
  await server.restart();
});
afterAll(() => server?.stop());

const refused = { code: 'unsupported', message: expect.stringContaining('standby') };

test('polling by a cursor is refused on a standby, because open transactions cannot be seen there', async () => {
  for (const polled of [{ table: 'rows' }, { query: 'select * from rows', key: ['id'] }]) {
    const config = { url, mode: 'poll', cursor: 'id', ...polled } as const;
    expect(await refusal(config)).toMatchObject(refused);
    await expect(postgres.source(config).check()).rejects.toMatchObject(refused);
  }
  const listening = { url, mode: 'listen', channels: ['rows'] } as const;
  expect(await refusal({ ...listening, table: 'rows', cursor: 'id' })).toMatchObject(refused);
  expect(await refusal(listening)).toMatchObject(refused);
  await expect(postgres.source(listening).check()).rejects.toMatchObject(refused);
});

test('all rows can be read on a standby, again and again or once', async () => {
  const full = await readAll({ url, mode: 'poll', table: 'rows', refresh: 'full', bounded: true });
  expect(column(full, 'id')).toEqual([1, 2]);
  const batches = await readRows({ url, mode: 'cdc', snapshot: 'only', tables: ['rows'] });
  expect(batches.flatMap(({ messages }) => messages).map(({ payload }) => payload)).toEqual([{ id: 1 }, { id: 2 }]);
});

test('rows and their changes are refused on a standby, because it cannot tell what a snapshot sees', async () => {
  const config = { url, mode: 'cdc', slot: 'changes', publication: 'changes' } as const;
  const driver = await openSource(config);
  const reading = driver.read('snapshot', undefined, {
    maxMessages: 1,
    maxBytes: 1,
    signal: new AbortController().signal,
  });
  await expect(reading[Symbol.asyncIterator]().next()).rejects.toMatchObject(refused);
});
