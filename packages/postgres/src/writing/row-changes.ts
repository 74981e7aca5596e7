import { ConnectorError, type Message } from '@sluice/core/driver';
import type { WriteMode } from '../sink-config.js';
import { type CopyRows, CopyText, type Refuse } from './copy-rows.js';
import { isFields } from './field-path.js';
import type { IsCanonical } from './key-spelling.js';
import { type ApplyStep, applyStep, type KeyedChange } from './keyed-changes.js';
import type { Row, RowReader, RowShape, RowShapes } from './row-reader.js';
import { type ShapeColumn, shapeColumns } from './shape-columns.js';
import { type TargetTable, writerOf } from './target-table.js';

/** Texts of columns, as the server reads them. */
export interface ColumnTexts {
  readonly columns: readonly string[];
  readonly texts: readonly (string | null)[];
}

/** What is done to a table, in this order. */
export type ChangeStep =
  | { readonly kind: 'truncate' }
  | ApplyStep
  /** A row gets another key, and keeps the columns that are not named. */
  | {
      readonly kind: 'move';
      readonly key: readonly (string | null)[];
      readonly row: ColumnTexts;
      readonly put: CopyRows;
    };

/** What {@link RowChanges} needs to know. */
export interface ChangesSetup {
  readonly table: TargetTable;
  /** Columns of the key. */
  readonly key: readonly string[];
  readonly mode: WriteMode;
  readonly reader: RowReader;
  readonly refuse: Refuse;
}

/** Turns messages, in order, into what is done to one table. Changes of the same key become one. */
export class RowChanges {
  readonly #table: TargetTable;
  readonly #key: readonly string[];
  readonly #isCanonical: readonly (IsCanonical | undefined)[];
  readonly #mode: WriteMode;
  readonly #reader: RowReader;
  readonly #shapes: RowShapes;
  readonly #refuse: Refuse;
  readonly #known = new Map<RowShape, WrittenShape>();
  readonly #steps: ChangeStep[] = [];
  #changes: KeyedChange[] = [];
  /** Whether keys that differ as texts may be the same for the server. */
  #hasSpellings = false;

  constructor({ table, key, mode, reader, refuse }: ChangesSetup) {
    this.#table = table;
    this.#key = key;
    this.#isCanonical = key.map((name) => table.columns.get(name)?.isCanonical);
    this.#mode = mode;
    this.#reader = reader;
    this.#shapes = reader.shapes;
    this.#refuse = refuse;
  }

  /** @throws {ConnectorError} `message_invalid` when the message says nothing that can be done */
  add(message: Message, index: number): void {
    if (message.operation === 'truncate') this.#truncate();
    else if (message.payload === null) this.#delete(message, index);
    else this.#put(message, index);
  }

  /** Everything that was added. */
  steps(): readonly ChangeStep[] {
    this.#closeStep();
    return this.#steps;
  }

  #truncate(): void {
    if (this.#mode !== 'mirror')
      throw new ConnectorError(
        'message_invalid',
        'the table was emptied at its source, which only mode: mirror repeats',
      );
    // What came before does not matter any more.
    this.#reset();
    this.#steps.splice(0, this.#steps.length, { kind: 'truncate' });
  }

  #delete(message: Message, index: number): void {
    const key = this.#keyOf(this.#reader.readKey(message)) ?? this.#scalarKey(message) ?? this.#noKey();
    this.#change(key, { index, put: undefined });
  }

  #put(message: Message, index: number): void {
    const row = this.#reader.read(message);
    const written = this.#writtenOf(row.shape);
    const texts = textsOf(row, written);
    const key = keyOf(texts, written) ?? this.#noKey();
    const put = { shape: written.shape, texts };
    const oldKey = this.#oldKey(message);
    if (oldKey !== undefined && idOf(oldKey) !== idOf(key)) {
      this.#closeStep();
      const { columns } = put.shape;
      const row = new CopyText(columns, this.#refuse);
      row.addTexts(texts, index);
      this.#steps.push({ kind: 'move', key: oldKey, row: { columns, texts }, put: row.rows() });
      return;
    }
    this.#change(key, { index, put });
  }

  #change(key: readonly string[], change: Pick<KeyedChange, 'index' | 'put'>): void {
    this.#hasSpellings ||= !key.every((text, at) => this.#isCanonical[at]?.(text));
    this.#changes.push({ ...change, key, id: idOf(key) });
  }

  /** The key that the row had before, where a change of it is to be repeated. */
  #oldKey(message: Message): readonly string[] | undefined {
    if (this.#mode !== 'mirror' || message.operation !== 'update' || !isFields(message.before)) return undefined;
    return this.#keyOf(this.#reader.readKey(message));
  }

  #closeStep(): void {
    if (this.#changes.length === 0) return;
    const setup = { key: this.#key, shapes: this.#shapes, refuse: this.#refuse };
    this.#steps.push(applyStep(this.#changes, !this.#hasSpellings, setup));
    this.#reset();
  }

  #reset(): void {
    this.#changes = [];
    this.#hasSpellings = false;
  }

  /** Texts of the key's columns; undefined when the row lacks one of them. */
  #keyOf({ shape, values }: Row): readonly string[] | undefined {
    const key: string[] = [];
    for (const name of this.#key) {
      const column = this.#table.columns.get(name);
      const source = shape.columns.indexOf(name);
      const text = column && writerOf(column, shape.types?.[source])(values[source] ?? null);
      if (text === undefined || text === null) return undefined;
      key.push(text);
    }
    return key;
  }

  /** The message's own key, where the table's has one column. */
  #scalarKey({ key }: Message): readonly string[] | undefined {
    const [name, more] = this.#key;
    if (name === undefined || more !== undefined || key === null || isFields(key)) return undefined;
    const text = this.#table.columns.get(name)?.toText(key) ?? null;
    return text === null ? undefined : [text];
  }

  #noKey(): never {
    const columns = this.#key.map((name) => JSON.stringify(name)).join(', ');
    throw new ConnectorError(
      'message_invalid',
      `the message has no value for the key ${columns} of table ${this.#table.name}`,
    );
  }

  #writtenOf(shape: RowShape): WrittenShape {
    const known = this.#known.get(shape);
    if (known !== undefined) return known;
    const columns = shapeColumns(this.#table, shape);
    const names = columns.map(({ column }) => column.name);
    const written = { shape: this.#shapes.of(names), columns, keyAt: this.#key.map((name) => names.indexOf(name)) };
    this.#known.set(shape, written);
    return written;
  }
}

/** What of a shape is written, and where the key is in it. */
interface WrittenShape {
  readonly shape: RowShape;
  readonly columns: readonly ShapeColumn[];
  readonly keyAt: readonly number[];
}

function textsOf({ values }: Row, { columns }: WrittenShape): readonly (string | null)[] {
  const texts: (string | null)[] = [];
  for (const { source, toText } of columns) texts.push(toText(values[source] ?? null));
  return texts;
}

function keyOf(texts: readonly (string | null)[], { keyAt }: WrittenShape): readonly string[] | undefined {
  const key: string[] = [];
  for (const at of keyAt) {
    const text = texts[at] ?? null;
    if (text === null) return undefined;
    key.push(text);
  }
  return key;
}

/** One text for a key. */
function idOf(key: readonly string[]): string {
  const [only, more] = key;
  return only !== undefined && more === undefined ? only : JSON.stringify(key);
}
