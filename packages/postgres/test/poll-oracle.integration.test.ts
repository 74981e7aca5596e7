import type { Position } from '@sluice/core/driver';
import { expect, test } from 'vitest';
import type { PollSourceConfig } from '../src/polling/poll-config.js';
import { useDatabase } from './database.js';
import { openSource, pollConfig, session } from './poll.js';

const database = useDatabase(18);

function below(limit: number): number {
  return Math.floor(Math.random() * limit);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Transactions that take their time before, between and after what they write, part of it under savepoints that are undone. */
async function write(table: string, transactions: number): Promise<void> {
  const client = await session(database);
  const insert = `insert into ${table} default values`;
  for (let count = 0; count < transactions; count++) {
    await client.query('begin');
    if (below(2) === 0) await client.query('select now()');
    await pause(below(30));
    for (let row = below(3); row >= 0; row--) {
      if (below(3) > 0) await client.query(insert);
      else await client.query(`savepoint s; ${insert}; ${below(2) === 0 ? 'rollback to' : 'release'} s`);
      await pause(below(20));
    }
    await pause(below(40));
    await client.query(below(6) === 0 ? 'rollback' : 'commit');
  }
}

/** Reads until the writing is over and everything is read; now and then it begins anew from a position inside of a batch. */
async function read(config: PollSourceConfig, isWriting: () => boolean, batchesPerOpening: number): Promise<number[]> {
  const ids: number[] = [];
  let position: Position | undefined;
  for (let isLast = false; !isLast; ) {
    isLast = !isWriting();
    const driver = await openSource({ ...config, bounded: isLast });
    const abort = new AbortController();
    const check = setInterval(() => !isWriting() && !isLast && abort.abort(), 20);
    let left = isLast ? Number.POSITIVE_INFINITY : 1 + below(batchesPerOpening);
    const options = { maxMessages: 1 + below(40), maxBytes: 1024 * 1024, signal: abort.signal };
    for await (const batch of driver.read('', position, options)) {
      const { length } = batch.messages;
      const taken = left === 1 && length > 0 ? 1 + below(length) : length;
      for (const { payload } of batch.messages.slice(0, taken))
        ids.push(Number((payload as { readonly id: number }).id)); // a row
      position = JSON.parse(JSON.stringify(taken < length ? batch.positionAt?.(taken - 1) : batch.position));
      if (--left === 0) break;
    }
    clearInterval(check);
    abort.abort();
    await driver.close();
  }
  return ids;
}

test.each([
  ['a table by time, begun anew again and again', 'at', false, 5],
  ['a table by time, in few readings', 'at', false, 300],
  ['a table by number, in few readings', 'id', false, 300],
  ['a query by time, in few readings', 'at', true, 300],
] as const)(
  'every row comes once while eight sessions write and commit in any order: %s',
  async (_, cursor, isQuery, batches) => {
    const table = await database.table('id bigserial primary key, at timestamptz not null default now()');
    await database.rows(`insert into ${table} select from generate_series(1, 1000)`);
    const what = isQuery ? { query: `select * from ${table}`, key: ['id'] } : { table };
    let isWriting = true;
    const writing = Promise.all(Array.from({ length: 8 }, () => write(table, 25))).finally(() => {
      isWriting = false;
    });
    const config = pollConfig(database, { ...what, cursor, intervalMs: 5 });
    const ids = await read(config, () => isWriting, batches);
    await writing;
    const rows = await database.rows(`select id::int from ${table} order by id`);
    expect(ids.toSorted((a, b) => a - b)).toEqual(rows.map(({ id }) => id));
  },
);
