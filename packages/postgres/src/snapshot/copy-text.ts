import type { Tuple } from '../changes/pgoutput.js';

const newline = 0x0a;

/** Cuts what COPY sends in its text format into texts of whole rows, wherever the network has cut it. */
export class CopyTexts {
  #rest: Buffer | undefined;

  /** The rows that are whole now, each with its newline. */
  add(chunk: Buffer): string {
    const all = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = all.lastIndexOf(newline) + 1;
    this.#rest = end === all.length ? undefined : all.subarray(end);
    return all.toString('utf8', 0, end);
  }
}

/**
 * Takes the rows out of such a text, one after the other. Whoever looks for one tab after the other needs a third of the time of
 * `split`.
 *
 * @see https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2
 */
export class CopyRows {
  /** Characters of the row that was taken last. */
  length = 0;
  readonly #text: string;
  readonly #columns: number;
  readonly #hasEscapes: boolean;
  #at = 0;

  constructor(text: string, columns: number) {
    this.#text = text;
    this.#columns = columns;
    this.#hasEscapes = text.includes('\\');
  }

  /** The values of the next row, by column; null is NULL. Undefined behind the last row. */
  next(): Tuple | undefined {
    if (this.#at === this.#text.length) return undefined;
    const values = new Array<string>(this.#columns); // of its final size: one that grows takes more than it needs
    let from = this.#at;
    for (let column = 0; column < values.length - 1; column++) {
      const tab = this.#text.indexOf('\t', from);
      values[column] = this.#text.substring(from, tab);
      from = tab + 1;
    }
    const end = this.#text.indexOf('\n', from);
    // A row of no columns and a row of one empty text look alike.
    if (values.length > 0) values[values.length - 1] = this.#text.substring(from, end);
    this.length = end - this.#at;
    this.#at = end + 1;
    return this.#hasEscapes ? values.map(unescaped) : values;
  }
}

const letters: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function unescaped(text: string): string | null {
  if (!text.includes('\\')) return text;
  if (text === '\\N') return null;
  return text.replaceAll(/\\(.)/g, (_, letter: string) => letters[letter] ?? letter);
}
