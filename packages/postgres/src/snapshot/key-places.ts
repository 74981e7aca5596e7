import type { QueryResult, QueryResultRow } from 'pg';
import type { KeyTexts } from './chunk-position.js';
import type { KeyColumn } from './snapshot-plan.js';

/** Asks the server. */
export type Ask = <R extends QueryResultRow>(sql: string, values: unknown[]) => Promise<QueryResult<R>>;

/**
 * Between which bounds keys lie: how many of the bounds each key is above. The server compares them, because only it knows the
 * order of its types and collations.
 */
export async function placesOf(
  ask: Ask,
  key: readonly KeyColumn[],
  bounds: readonly KeyTexts[],
  keys: readonly KeyTexts[],
): Promise<readonly number[]> {
  const columns = key.map((_, index) => `k${index}`);
  const typed = key.map(({ type, collation }, index) => {
    const value = `k${index}::${type}`;
    return `${collation === null ? value : `${value} collate ${collation}`} as k${index}`;
  });
  const texts = (first: number): string => columns.map((_, index) => `$${first + index}::text[]`).join(', ');
  const row = (name: string): string => `(${columns.map((column) => `${name}.${column}`).join(', ')})`;
  const sql = `
    with bounds as materialized (select ${typed.join(', ')} from unnest(${texts(1)}) as bounds(${columns.join(', ')})),
      keys as materialized (
        select place, ${typed.join(', ')} from unnest(${texts(1 + key.length)}) with ordinality as keys(${columns.join(', ')}, place))
    select (select count(*) from bounds where ${row('bounds')} < ${row('keys')})::int4 as above from keys order by place`;
  const arrays = [bounds, keys].flatMap((all) => key.map((_, index) => all.map((texts) => texts[index])));
  return (await ask<{ above: number }>(sql, arrays)).rows.map(({ above }) => above);
}
