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
  // By ORDER BY, which knows the order of a type though its operators may not be on search_path; a key comes before a bound like it.
  const sql = `
    with bounds as (select null::int8 as place, ${typed.join(', ')} from unnest(${texts(1)}) as bounds(${columns.join(', ')})),
      keys as (
        select place, ${typed.join(', ')} from unnest(${texts(1 + key.length)}) with ordinality as keys(${columns.join(', ')}, place)),
      places as (
        select place, count(*) filter (where place is null) over (order by ${columns.join(', ')}, place is null) as above
        from (select * from bounds union all select * from keys) as all_keys)
    select above::int4 as above from places where place is not null order by place`;
  const arrays = [bounds, keys].flatMap((all) => key.map((_, index) => all.map((texts) => texts[index])));
  return (await ask<{ above: number }>(sql, arrays)).rows.map(({ above }) => above);
}
