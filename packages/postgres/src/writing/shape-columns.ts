import { ConnectorError } from '@sluice/core/driver';
import type { ToText } from './column-text.js';
import type { RowShape } from './row-reader.js';
import { type TargetColumn, type TargetTable, writerOf } from './target-table.js';

/** A column that rows of a shape have, and how its values are written. */
export interface ShapeColumn {
  readonly column: TargetColumn;
  /** Where its values are in the rows. */
  readonly source: number;
  readonly toText: ToText;
}

/**
 * The columns of a shape that are written: all but those that the server computes.
 *
 * @throws {ConnectorError} `message_invalid` when the table lacks one of them
 */
export function shapeColumns(table: TargetTable, { columns, types }: RowShape): readonly ShapeColumn[] {
  const written: ShapeColumn[] = [];
  for (const [source, name] of columns.entries()) {
    const column = table.columns.get(name);
    if (column !== undefined) written.push({ column, source, toText: writerOf(column, types?.[source]) });
    else if (!table.generated.has(name)) throw unknownColumn(table, name);
  }
  return written;
}

/** Columns of a shape that a table lacks. */
export function missingColumns(table: TargetTable, { columns }: RowShape): readonly string[] {
  return columns.filter((name) => !table.columns.has(name) && !table.generated.has(name));
}

function unknownColumn(table: TargetTable, name: string): ConnectorError {
  return new ConnectorError(
    'message_invalid',
    `table ${table.name} has no column ${JSON.stringify(name)}. Set evolve: add-columns, name the columns in columns, or drop the field`,
  );
}
