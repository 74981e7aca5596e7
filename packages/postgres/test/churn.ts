import type { Client } from 'pg';

/** Columns of a table that {@link churn} writes to: the key is compared as no program but the server does. */
export const churnColumns = 'name text, id int, n bigint, rest text, primary key (name, id)';

const names = ['a', 'B', 'ä', 'Z', 'b', 'é', 'A b', 'a-b', ''];

/** Fills the table. */
export async function fill(client: Client, table: string, rows: number): Promise<void> {
  const sql = `insert into ${table} select ($1::text[])[1 + g % ${names.length}], g, 0, repeat('x', 100) from generate_series(1, $2::int) g`;
  await client.query(sql, [names, rows]);
}

/**
 * Inserts, updates, deletes and moves rows all over the table, in transactions of many sizes, some with subtransactions, some of
 * which are rolled back. Several may run at once: each has rows of its own.
 */
export async function churn(
  client: Client,
  table: string,
  { part, parts, ids, goOn }: { part: number; parts: number; ids: number; goOn: () => boolean },
): Promise<void> {
  const pick = (limit: number): number => Math.floor(Math.random() * limit);
  let n = 0;
  while (goOn()) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    await client.query('begin');
    for (let statements = 1 + pick(5); statements > 0; statements--) {
      n++;
      const from = pick(ids);
      const range = [n, part, parts, from, from + pick(40)];
      const where = 'id % $3 = $2 and id between $4 and $5 and $1::bigint > 0';
      const inPart = pick(4) === 0;
      if (inPart) await client.query('savepoint part');
      const kind = pick(4);
      if (kind === 0) await client.query(`delete from ${table} where ${where}`, range);
      else if (kind === 1) await client.query(`update ${table} set n = $1::bigint where ${where}`, range);
      else if (kind === 2) {
        // To another name, and so to anywhere in the order of keys.
        const sql = `update ${table} t set n = $1::bigint, name = $6 where ${where} and t.name = $7 and not exists (select from ${table} o where o.name = $6 and o.id = t.id)`;
        await client.query(sql, [...range, names[pick(names.length)], names[pick(names.length)]]);
      } else {
        const sql = `insert into ${table} select $6, id, $1::bigint, 'new' from generate_series($4::int, $5::int) id where ${where} on conflict do nothing`;
        await client.query(sql, [...range, names[pick(names.length)]]);
      }
      if (inPart) await client.query(pick(2) === 0 ? 'rollback to part' : 'release part');
    }
    await client.query(pick(5) === 0 ? 'rollback' : 'commit');
  }
}
