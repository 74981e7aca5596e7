import type { Checkpoint } from '@sluice/core';
import { breakPostgres, uniqueName } from '@sluice/testkit';
import { expect, test } from 'vitest';
import { postgresCheckpoints } from '../src/index.js';
import { useDatabase } from './database.js';

const database = useDatabase();

function checkpoint(offset: number): Checkpoint {
  return { 'orders:3': { connector: 'test', version: 1, identity: 'a', position: { offset } } };
}

test('gives back what was saved, to the next claim and to who only reads', async () => {
  const pipeline = uniqueName('orders');
  const store = postgresCheckpoints({ url: database.server.url });
  expect(await store.load(pipeline)).toEqual({});
  const claim = await store.claim(pipeline);
  expect(claim.checkpoint).toEqual({});
  await claim.save(checkpoint(1));
  await claim.save(checkpoint(2));
  expect(await store.load(pipeline)).toEqual(checkpoint(2));
  await claim.release();
  await store.close();
  const next = postgresCheckpoints({ url: database.server.url });
  expect((await next.claim(pipeline)).checkpoint).toEqual(checkpoint(2));
  await next.close();
  expect(await database.rows('SELECT checkpoint FROM sluice_checkpoints WHERE pipeline = $1', [pipeline])).toEqual([
    { checkpoint: checkpoint(2) },
  ]);
});

test('refuses a save under an older claim', async () => {
  const pipeline = uniqueName('orders');
  const [one, two] = [
    postgresCheckpoints({ url: database.server.url }),
    postgresCheckpoints({ url: database.server.url }),
  ];
  const older = await one.claim(pipeline);
  await older.save(checkpoint(1));
  const newer = await two.claim(pipeline);
  await expect(older.save(checkpoint(9))).rejects.toMatchObject({ code: 'fenced' });
  await newer.save(checkpoint(2));
  expect(await one.load(pipeline)).toEqual(checkpoint(2));
  await one.close();
  await two.close();
});

test('a save whose answer was lost says so, and can be repeated on a new connection', async () => {
  const pipeline = uniqueName('orders');
  const store = postgresCheckpoints({ url: database.server.url, table: uniqueName('positions') });
  const claim = await store.claim(pipeline);
  using fault = breakPostgres(database.server.proxy, { statement: 'SET checkpoint', fault: 'lose-answer' });
  await expect(claim.save(checkpoint(1))).rejects.toMatchObject({ code: 'not_connected' });
  expect(fault.struck).toBe(1);
  expect(await store.load(pipeline)).toEqual(checkpoint(1));
  await claim.save(checkpoint(1));
  await store.close();
});

test('names every problem of its config', () => {
  expect(() => postgresCheckpoints({ port: 0 })).toThrow(/port.*url or host/s);
});
