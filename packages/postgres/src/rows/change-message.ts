import { createMessage, type Header, type Message, type Operation, type Value } from '@sluice/core/driver';
import type { OldRow, Tuple } from '../changes/pgoutput.js';
import { type Row, setField } from './row.js';
import type { TableShape } from './table-shape.js';

/** What happened to a row. */
export interface RowChange {
  readonly operation: Operation;
  readonly old: OldRow | undefined;
  /** The row as it is now; undefined when it is gone. */
  readonly row: Tuple | undefined;
}

/** What the messages of a transaction have in common. */
export interface TransactionMark {
  readonly headers: readonly Header[];
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

/** Messages are copies of it, and no literals: see DESIGN.md, Postgres, "Changes wait as bytes". */
const blankMessage = createMessage({});

/** Makes a message of a change of a row, or of the truncation of a table. */
export function toChangeMessage(
  shape: TableShape,
  change: RowChange,
  { headers, timestamp }: TransactionMark,
): Message {
  const { schema, topic } = shape;
  const { operation } = change;
  const before = change.old === undefined ? undefined : oldRow(shape, change.old);
  const payload = change.row === undefined ? null : newRow(shape, change.row, before);
  const key = keyOf(shape, payload ?? before);
  return { ...blankMessage, topic, key, payload, headers, timestamp, operation, before, schema };
}

/** Makes a message of a row that was there. */
export function toSnapshotMessage(shape: TableShape, payload: Row, { headers, timestamp }: TransactionMark): Message {
  const { schema, topic } = shape;
  const key = keyOf(shape, payload);
  return { ...blankMessage, topic, key, payload, headers, timestamp, operation: 'snapshot', schema };
}

/** The row of these texts. A value that did not change and was not sent is absent, unless the old row holds it. */
export function newRow({ columns, blank }: TableShape, tuple: Tuple, before: Row | undefined): Row {
  const row: Row = { ...blank };
  for (let index = 0; index < columns.length; index++) {
    const column = columns[index];
    const text = tuple[index];
    if (column === undefined) continue;
    if (text === undefined) setUnchanged(row, column.name, before);
    else if (text !== null) row[column.name] = column.convert(text);
  }
  return row;
}

function setUnchanged(row: Row, name: string, before: Row | undefined): void {
  const unchanged = before?.[name];
  if (unchanged === undefined) delete row[name];
  else row[name] = unchanged;
}

/** Of a row of which only the replica identity was sent, the other columns are unknown, not null. */
function oldRow(shape: TableShape, { kind, row: tuple }: OldRow): Row {
  if (kind !== 'key') return newRow(shape, tuple, undefined);
  const row: Row = {};
  for (const [index, { name, convert, isIdentity }] of shape.columns.entries()) {
    const text = tuple[index];
    if (text !== undefined && isIdentity) setField(row, name, text === null ? null : convert(text));
  }
  return row;
}

/** The key columns of a row; null when there are none, or one of them is not known. */
export function keyOf({ columns, keyColumns, blankKey }: TableShape, row: Row | undefined): Value {
  if (row === undefined || keyColumns.length === 0) return null;
  const key: Row = { ...blankKey };
  for (const index of keyColumns) {
    const name = columns[index]?.name;
    const value = name === undefined ? undefined : row[name];
    // A key value that is stored away and did not change: the row cannot be told from others.
    if (name === undefined || value === undefined) return null;
    key[name] = value;
  }
  return key;
}
