import { asBuffer } from '../byte-text.js';
import { ConnectorError } from '../error.js';
import type { CsvConfig } from './csv-config.js';
import {
  type CsvRow,
  columnsOf,
  fieldsOf,
  fieldsOfAll,
  nameOf,
  objectOf,
  withoutNewline,
  wrongCount,
} from './csv-row.js';
import { type CsvRowScanner, csvRowScanner } from './csv-row-scanner.js';
import { FrameList } from './frame-list.js';
import type { Frames, FramingPosition, Unframer } from './framing.js';
import { keptOf, PartialMessage, tooLarge } from './partial-message.js';

const lf = 0x0a;
const cr = 0x0d;
const nothing: Buffer = Buffer.alloc(0);
const byteOrderMark: Buffer = Buffer.from('\ufeff');

/** Cuts rows and lets csv-parse make fields of all the rows of a chunk at once. */
export class CsvUnframer implements Unframer {
  private readonly config: CsvConfig;
  private readonly scanner: CsvRowScanner;
  private readonly partial: PartialMessage;
  private columns: readonly string[] | undefined;
  private headerDue: boolean;
  /** Offset of the row that is being cut. */
  private start: number;
  /** Rows so far; undefined after a resume. */
  private count: number | undefined;
  /** The row is above the limit, and its first line has not ended yet. */
  private skipping = false;
  /** The first bytes of the stream while they may be the beginning of a byte order mark. */
  private head: Buffer | undefined;
  /** Rows that were cut and not parsed yet. */
  private rows: CsvRow[] = [];

  constructor(config: CsvConfig, position: FramingPosition = { bytes: 0 }) {
    this.config = config;
    this.start = position.bytes;
    this.scanner = csvRowScanner(config.delimiter.charCodeAt(0), config.quote ? config.quote.charCodeAt(0) : undefined);
    // One more for the newline.
    this.partial = new PartialMessage(config.maxMessageBytes + 1);
    const resumed = position.bytes > 0;
    this.columns = config.columns ?? position.columns;
    this.headerDue = config.header && !resumed;
    this.count = resumed ? undefined : 0;
    this.head = resumed ? undefined : nothing;
    if (resumed && this.columns === undefined) {
      throw new ConnectorError(
        'position_lost',
        `the csv position at byte ${position.bytes} lacks the names of the columns`,
      );
    }
  }

  get heldBytes(): number {
    return this.partial.heldBytes + (this.head?.length ?? 0);
  }

  push(chunk: Uint8Array): Frames {
    const frames = new FrameList();
    this.cut(this.withoutMark(asBuffer(chunk)), frames);
    this.parseRows(frames);
    return frames;
  }

  end(): Frames {
    const frames = new FrameList();
    if (this.head !== undefined) this.cut(this.head, frames);
    this.head = undefined;
    while (this.partial.bytes > 0 && this.scanner.quoted && !this.skipping) {
      const rest = this.failFirstLine(this.partial.take(nothing), frames, quoteNotClosed);
      this.cut(rest, frames);
    }
    if (this.skipping) this.failSkipped(nothing, frames);
    else if (this.partial.bytes > 0) this.addRow(this.partial.take(nothing));
    this.parseRows(frames);
    return frames;
  }

  positionAt(bytes: number): FramingPosition {
    const { columns } = this;
    return bytes === 0 || columns === undefined || columns === this.config.columns ? { bytes } : { bytes, columns };
  }

  /** Passes over a byte order mark at the start of the stream, which may come in pieces. */
  private withoutMark(chunk: Buffer): Buffer {
    if (this.head === undefined) return chunk;
    const head = this.head.length === 0 ? chunk : Buffer.concat([this.head, chunk]);
    const mayBeMark = head.length < byteOrderMark.length && byteOrderMark.subarray(0, head.length).equals(head);
    this.head = mayBeMark ? head : undefined;
    if (mayBeMark) return nothing;
    if (!head.subarray(0, byteOrderMark.length).equals(byteOrderMark)) return head;
    this.start += byteOrderMark.length;
    return head.subarray(byteOrderMark.length);
  }

  /** Adds the rows that end in `input` to `rows` and holds what is left. */
  private cut(input: Buffer, frames: FrameList): void {
    let buffer = input;
    let from = 0;
    while (from < buffer.length) {
      const end = this.skipping ? buffer.indexOf(lf, from) + 1 || -1 : this.scanner.scan(buffer, from);
      const part = buffer.subarray(from, end === -1 ? buffer.length : end);
      const size = this.partial.bytes + part.length - (end === -1 ? 0 : 1);
      if (size > this.config.maxMessageBytes && !this.skipping) {
        buffer = this.failLargeRow(buffer.subarray(from), frames);
        from = 0;
        continue;
      }
      from += part.length;
      if (end === -1) this.partial.add(part);
      else if (this.skipping) this.failSkipped(part, frames);
      else this.addRow(this.partial.bytes === 0 ? part : this.partial.take(part));
    }
  }

  private addRow(bytes: Buffer): void {
    const row = this.nextRow(bytes, bytes.length);
    const isEmpty = bytes[0] === lf || (bytes[0] === cr && bytes[1] === lf);
    if (!isEmpty) this.rows.push(row);
  }

  private nextRow(bytes: Buffer, length: number): CsvRow {
    this.start += length;
    if (this.count !== undefined) this.count += 1;
    return { bytes, end: this.start, number: this.count };
  }

  /**
   * The row that begins with what is held and goes on with `rest` is above the limit. Most likely its quote was never meant to
   * open, so only its first line is given up; where that line itself has not ended, it is skipped up to its end.
   */
  private failLargeRow(rest: Buffer, frames: FrameList): Buffer {
    const row = this.partial.bytes === 0 ? rest : Buffer.concat([this.partial.take(nothing), rest]);
    if (row.includes(lf)) return this.failFirstLine(row, frames, (name) => tooLarge(name, this.config.maxMessageBytes));
    this.scanner.reset();
    this.skipping = true;
    this.partial.add(row);
    return nothing;
  }

  /** Makes the first line of `row` a failure and returns what comes after it. */
  private failFirstLine(row: Buffer, frames: FrameList, error: (name: string) => ConnectorError): Buffer {
    this.scanner.reset();
    const length = row.indexOf(lf) + 1 || row.length;
    this.fail(this.nextRow(row.subarray(0, length), length), length, frames, error);
    return row.subarray(length);
  }

  private failSkipped(part: Buffer, frames: FrameList): void {
    const length = this.partial.bytes + part.length;
    this.skipping = false;
    const row = this.nextRow(this.partial.take(part), length);
    this.fail(row, length, frames, (name) => tooLarge(name, this.config.maxMessageBytes));
  }

  private fail(row: CsvRow, length: number, frames: FrameList, error: (name: string) => ConnectorError): void {
    const name = nameOf(row, length);
    this.parseRows(frames);
    if (this.headerDue) throw new ConnectorError('unsupported', `${error(name).message}; it is the header`);
    frames.fail(keptOf(withoutNewline(row.bytes), this.config.maxMessageBytes), row.end, error(name));
  }

  /** Turns the rows that were cut into messages. */
  private parseRows(frames: FrameList): void {
    const rows = this.rows;
    this.rows = [];
    if (this.headerDue) {
      const header = rows.shift();
      if (header === undefined) return;
      this.columns = columnsOf(header, this.config);
      this.headerDue = false;
    }
    if (rows.length === 0) return;
    const columns = this.columns ?? [];
    const parsed = fieldsOfAll(rows, this.config);
    for (const [index, row] of rows.entries()) {
      const fields = parsed?.[index] ?? fieldsOf(row, this.config);
      if (fields instanceof ConnectorError) frames.fail(withoutNewline(row.bytes), row.end, fields);
      else if (fields.length !== columns.length)
        frames.fail(withoutNewline(row.bytes), row.end, wrongCount(row, fields, columns));
      else frames.add(objectOf(columns, fields), row.end);
    }
  }
}

function quoteNotClosed(name: string): ConnectorError {
  return new ConnectorError('message_invalid', `${name} opens a quote that is not closed before the end of the stream`);
}
