import { isUtf8 } from 'node:buffer';
import { parse } from 'csv-parse/sync';
import { ConnectorError, messageOf } from '../error.js';
import type { CsvConfig } from './csv-config.js';

/** A row as it was cut, before it is parsed. */
export interface CsvRow {
  /** With its newline. */
  readonly bytes: Buffer;
  /** Offset just after it. */
  readonly end: number;
  /** How to name it in an error. */
  readonly number: number | undefined;
}

const lf = 0x0a;
const cr = 0x0d;

/** The fields of all rows, undefined when at least one is broken. */
export function fieldsOfAll(rows: readonly CsvRow[], config: CsvConfig): readonly string[][] | undefined {
  const bytes = Buffer.concat(rows.map((row) => row.bytes));
  if (!isUtf8(bytes)) return undefined;
  try {
    const fields = parseFields(bytes, config);
    return fields.length === rows.length ? fields : undefined;
  } catch {
    // Which row it is comes out when each is parsed by itself.
    return undefined;
  }
}

export function fieldsOf(row: CsvRow, config: CsvConfig): string[] | ConnectorError {
  if (!isUtf8(row.bytes)) return new ConnectorError('message_invalid', `${nameOf(row)} is not UTF-8`);
  try {
    const [fields, ...more] = parseFields(row.bytes, config);
    if (fields !== undefined && more.length === 0) return fields;
    return new ConnectorError('internal', `${nameOf(row)} was cut wrongly`);
  } catch (error) {
    // The library counts lines from the bytes that it was given.
    const reason = messageOf(error).replace(/ at line \d+/, '');
    return new ConnectorError('message_invalid', `${nameOf(row)} has a quote at the wrong place (${reason})`, {
      cause: error,
    });
  }
}

function parseFields(bytes: Buffer, { delimiter, quote, relaxQuotes }: CsvConfig): string[][] {
  return parse(bytes, {
    delimiter,
    quote,
    escape: quote,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    relax_quotes: relaxQuotes,
  });
}

/** @throws {ConnectorError} `unsupported` when the header cannot be used */
export function columnsOf(header: CsvRow, config: CsvConfig): readonly string[] {
  const names = fieldsOf(header, config);
  if (names instanceof ConnectorError)
    throw new ConnectorError('unsupported', `${names.message}, and it is the header`);
  const { columns } = config;
  if (columns !== undefined) {
    if (columns.length === names.length) return columns;
    throw new ConnectorError(
      'unsupported',
      `the csv header has ${names.length} columns, and ${columns.length} are listed in "columns"`,
    );
  }
  const bad = names.find((name, index) => name === '' || name === '__proto__' || names.indexOf(name) !== index);
  if (bad === undefined) return names;
  const reason =
    bad === ''
      ? 'has a column without a name'
      : `cannot name a column "${bad}" ${bad === '__proto__' ? '' : 'twice'}`.trim();
  throw new ConnectorError('unsupported', `the csv header ${reason}: list names of your own in "columns"`);
}

export function objectOf(columns: readonly string[], fields: readonly string[]): Readonly<Record<string, string>> {
  const object: Record<string, string> = {};
  for (let index = 0; index < columns.length; index++) object[columns[index] ?? ''] = fields[index] ?? '';
  return object;
}

export function wrongCount(row: CsvRow, fields: readonly string[], columns: readonly string[]): ConnectorError {
  const expected = `${columns.length} (${columns.slice(0, 5).join(', ')}${columns.length > 5 ? ', …' : ''})`;
  return new ConnectorError('message_invalid', `${nameOf(row)} has ${fields.length} fields instead of ${expected}`);
}

export function nameOf({ bytes, end, number }: CsvRow, length: number = bytes.length): string {
  return number === undefined ? `the csv row at byte ${end - length}` : `csv row ${number} (at byte ${end - length})`;
}

export function withoutNewline(row: Buffer): Buffer {
  if (row[row.length - 1] !== lf) return row;
  return row.subarray(0, row[row.length - 2] === cr ? -2 : -1);
}
