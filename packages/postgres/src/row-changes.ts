import { ConnectorError, type Message } from '@sluice/core/driver';
import { type CopyRows, copyLine, type ShapeColumns, shapeColumns } from './copy-rows.js';
import { isFields } from './field-path.js';
import type { Row, RowReader, RowShape, RowShapes } from './row-reader.js';
import type { WriteMode } from './sink-config.js';
import type { TargetTable } from './target-table.js';

/** Texts of columns, as the server reads them. */
export interface ColumnTexts {
  readonly columns: readonly string[];
  readonly texts: readonly (string | null)[];
}

/** What is done to a table, in this order. */
export type ChangeStep =
  | { readonly kind: 'truncate' }
  /** At most one change for each key: first the deletes, then the rows, in groups that have the same columns. */
  | { readonly kind: 'apply'; readonly deletes: CopyRows | undefined; readonly puts: readonly CopyRows[] }
  /** A row gets another key, and keeps the columns that are not named. */
  | {
      readonly kind: 'move';
      readonly key: readonly (string | null)[];
      readonly row: ColumnTexts;
      readonly put: CopyRows;
    };

/** What becomes of the row of one key. */
interface Change {
  readonly key: readonly string[];
  readonly index: number;
  /** Whether what is there has to go, so that columns which are not named get their defaults. */
  readonly isDeleted: boolean;
  readonly put: { readonly shape: RowShape; readonly texts: readonly (string | null)[] } | undefined;
}

/** Turns messages, in order, into what is done to one table. Changes of the same key become one. */
export class RowChanges {
  readonly #table: TargetTable;
  readonly #key: readonly string[];
  readonly #mode: WriteMode;
  readonly #reader: RowReader;
  readonly #shapes: RowShapes;
  readonly #known = new Map<RowShape, WrittenShape>();
  readonly #steps: ChangeStep[] = [];
  #changes = new Map<string, Change>();

  constructor(table: TargetTable, key: readonly string[], mode: WriteMode, reader: RowReader) {
    this.#table = table;
    this.#key = key;
    this.#mode = mode;
    this.#reader = reader;
    this.#shapes = reader.shapes;
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
    this.#changes = new Map();
    this.#steps.splice(0, this.#steps.length, { kind: 'truncate' });
  }

  #delete(message: Message, index: number): void {
    const key = this.#keyOf(this.#reader.readKey(message)) ?? this.#scalarKey(message) ?? this.#noKey();
    this.#changes.set(idOf(key), { key, index, isDeleted: true, put: undefined });
  }

  #put(message: Message, index: number): void {
    const row = this.#reader.read(message);
    const written = this.#writtenOf(row.shape);
    const texts = textsOf(row, written);
    const key = keyOf(texts, written) ?? this.#noKey();
    const put = { shape: written.shape, texts };
    const oldKey = this.#oldKey(message);
    const id = idOf(key);
    if (oldKey !== undefined && idOf(oldKey) !== id) {
      this.#closeStep();
      const lines = { columns: put.shape.columns, lines: [copyLine(put.texts)], origins: [index] };
      this.#steps.push({
        kind: 'move',
        key: oldKey,
        row: { columns: put.shape.columns, texts: put.texts },
        put: lines,
      });
      return;
    }
    const earlier = this.#changes.get(id);
    this.#changes.set(id, {
      key,
      index,
      isDeleted: earlier?.isDeleted ?? false,
      put: earlier?.put === undefined ? put : this.#merged(earlier.put, put),
    });
  }

  /** The key that the row had before, where a change of it is to be repeated. */
  #oldKey(message: Message): readonly string[] | undefined {
    if (this.#mode !== 'mirror' || message.operation !== 'update' || !isFields(message.before)) return undefined;
    return this.#keyOf(this.#reader.readKey(message));
  }

  #merged(earlier: NonNullable<Change['put']>, later: NonNullable<Change['put']>): NonNullable<Change['put']> {
    if (earlier.shape === later.shape) return later;
    const texts = new Map(earlier.shape.columns.map((column, at) => [column, earlier.texts[at] ?? null]));
    for (const [at, column] of later.shape.columns.entries()) texts.set(column, later.texts[at] ?? null);
    return { shape: this.#shapes.of([...texts.keys()]), texts: [...texts.values()] };
  }

  #closeStep(): void {
    if (this.#changes.size === 0) return;
    const deleted = [...this.#changes.values()].filter(({ isDeleted }) => isDeleted);
    const puts = new Map<RowShape, { columns: readonly string[]; lines: string[]; origins: number[] }>();
    for (const { put, index } of this.#changes.values()) {
      if (put === undefined) continue;
      const group = puts.get(put.shape) ?? { columns: put.shape.columns, lines: [], origins: [] };
      puts.set(put.shape, group);
      group.lines.push(copyLine(put.texts));
      group.origins.push(index);
    }
    const deletes = {
      columns: this.#key,
      lines: deleted.map(({ key }) => copyLine(key)),
      origins: deleted.map(({ index }) => index),
    };
    this.#steps.push({
      kind: 'apply',
      deletes: deleted.length === 0 ? undefined : deletes,
      puts: [...puts.values()],
    });
    this.#changes = new Map();
  }

  /** Texts of the key's columns; undefined when the row lacks one of them. */
  #keyOf({ shape, values }: Row): readonly string[] | undefined {
    const key: string[] = [];
    for (const name of this.#key) {
      const text = this.#table.columns.get(name)?.toText(values[shape.columns.indexOf(name)] ?? null) ?? null;
      if (text === null) return undefined;
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
    const { columns, sources } = shapeColumns(this.#table, shape);
    const names = columns.map(({ name }) => name);
    const isWhole = names.length === shape.columns.length;
    const written = {
      shape: isWhole ? shape : this.#shapes.of(names),
      columns,
      sources,
      keyAt: this.#key.map((name) => names.indexOf(name)),
    };
    this.#known.set(shape, written);
    return written;
  }
}

/** What of a shape is written, and where the key is in it. */
interface WrittenShape extends ShapeColumns {
  readonly shape: RowShape;
  readonly keyAt: readonly number[];
}

function textsOf(row: Row, { columns, sources }: WrittenShape): readonly (string | null)[] {
  const texts: (string | null)[] = [];
  for (let at = 0; at < columns.length; at++) {
    texts.push(columns[at]?.toText(row.values[sources[at] ?? -1] ?? null) ?? null);
  }
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
