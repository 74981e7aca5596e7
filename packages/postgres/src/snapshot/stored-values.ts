import type { Relation, Tuple } from '../changes/pgoutput.js';
import { stateOf } from '../error.js';
import { quoted } from '../identifier.js';
import type { KeyTexts } from './chunk-position.js';
import type { Ask } from './key-places.js';
import type { KeyColumn } from './snapshot-plan.js';

/** No such table, column or type any more. */
const gone = new Set(['42P01', '42703', '42704', '3F000']);

/**
 * A row with the stored-away values that the server did not send, as they stand in the table now: where they have changed since,
 * that change is still to come. They stay away when the row is gone, whose end is then to come.
 */
export async function withStoredValues(
  ask: Ask,
  relation: Relation,
  key: readonly KeyColumn[],
  { row, newKey }: { readonly row: Tuple; readonly newKey: KeyTexts },
): Promise<Tuple> {
  const missing = [...row.keys()].filter((index) => row[index] === undefined);
  if (missing.length === 0) return row;
  // As the type writes itself, which a cast to text need not do.
  const values = missing.map((index) => {
    const name = quoted(relation.columns[index]?.name ?? '');
    return `case when ${name} is not null then format('%s', ${name}) end`;
  });
  const isIt = key.map(({ name, type }, index) => `${quoted(name)} = $${index + 1}::${type}`);
  const table = `${quoted(relation.schema)}.${quoted(relation.name)}`;
  const sql = `select array[${values.join(', ')}]::text[] as found from ${table} where ${isIt.join(' and ')}`;
  try {
    const [stored] = (await ask<{ found: (string | null)[] }>(sql, [...newKey])).rows;
    return stored === undefined
      ? row
      : row.map((value, index) => (value === undefined ? stored.found[missing.indexOf(index)] : value));
  } catch (error) {
    if (gone.has(stateOf(error) ?? '')) return row;
    throw error;
  }
}
