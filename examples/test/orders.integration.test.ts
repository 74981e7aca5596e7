import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PostgresServer, startPostgres } from '@sluice/testkit';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Comparison, compareOrders, createOrders, loadOrders } from '#demo/orders';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server?.stop());

/** A row as the pipeline should make it: number, item, quantity, price and total. */
type Row = readonly [id: number, item: string, quantity: number, priceCents: number, totalCents: number];

const done = (id: number): Row => [id, 'nut', 2, id, id * 2];
const line = (id: number): string => `{"order":${id},"item":"nut","quantity":2,"priceCents":${id}}\n`;

async function compare(rows: readonly Row[]): Promise<Comparison> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-orders-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'orders.ndjson');
  await writeFile(file, [1, 2, 3, 4].map(line).join(''));
  const client = await server.connect();
  onTestFinished(() => client.end());
  await client.query('DROP TABLE IF EXISTS orders');
  await createOrders(client);
  for (const row of rows) {
    const insert = 'INSERT INTO orders (id, item, quantity, price_cents, total_cents) VALUES ($1, $2, $3, $4, $5)';
    await client.query(insert, [...row]);
  }
  await loadOrders(client, file);
  return await compareOrders(client);
}

const same = { sent: 4, stored: 4, lost: 0, duplicated: 0, reordered: 0, wrong: 0 };

test('a table that is what it should be has no differences', async () => {
  expect(await compare([1, 2, 3, 4].map(done))).toEqual(same);
});

test('an order without a row is lost, also when there is no row at all', async () => {
  expect(await compare([1, 2, 4].map(done))).toEqual({ ...same, stored: 3, lost: 1 });
  expect(await compare([])).toEqual({ ...same, stored: 0, lost: 4 });
});

test('rows that come again are duplicated, and reordered where they come after later ones', async () => {
  expect(await compare([1, 2, 2, 3, 4].map(done))).toEqual({ ...same, stored: 5, duplicated: 1 });
  expect(await compare([1, 2, 3, 2, 3, 4].map(done))).toEqual({ ...same, stored: 6, duplicated: 2, reordered: 1 });
});

test('a row that comes after a later one is reordered', async () => {
  expect(await compare([1, 3, 2, 4].map(done))).toEqual({ ...same, reordered: 1 });
});

test('a row that is not what its line should have become, or comes from no line, is wrong', async () => {
  const rows: readonly Row[] = [done(1), [2, 'nut', 2, 2, 5], [3, 'saw', 2, 3, 6], done(4), done(9)];
  expect(await compare(rows)).toEqual({ ...same, stored: 5, wrong: 3 });
});
