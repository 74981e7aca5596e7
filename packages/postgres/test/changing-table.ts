import type { Client } from 'pg';

/** Columns of a table that {@link changeTable} writes to. */
export const changingColumns = 'a int, b text, n int, rest text, primary key (b, a)';

/**
 * Inserts, updates, deletes and moves keys in transactions of many sizes, some of which are rolled back. Waits between them, so
 * that a reader can keep up.
 */
export async function changeTable(client: Client, table: string, goOn: () => boolean): Promise<void> {
  const pick = (limit: number): number => Math.floor(Math.random() * limit);
  let n = 0;
  while (goOn()) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    await client.query('begin');
    for (let statements = 1 + pick(4); statements > 0; statements--) {
      n++;
      const kind = pick(4);
      const from = pick(2000);
      const range = [from, from + pick(kind !== 1 && pick(8) === 0 ? 1000 : 10)];
      const between = 'where a between $1 and $2';
      if (kind === 0) await client.query(`delete from ${table} ${between}`, range);
      else if (kind === 1) await client.query(`update ${table} set a = a + 10000 * $3 ${between}`, [...range, n]);
      else if (kind === 2) await client.query(`update ${table} set n = $3 ${between}`, [...range, n]);
      else
        await client.query(
          `insert into ${table} select a, 'x', $3, repeat('y', a % 100) from generate_series($1::int, $2::int) a on conflict do nothing`,
          [...range, n],
        );
    }
    await client.query(pick(5) === 0 ? 'rollback' : 'commit');
  }
}
