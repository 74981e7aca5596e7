import { type SecuredPostgresServer, startSecuredPostgres } from '@sluice/testkit';
import type { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PostgresConnectionConfig } from '../src/index.js';
import { openCdc, patience, started } from './cdc.js';
import { column, readAll } from './poll.js';
import { follow } from './snapshot.js';

let server: SecuredPostgresServer;
let native: Client;
beforeAll(async () => {
  server = await startSecuredPostgres();
  native = await server.connect();
  await native.query('create table rows (id int primary key, text text)');
});
afterAll(async () => {
  await native?.end();
  await server?.stop();
});

const fill = "insert into rows select g, repeat('x', 1000) from generate_series($1::int, $2::int) g";

/** Checks the server, which lets in nobody without TLS. */
function secured(): PostgresConnectionConfig {
  return { url: server.url, sslmode: 'verify-full', sslrootcert: server.authority.certificate };
}

test('rows, changes and pages come over TLS, also when the reader is slower than the server', async () => {
  await native.query(fill, [1, 1000]);
  const config = {
    ...secured(),
    mode: 'cdc',
    slot: 'secured',
    publication: 'secured',
    tables: ['rows'],
    create: true,
  } as const;
  const following = follow(config);
  await expect.poll(() => following.failure ?? following.messages.length, patience).toBe(1000);
  await following.stop();

  const reader = await started(await openCdc({ ...config, snapshot: 'never' }), { maxBytes: 64 * 1024 });
  reader.pause();
  await native.query(fill, [1001, 11_000]);
  // All buffers are full: the server waits.
  const waiting = `select from pg_stat_activity where backend_type = 'walsender' and wait_event = 'WalSenderWriteData'`;
  await expect.poll(async () => (await native.query(waiting)).rowCount, patience).toBe(1);
  reader.resume();
  const messages = await reader.take(10_000);
  expect(messages.map(({ key }) => (key as { id: number }).id)).toEqual(
    Array.from({ length: 10_000 }, (_, index) => index + 1001),
  );

  const polled = await readAll({ ...secured(), mode: 'poll', table: 'rows', cursor: 'id', bounded: true });
  expect(new Set(column(polled, 'id')).size).toBe(11_000);
});

test.each(['cdc', 'poll'] as const)('mode %s lets in no server that another authority has signed', async (mode) => {
  const config = { url: server.url, sslmode: 'verify-full' } as const;
  const reading =
    mode === 'cdc'
      ? openCdc({ ...config, mode, snapshot: 'never', slot: 'secured', publication: 'secured' })
      : readAll({ ...config, mode, table: 'rows', cursor: 'id' });
  await expect(reading).rejects.toThrow(/certificate/);
});
