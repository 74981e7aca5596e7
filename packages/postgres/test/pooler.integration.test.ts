import type { Client } from 'pg';
import { expect, test } from 'vitest';
import { postgres } from '../src/index.js';
import { type Row, useDatabase } from './database.js';

const database = useDatabase();

/** Everything that a connection does not have from its server. */
const settings = `select name || ' ' || source || ' ' || setting as text from pg_settings
  where source in ('client', 'session') order by name`;

test('a pooler need not know settings that are asked for, because none is when a connection is made', async () => {
  const table = await database.table('id int primary key');
  const { url } = database.server;
  const asked: Promise<unknown>[] = [];
  const onClient = (client: unknown): void => {
    const answer = (client as Client).query<Row>(settings); // as the option says
    asked.push(answer.then(({ rows }) => rows.map((row) => row['text'])));
  };
  await postgres.sink({ url, table }, { onClient }).check();
  const source = { url, mode: 'cdc', snapshot: 'only', tables: [table], statementTimeoutMs: 7000 } as const;
  await postgres.source(source, { onClient }).check();
  // These two are known to all: https://www.pgbouncer.org/config.html#ignore_startup_parameters
  const known = ['application_name client sluice check', 'client_encoding client UTF8'];
  expect(await Promise.all(asked)).toEqual([
    [
      ...known,
      'idle_in_transaction_session_timeout session 60000',
      'lc_monetary session C',
      'statement_timeout session 25000',
    ],
    [...known, 'statement_timeout session 7000'],
  ]);
});
