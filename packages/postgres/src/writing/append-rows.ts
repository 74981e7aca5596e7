import { type AlikeRows, alikeLines } from './alike-rows.js';
import type { ToText } from './column-text.js';
import { type CopyRows, CopyText, nullField, type Refuse, valueField } from './copy-rows.js';
import type { FieldReader } from './field-path.js';
import type { Row, RowShape } from './row-reader.js';
import { type ShapeColumn, shapeColumns } from './shape-columns.js';
import type { Messages } from './tables.js';
import type { TargetTable } from './target-table.js';

/** Rows that are copied straight into their table. */
export interface AppendStep {
  readonly kind: 'append';
  readonly rows: CopyRows;
}

/** Rows that name the same of the columns that have a default. */
interface Group {
  /** The COPY that they go into; another one once a row brings a further column. */
  text: CopyText;
}

/** How rows of a shape are written. */
interface Writing {
  readonly group: Group;
  readonly text: CopyText;
  readonly fields: readonly Field[];
  /** Undefined where columns and values are not the same in the same order. */
  readonly alike: AlikeRows | undefined;
}

/** A column of the COPY: where its value is in a row, −1 for nowhere, and how it is written. */
interface Field {
  readonly source: number;
  readonly toText: ToText;
}

/**
 * Turns rows, in order, into as few COPYs as there can be: a row without a value for a column that has a default must not name
 * it, and for all other columns no value is the same as NULL.
 */
export class AppendRows {
  readonly #table: TargetTable;
  readonly #refuse: Refuse;
  readonly #readers: readonly FieldReader[] | undefined;
  readonly #texts: CopyText[] = [];
  readonly #groups = new Map<string, Group>();
  readonly #writings = new Map<RowShape, Writing>();
  #last: Writing | undefined;

  /** @param readers where each column comes from, if not from the field of its name */
  constructor(table: TargetTable, refuse: Refuse, readers: readonly FieldReader[] | undefined) {
    this.#table = table;
    this.#refuse = refuse;
    this.#readers = readers;
  }

  /** @throws {ConnectorError} `message_invalid` when the table lacks a column, or a value has no text */
  add({ shape, values }: Row, index: number): void {
    this.#last = this.#writingOf(shape);
    const { text, fields } = this.#last;
    let line = '';
    for (let at = 0; at < fields.length; at++) {
      if (at > 0) line += '\t';
      const field = fields[at];
      const value = values[field?.source ?? -1];
      line += field === undefined || value === undefined ? nullField : valueField(value, field.toText);
    }
    text.addLine(line, index);
  }

  /**
   * Adds the messages behind the one that was added last, `last`, as long as they are like it and have all columns.
   * Says which is the last one now.
   */
  addAlike({ messages, indexes }: Messages, last: number): number {
    const { alike, text } = this.#last ?? {};
    if (alike === undefined) return last;
    for (let at = last; ; ) {
      const lines = alikeLines(messages, at, alike);
      if (lines.last === at) return at;
      text?.addLines(lines.text, indexes.slice(at + 1, lines.last + 1));
      at = lines.last;
    }
  }

  /** Everything that was added. */
  steps(): readonly AppendStep[] {
    return this.#texts
      .map((text) => ({ kind: 'append' as const, rows: text.rows() }))
      .filter(({ rows }) => rows.origins.length > 0);
  }

  #writingOf(shape: RowShape): Writing {
    const known = this.#writings.get(shape);
    if (known !== undefined && known.text === known.group.text) return known;
    const columns = shapeColumns(this.#table, shape);
    const group = this.#groupOf(columns);
    const bySource = new Map(columns.map((each) => [each.column.name, each]));
    const fields = group.text.columns.map((name): Field => bySource.get(name) ?? { source: -1, toText: () => null });
    const { columns: names } = shape;
    const readers = this.#readers;
    const isWhole =
      fields.length === (readers ?? names).length &&
      fields.length === names.length &&
      fields.every(({ source }, at) => source === at);
    const toTexts = fields.map(({ toText }) => toText);
    const alike = isWhole ? { columns: names, readers, toTexts, hasSpecial: false } : undefined;
    const writing = { group, text: group.text, fields, alike };
    this.#writings.set(shape, writing);
    return writing;
  }

  #groupOf(columns: readonly ShapeColumn[]): Group {
    const names = columns.map(({ column }) => column.name);
    const id = JSON.stringify(
      columns
        .filter(({ column }) => column.hasDefault)
        .map(({ column }) => column.name)
        .sort(),
    );
    const group = this.#groups.get(id);
    if (group === undefined) {
      const made = { text: this.#newText(names) };
      this.#groups.set(id, made);
      return made;
    }
    const all = [...new Set([...group.text.columns, ...names])];
    if (all.length > group.text.columns.length) group.text = this.#newText(all);
    return group;
  }

  #newText(columns: readonly string[]): CopyText {
    const text = new CopyText(columns, this.#refuse);
    this.#texts.push(text);
    return text;
  }
}
