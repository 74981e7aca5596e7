import { ConnectorError } from '@sluice/core/driver';
import { quoted } from '../identifier.js';
import type { TextRow, TextRows } from '../text-client.js';
import type { PollPosition } from './poll-position.js';
import { isTime, type OrderColumn, type PollTarget } from './poll-target.js';

/** Which rows a page may have. */
export interface PageWish {
  readonly target: PollTarget;
  readonly parameters: readonly unknown[];
  readonly position: PollPosition;
  readonly lookback: number;
  /** Whether rows are left out whose first order column is null. */
  readonly skipsNull: boolean;
  /** Rows with a larger cursor value stay away. */
  readonly upTo: string | undefined;
  readonly maxRows: number;
}

/** A row, and what a sweep does with it. */
export interface PageRow {
  readonly row: TextRow;
  /** Values of the order columns. */
  readonly place: readonly string[];
  readonly isNew: boolean;
  /** Whether its transaction is too young for this sweep. */
  readonly isYoung: boolean;
}

/** SQL with the values of its parameters. */
export interface BoundQuery {
  readonly text: string;
  readonly values: readonly unknown[];
}

// The column has the lower half of the id; a row that can be seen is no younger than the next transaction. Ids below 3 stand for
// rows that were frozen long ago.
const nextId = '(select pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::int8)';
const rowId = `case when t.xmin::text::int8 < 3 then 0 else ${nextId} - ((${nextId} - t.xmin::text::int8) & 4294967295) end`;

/** The next rows of a sweep, with two more columns: whether a row is new, and whether it is too young. */
export function pageQuery(wish: PageWish): BoundQuery {
  const { target, parameters, position, lookback, skipsNull, upTo, maxRows } = wish;
  const { order, from, hasTransaction } = target;
  const { at, top, after, before, floor, nextFloor } = position;
  const values: unknown[] = [...parameters];
  const bind = (value: unknown, type: string): string => `$${values.push(value)}::${type}`;
  const [cursor] = order;
  if (cursor === undefined) throw new ConnectorError('internal', 'there is nothing to order by');
  const column = `t.${quoted(cursor.name)}`;
  const isAfter = (row: readonly string[]): string =>
    `(${order.map(({ name }) => `t.${quoted(name)}`).join(', ')}) > (${order.map(({ type }, index) => bind(row[index], type)).join(', ')})`;
  const isNew = top === null || position.isNew ? 'true' : isAfter(top);
  const isYoung =
    hasTransaction && before !== null
      ? `${rowId} >= ${bind(before, 'int8')}${nextFloor === null ? '' : ` and ${column} >= ${bind(nextFloor, cursor.type)}`}`
      : 'false';
  const conditions = [skipsNull ? `${column} is not null` : 'true'];
  if (at !== null) conditions.push(isAfter(at));
  else if (floor !== null && top !== null) {
    const lowest = `least(${bind(floor, cursor.type)}, ${bind(top[0], cursor.type)})`;
    conditions.push(`${column} >= ${below(lowest, cursor, lookback, bind)}`);
  }
  if (upTo !== undefined) conditions.push(`${column} <= ${bind(upTo, cursor.type)}`);
  if (hasTransaction && after !== null && isNew !== 'true')
    conditions.push(`(${isNew} or (${rowId} >= ${bind(after, 'int8')} and not (${isYoung})))`);
  const by = order.map(
    ({ name }, index) => `t.${quoted(name)}${(index > 0 || !skipsNull) && !hasTransaction ? ' nulls first' : ''}`,
  );
  const text = `select t.*, ${isNew}, ${isYoung} from ${from} as t
    where ${conditions.join(' and ')} order by ${by.join(', ')} limit ${bind(maxRows + 1, 'int8')}`;
  return { text, values };
}

const integerTypes = /^(smallint|integer|bigint|oid)/;
const floatTypes = /^(real|double precision)/;

/** Whether a lookback means something for the type. */
export function takesLookback(type: string): boolean {
  return isTime(type) || integerTypes.test(type) || floatTypes.test(type) || type.startsWith('numeric');
}

function below(
  value: string,
  { type }: OrderColumn,
  lookback: number,
  bind: (value: unknown, type: string) => string,
): string {
  if (lookback === 0) return value;
  if (isTime(type)) return `(${value} - ${bind(`${lookback} milliseconds`, 'interval')})::${type}`;
  const number = `(${value}::numeric - ${bind(lookback, 'numeric')})`;
  // A column is not converted to find rows by an index, so the bound is.
  if (integerTypes.test(type)) return `pg_catalog.floor(${number})::int8`;
  return floatTypes.test(type) ? `${number}::float8` : number;
}

/**
 * The rows of an answer, at most as many as wished: one more is asked for, to see that it stands at another place.
 *
 * @throws {ConnectorError} `config_invalid` when two rows stand at the same place, or a row at none: the next page could miss one
 */
export function pageRows({ rows }: TextRows, { target: { order }, maxRows }: PageWish): readonly PageRow[] {
  let last = '';
  const all = rows.map((row) => {
    const place = order.map(({ index, name }) => {
      const value = row[index];
      if (typeof value === 'string') return value;
      throw new ConnectorError(
        'config_invalid',
        `a row has null in column "${name}" of "key". Leave it out, or name others`,
      );
    });
    const text = JSON.stringify(place);
    if (text === last)
      throw new ConnectorError(
        'config_invalid',
        `two rows have the same ${order.map(({ name }) => name).join(', ')} (${place.join(', ')}). Name more columns in "key"`,
      );
    last = text;
    return { row: row.slice(0, -2), place, isNew: row.at(-2) === 't', isYoung: row.at(-1) === 't' };
  });
  return all.slice(0, maxRows);
}
