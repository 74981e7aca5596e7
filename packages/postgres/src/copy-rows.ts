import { ConnectorError } from '@sluice/core/driver';
import { copyField } from './column-text.js';
import type { Row, RowShape } from './row-reader.js';
import type { TargetColumn, TargetTable } from './target-table.js';

/** Rows for one COPY, in its text format. */
export interface CopyRows {
  readonly columns: readonly string[];
  /** With the line feed at their end. */
  readonly lines: readonly string[];
  /** For each line, the index of its message in the batch. */
  readonly origins: readonly number[];
}

/** A row of a message, on its way into a table. */
export interface IndexedRow {
  readonly row: Row;
  /** Index of the message in the batch. */
  readonly index: number;
}

/** A line of COPY's text format. */
export function copyLine(texts: readonly (string | null)[]): string {
  let line = '';
  for (let index = 0; index < texts.length; index++) {
    if (index > 0) line += '\t';
    line += copyField(texts[index] ?? null);
  }
  return wellFormed(`${line}\n`);
}

/** The columns of a shape that are written, and where their values are in its rows. */
export interface ShapeColumns {
  readonly columns: readonly TargetColumn[];
  readonly sources: readonly number[];
}

/** @throws {ConnectorError} `message_invalid` when the table lacks a column of the shape */
export function shapeColumns(table: TargetTable, { columns }: RowShape): ShapeColumns {
  const written: TargetColumn[] = [];
  const sources: number[] = [];
  for (const [source, name] of columns.entries()) {
    const column = table.columns.get(name);
    if (column !== undefined) {
      written.push(column);
      sources.push(source);
    } else if (!table.generated.has(name)) throw unknownColumn(table, name);
  }
  return { columns: written, sources };
}

/** Columns of a shape that a table lacks. */
export function missingColumns(table: TargetTable, { columns }: RowShape): readonly string[] {
  return columns.filter((name) => !table.columns.has(name) && !table.generated.has(name));
}

/** Rows that go into one COPY. */
interface Group {
  readonly columns: Map<string, TargetColumn>;
  readonly rows: IndexedRow[];
}

/**
 * Sorts rows into as few COPYs as there can be: a row without a value for a column that has a default must not name it, and
 * for all other columns no value is the same as NULL.
 *
 * @param refuse is told of rows that cannot be written
 */
export function planCopies(
  table: TargetTable,
  rows: readonly IndexedRow[],
  refuse: (index: number, error: unknown) => void,
): readonly CopyRows[] {
  const groups = new Map<string, Group>();
  const groupOf = new Map<RowShape, Group | ConnectorError>();
  for (const entry of rows) {
    const { shape } = entry.row;
    let group = groupOf.get(shape);
    if (group === undefined) {
      group = findGroup(table, shape, groups);
      groupOf.set(shape, group);
    }
    if (group instanceof ConnectorError) refuse(entry.index, group);
    else group.rows.push(entry);
  }
  return [...groups.values()].map((group) => copyOf(group, refuse)).filter(({ lines }) => lines.length > 0);
}

function findGroup(table: TargetTable, shape: RowShape, groups: Map<string, Group>): Group | ConnectorError {
  let columns: readonly TargetColumn[];
  try {
    ({ columns } = shapeColumns(table, shape));
  } catch (error) {
    if (error instanceof ConnectorError) return error;
    throw error;
  }
  const id = JSON.stringify(columns.filter(({ hasDefault }) => hasDefault).map(({ name }) => name));
  const group = groups.get(id) ?? { columns: new Map<string, TargetColumn>(), rows: [] };
  groups.set(id, group);
  for (const column of columns) group.columns.set(column.name, column);
  return group;
}

function copyOf(group: Group, refuse: (index: number, error: unknown) => void): CopyRows {
  const columns = [...group.columns.values()];
  const lines: string[] = [];
  const origins: number[] = [];
  const texts: (string | null)[] = columns.map(() => null);
  let known: RowShape | undefined;
  let sources: readonly number[] = [];
  for (const { row, index } of group.rows) {
    if (row.shape !== known) {
      known = row.shape;
      sources = columns.map(({ name }) => row.shape.columns.indexOf(name));
    }
    try {
      for (let at = 0; at < columns.length; at++) {
        const source = sources[at] ?? -1;
        texts[at] = source < 0 ? null : (columns[at]?.toText(row.values[source] ?? null) ?? null);
      }
      lines.push(copyLine(texts));
      origins.push(index);
    } catch (error) {
      refuse(index, error);
    }
  }
  return { columns: columns.map(({ name }) => name), lines, origins };
}

function unknownColumn(table: TargetTable, name: string): ConnectorError {
  return new ConnectorError(
    'message_invalid',
    `table ${table.name} has no column ${JSON.stringify(name)}. Set evolve: add-columns, name the columns in columns, or drop the field`,
  );
}

function wellFormed(line: string): string {
  if (line.isWellFormed()) return line;
  throw new ConnectorError('message_invalid', 'a text holds half of a surrogate pair, which has no UTF-8 form');
}
