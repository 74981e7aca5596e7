import { asBuffer } from '../byte-text.js';
import { textOf } from '../bytes.js';
import { ConnectorError } from '../error.js';
import type { Value } from '../message.js';
import type { CsvConfig } from './csv-config.js';
import { CsvUnframer } from './csv-unframer.js';
import { unframable } from './frame-bytes.js';
import type { Framing } from './framing.js';
import { tooLarge } from './partial-message.js';

/**
 * One message per row: an object of strings by column. Rows end with LF or CRLF and may have newlines inside quotes; empty rows
 * are passed over, and a byte order mark at the start. A row with another number of fields than there are columns, a quote at the
 * wrong place, or bytes that are not UTF-8, is a failure `message_invalid` with its bytes, named by its number (the header is
 * row 1; not known after a resume) and offset. Where a quote is not closed within `maxMessageBytes` or at all, the line that
 * the row begins with is the failure, and cutting goes on after that line. A header that cannot be used throws `unsupported`.
 *
 * Written rows end with LF. Their columns must be listed, since those of a file that is appended to cannot be seen from here.
 * null and absent fields are empty, bytes are base64, all others as {@link textOf} has them.
 */
export function csvFraming(config: CsvConfig): Framing {
  const { columns, header, maxMessageBytes } = config;
  const rowOf = rowWriter(config);
  return {
    name: 'csv',
    unframe: (position) => new CsvUnframer(config, position),
    frame(payload, first) {
      if (columns === undefined)
        throw new ConnectorError('config_invalid', 'csv framing can write only with a list of columns');
      const row = rowOf(cellsOf(payload, columns));
      const bytes = Buffer.byteLength(row);
      if (bytes > maxMessageBytes) throw tooLarge(`the row of ${bytes} bytes`, maxMessageBytes);
      return Buffer.from(first && header ? `${rowOf(columns)}\n${row}\n` : `${row}\n`);
    },
  };
}

/** Texts of the fields in the order of the columns. */
function cellsOf(payload: Value, columns: readonly string[]): string[] {
  if (!isFields(payload)) {
    throw unframable(
      'csv',
      payload === null ? 'it is null' : 'it is not an object. Decode it (codec json) or map it to one',
    );
  }
  for (const name in payload) {
    if (!columns.includes(name)) {
      throw unframable(
        'csv',
        `its field "${name}" is not among the columns. Add it there, or remove it in a transform`,
      );
    }
  }
  return columns.map((name) => (Object.hasOwn(payload, name) ? cellOf(payload[name] ?? null) : ''));
}

function cellOf(value: Value): string {
  if (value === null) return '';
  return value instanceof Uint8Array ? asBuffer(value).toString('base64') : textOf(value);
}

/**
 * Writes one row, without its newline. By hand, because csv-stringify reads all of its options anew for every call, which takes
 * many times as long as the row itself.
 */
function rowWriter({ delimiter, quote }: CsvConfig): (cells: readonly string[]) => string {
  // A byte order mark is quoted, or readers take it for the file's own.
  const special = new RegExp(`[\\n\\r\\ufeff${[delimiter, quote || ''].map(escaped).join('')}]`);
  const write = (cell: string): string => {
    if (!special.test(cell)) return cell;
    if (quote === false) throw unframable('csv', 'a field holds the delimiter or a newline, and quoting is off');
    return quote + cell.replaceAll(quote, quote + quote) + quote;
  };
  return (cells) => {
    const row = cells.map(write).join(delimiter);
    if (row !== '') return row;
    // The only column is empty: quotes tell it from an empty row, which readers pass over.
    if (quote === false) throw unframable('csv', 'its only field is empty, and quoting is off');
    return quote + quote;
  };
}

function escaped(text: string): string {
  return text && `\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function isFields(payload: Value): payload is { readonly [name: string]: Value } {
  if (typeof payload !== 'object' || payload === null) return false;
  return !(payload instanceof Uint8Array || payload instanceof Date || Array.isArray(payload));
}
