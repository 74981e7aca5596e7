import { ConnectorError, type Value } from '@sluice/core/driver';
import { plainText, type ToText } from './column-text.js';

/** Rows for one COPY, in its text format. */
export interface CopyRows {
  readonly columns: readonly string[];
  /** Lines, cut where it suits the network. */
  readonly chunks: readonly Uint8Array[];
  /** For each line, the index of its message in the batch. */
  readonly origins: readonly number[];
}

/** Is told of a message that cannot be written, by its index in the batch. */
export type Refuse = (index: number, error: unknown) => void;

/** What a column without a value has in the text format. */
export const nullField = '\\N';

/** What must not be in a field as it is. */
export const special: RegExp = /[\\\n\r\t]/;
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A text as a field: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2 */
export function copyField(text: string | null): string {
  if (text === null) return nullField;
  return special.test(text) ? text.replaceAll(/[\\\n\r\t]/g, (character) => escapes[character] ?? character) : text;
}

/** A value as a field. */
export function valueField(value: Value, toText: ToText): string {
  const text = toText(value);
  // Nothing in a number is special, unless it is written as something else.
  return typeof value === 'number' && toText === plainText && text !== null ? text : copyField(text);
}

/** Large enough to be worth a packet, and small enough to be garbage soon. */
export const chunkLength: number = 64 * 1024;

/** Collects rows of the same columns. */
export class CopyText {
  readonly columns: readonly string[];
  readonly #refuse: Refuse;
  readonly #chunks: Uint8Array[] = [];
  readonly #origins: number[] = [];
  /** Lines of the chunk that grows, and the number of lines before it. */
  #text = '';
  #linesBefore = 0;

  constructor(columns: readonly string[], refuse: Refuse) {
    this.columns = columns;
    this.#refuse = refuse;
  }

  /** Adds a row as fields with tabs between them. */
  addLine(line: string, index: number): void {
    this.#text += line;
    this.#text += '\n';
    this.#origins.push(index);
    if (this.#text.length >= chunkLength) this.#endChunk();
  }

  /** Adds rows as lines, each with its end. */
  addLines(lines: string, indexes: readonly number[]): void {
    this.#text += lines;
    for (const index of indexes) this.#origins.push(index);
    if (this.#text.length >= chunkLength) this.#endChunk();
  }

  /** Adds a row as texts of its columns. */
  addTexts(texts: readonly (string | null)[], index: number): void {
    let line = '';
    for (let at = 0; at < texts.length; at++) {
      if (at > 0) line += '\t';
      line += copyField(texts[at] ?? null);
    }
    this.addLine(line, index);
  }

  /** Everything that was added. */
  rows(): CopyRows {
    this.#endChunk();
    return { columns: this.columns, chunks: this.#chunks, origins: this.#origins };
  }

  #endChunk(): void {
    const text = this.#text.isWellFormed() ? this.#text : this.#wellFormed();
    if (text !== '') this.#chunks.push(Buffer.from(text));
    this.#text = '';
    this.#linesBefore = this.#origins.length;
  }

  /** The lines without those that have no UTF-8 form. */
  #wellFormed(): string {
    const lines = this.#text.split(/(?<=\n)/);
    const origins = this.#origins.splice(this.#linesBefore);
    let text = '';
    for (const [at, index] of origins.entries()) {
      const line = lines[at] ?? '';
      if (!line.isWellFormed()) {
        this.#refuse(index, illFormed());
        continue;
      }
      text += line;
      this.#origins.push(index);
    }
    return text;
  }
}

function illFormed(): ConnectorError {
  return new ConnectorError('message_invalid', 'a text holds half of a surrogate pair, which has no UTF-8 form');
}
