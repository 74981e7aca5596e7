import type { Message, Value } from '@sluice/core/driver';
import { plainText, type ToText } from './column-text.js';
import { chunkLength, copyField, nullField, special } from './copy-rows.js';
import type { FieldReader } from './field-path.js';

/** How messages become rows that have all of these columns, in this order. */
export interface AlikeRows {
  readonly columns: readonly string[];
  /** Where each column comes from; undefined: from the field of its name, and there are no others. */
  readonly readers: readonly FieldReader[] | undefined;
  readonly toTexts: readonly ToText[];
  /** A text needed an escape, so others may. */
  hasSpecial: boolean;
}

/** Rows as lines, and the index of the last message among them. */
export interface AlikeLines {
  readonly text: string;
  readonly last: number;
}

/**
 * The lines of the messages behind a message, as many as are like it and have nothing wrong with them, and of about one chunk at the
 * most. Most texts need no escape, so that is asked once for all of them.
 */
export function alikeLines(messages: readonly Message[], behind: number, rows: AlikeRows): AlikeLines {
  if (!rows.hasSpecial) {
    const lines = new Lines(rows);
    const last = addAll(lines, messages, behind);
    if (!special.test(lines.unescaped)) return { text: lines.text, last };
    rows.hasSpecial = true;
  }
  const lines = new Lines(rows);
  const last = addAll(lines, messages, behind);
  return { text: lines.text, last };
}

function addAll(lines: Lines, messages: readonly Message[], behind: number): number {
  const schema = messages[behind]?.schema;
  let last = behind;
  try {
    while (last + 1 < messages.length && lines.text.length < chunkLength) {
      const message = messages[last + 1] as Message; // there is one
      if (message.schema !== schema || !lines.add(message)) break;
      last++;
    }
  } catch {
    // What is wrong with a message is said where it is written by itself.
  }
  return last;
}

interface Fields {
  readonly [name: string]: Value;
}

function isPlainObject(value: Value): value is Fields {
  return value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Grows by a line for each row. What is done here is done for every value of a stream. */
class Lines {
  text = '';
  /** Texts that got no escape and may need one. */
  unescaped = '';
  #line = '';
  #lineUnescaped = '';
  readonly #rows: AlikeRows;

  constructor(rows: AlikeRows) {
    this.#rows = rows;
  }

  /** Returns false, and adds nothing, when these are not the columns. */
  add(message: Message): boolean {
    this.#line = '';
    this.#lineUnescaped = '';
    const { readers } = this.#rows;
    const isLine = readers === undefined ? this.#addFields(message.payload) : this.#addRead(message, readers);
    if (!isLine) return false;
    this.text += `${this.#line}\n`;
    this.unescaped += this.#lineUnescaped;
    return true;
  }

  #addRead(message: Message, readers: readonly FieldReader[]): boolean {
    for (let at = 0; at < readers.length; at++) {
      const value = (readers[at] as FieldReader)(message); // at is below length
      if (value === undefined) return false;
      this.#addValue(value, at);
    }
    return true;
  }

  #addFields(payload: Value): boolean {
    if (!isPlainObject(payload)) return false;
    const { columns } = this.#rows;
    let at = 0;
    // Costs a fraction of a list of the names. An inherited one is not among the columns, or too many.
    for (const name in payload) {
      if (name !== columns[at]) return false;
      this.#addValue(payload[name] ?? null, at++);
    }
    return at === columns.length;
  }

  #addValue(value: Value, at: number): void {
    const { toTexts, hasSpecial } = this.#rows;
    const toText = toTexts[at] as ToText; // one for each column
    const isPlain = toText === plainText;
    if (at > 0) this.#line += '\t';
    if (isPlain && typeof value === 'number') {
      this.#line += plainText(value); // Nothing in a number is special.
      return;
    }
    const text = isPlain && typeof value === 'string' ? value : toText(value);
    if (text === null) this.#line += nullField;
    else if (hasSpecial) this.#line += copyField(text);
    else {
      this.#line += text;
      this.#lineUnescaped += text;
    }
  }
}
