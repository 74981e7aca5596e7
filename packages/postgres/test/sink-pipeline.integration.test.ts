import { once } from 'node:events';
import { pipeline } from '@sluice/core';
import { createMessage } from '@sluice/core/driver';
import { inlineSource } from '@sluice/core/testing';
import { uniqueName } from '@sluice/testkit';
import type { Client } from 'pg';
import { expect, test } from 'vitest';
import { postgres } from '../src/index.js';
import { useDatabase } from './database.js';
import { valuesSource } from './values-source.js';

const database = useDatabase();

test('in a pipeline, a row that the server refuses goes to the dead letters with its words, and the rest is written', async () => {
  const table = await database.table('id int PRIMARY KEY, amount int CHECK (amount > 0)');
  const dead = await database.table('letter jsonb');
  const rows = Array.from({ length: 500 }, (_, id) => ({ id, amount: id === 77 ? -1 : id === 400 ? 'many' : 1 }));
  const { written, deadLettered } = await pipeline({
    name: uniqueName('orders'),
    source: valuesSource(rows),
    sink: postgres.sink({ url: database.server.url, table }),
    deadLetter: { sink: postgres.sink({ url: database.server.url, table: dead, columns: { letter: 'payload' } }) },
  }).run();
  expect({ written, deadLettered }).toEqual({ written: 498, deadLettered: 2 });
  expect(await database.rows(`SELECT id FROM ${table} ORDER BY id`)).toEqual(
    rows.filter(({ amount }) => amount === 1).map(({ id }) => ({ id })),
  );
  const letters = await database.rows(`SELECT letter::text AS letter FROM ${dead}`);
  expect(letters.map(({ letter }) => letter)).toEqual([
    expect.stringMatching(/message_invalid.*violates check constraint/),
    expect.stringMatching(/message_invalid.*invalid input syntax for type integer: .{1,3}many/),
  ]);
});

test('keeps a transaction open for a flush that is further away than idleTimeoutMs', async () => {
  const table = await database.table('id int');
  const stop = new AbortController();
  const waiting = inlineSource(
    'waiting',
    {
      async *read(_partition, _position, { signal }) {
        yield { messages: [createMessage({ payload: { id: 1 } })], bytes: 10, position: 1 };
        await once(signal, 'abort');
      },
    },
    { bounded: false },
  );
  const degraded: unknown[] = [];
  const running = pipeline({
    name: uniqueName('orders'),
    source: waiting,
    sink: postgres.sink({ url: database.server.url, table, idleTimeoutMs: 2000 }),
    flush: { intervalMs: 4000 },
    onEvent: (event) => void (event.type === 'degraded' && degraded.push(event.error)),
  }).run({ signal: stop.signal });
  await expect.poll(() => database.rows(`SELECT id FROM ${table}`), { timeout: 20_000 }).toEqual([{ id: 1 }]);
  stop.abort();
  await running;
  expect(degraded).toEqual([]);
});

test('reads amounts of money as the locale C has them, whatever the database has', async () => {
  await database.rows("ALTER DATABASE postgres SET lc_monetary = 'POSIX'");
  const table = await database.table('price money');
  const locales: (string | undefined)[] = [];
  const onClient = (client: Client): void =>
    void client
      .query<{ lc_monetary: string }>('SHOW lc_monetary')
      .then(({ rows }) => locales.push(rows[0]?.lc_monetary));
  const sink = await postgres.sink({ url: database.server.url, table }, { onClient }).open();
  await sink.write([{ payload: { price: 1234.5 } }, { payload: { price: '-$1,234.50' } }]);
  await sink.close();
  expect(locales).toEqual(['C']);
  expect(await database.rows(`SELECT price::numeric::text AS price FROM ${table} ORDER BY 1`)).toEqual([
    { price: '-1234.50' },
    { price: '1234.50' },
  ]);
});

test('is checked for the right to delete in a mirror, which no right to columns gives', async () => {
  const native = await database.server.connect();
  const table = await database.table('id int PRIMARY KEY');
  const user = uniqueName('app').replaceAll('-', '_');
  await native.query(`CREATE USER ${user} PASSWORD 'app'; GRANT INSERT, UPDATE, SELECT ON ${table} TO ${user}`);
  const mirror = postgres.sink({ url: database.server.url, user, password: 'app', table, mode: 'mirror' });
  await expect(mirror.check()).rejects.toMatchObject({
    code: 'permission_denied',
    message: expect.stringContaining('lacks DELETE'),
  });
  await native.query(`GRANT DELETE ON ${table} TO ${user}`);
  await mirror.check();
  await native.end();
});
