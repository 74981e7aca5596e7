import { once } from 'node:events';
import { createReadStream, createWriteStream, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

const items = ['bolt', 'nut', 'drill', 'saw', 'bench', 'glue'];
const linesPerWrite = 10_000;

/** Writes orders to a file, one a line, as JSON. */
export async function writeOrders(path: string, count: number): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const file = createWriteStream(path);
  for (let from = 1; from <= count; from += linesPerWrite) {
    let text = '';
    for (let order = from; order < Math.min(from + linesPerWrite, count + 1); order++) {
      const [quantity, priceCents] = [1 + (order % 90), 5 + (order % 997)];
      text += `{"order":${order},"item":"${items[order % items.length]}","quantity":${quantity},"priceCents":${priceCents}}\n`;
    }
    if (!file.write(text)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
}

/** Makes the table that a pipeline fills. `place` counts its rows in the order in which they come. */
export async function createOrders(client: Client): Promise<void> {
  await client.query(`CREATE TABLE orders (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id int NOT NULL, item text NOT NULL, quantity int NOT NULL, price_cents int NOT NULL, total_cents int NOT NULL)`);
}

/** How an output differs from what its input should have become. */
export interface Comparison {
  readonly sent: number;
  readonly stored: number;
  /** Orders of the file that the table does not have. */
  readonly lost: number;
  /** Rows of orders that the table has already. */
  readonly duplicated: number;
  /** Rows that came after one that should have come later. */
  readonly reordered: number;
  /** Rows that are not what any line of the file should have become. */
  readonly wrong: number;
}

/** Compares the table of a pipeline with the lines of its file. */
export const comparison = `
SELECT count(DISTINCT sent.id) AS sent,
       count(stored.id) AS stored,
       count(*) FILTER (WHERE stored.id IS NULL) AS lost,
       count(stored.id) - count(DISTINCT stored.id) AS duplicated,
       count(*) FILTER (WHERE stored.id < stored.previous) AS reordered,
       count(*) FILTER (WHERE sent.id IS NULL OR stored.item <> sent.item
                           OR stored.total_cents <> sent.quantity * sent.price_cents) AS wrong
FROM sent
FULL JOIN (SELECT *, lag(id) OVER (ORDER BY place) AS previous FROM orders) AS stored USING (id)`.trim();

/** Loads the file into the table `sent`, with COPY and without any code of Sluice. */
export async function loadOrders(client: Client, path: string): Promise<void> {
  await client.query('CREATE TEMP TABLE sent_lines (line json)');
  await pipeline(createReadStream(path), client.query(copyFrom('COPY sent_lines FROM STDIN')));
  await client.query(`CREATE TEMP TABLE sent AS
    SELECT (line->>'order')::int AS id, line->>'item' AS item,
           (line->>'quantity')::int AS quantity, (line->>'priceCents')::int AS price_cents
    FROM sent_lines`);
}

/** Asks the database for the {@link comparison}. */
export async function compareOrders(client: Client): Promise<Comparison> {
  const { rows } = await client.query<Record<keyof Comparison, string>>(comparison);
  const [row] = rows;
  if (row === undefined) throw new Error('the comparison has no result');
  const { sent, stored, lost, duplicated, reordered, wrong } = row;
  return {
    sent: Number(sent),
    stored: Number(stored),
    lost: Number(lost),
    duplicated: Number(duplicated),
    reordered: Number(reordered),
    wrong: Number(wrong),
  };
}
