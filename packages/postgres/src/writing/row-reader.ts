import { ConnectorError, type Message, type MessageSchema, type Value } from '@sluice/core/driver';
import { type FieldReader, fieldReader, isFields, schemaField } from './field-path.js';

/** The columns that a row has, one shared object for all rows that have the same. */
export interface RowShape {
  readonly columns: readonly string[];
  /** What the message's schema says that the values are, in the words of their source; undefined where it says nothing. */
  readonly types?: readonly (string | undefined)[];
}

/** What a message puts into a table: a value for each column of its shape. */
export interface Row {
  readonly shape: RowShape;
  readonly values: readonly Value[];
}

/** Finds the one object for a list of columns with their types. */
export class RowShapes {
  readonly #known = new Map<string, RowShape>();
  #last: RowShape = { columns: [] };
  #lastSchema: MessageSchema | undefined;

  /** @param fieldOf the field of the schema that a column gets */
  of(
    columns: readonly string[],
    schema?: MessageSchema,
    fieldOf: (column: string) => string | undefined = (column) => column,
  ): RowShape {
    // The messages of a table mostly look alike.
    if (schema === this.#lastSchema && isSame(columns, this.#last.columns)) return this.#last;
    const fields = new Map(schema?.fields.map(({ name, type }) => [name, type]));
    const types = schema && columns.map((column) => fields.get(fieldOf(column) ?? ''));
    const id = JSON.stringify([columns, types]);
    const shape = this.#known.get(id) ?? { columns, ...(types === undefined ? {} : { types }) };
    this.#known.set(id, shape);
    this.#last = shape;
    this.#lastSchema = schema;
    return shape;
  }
}

/** Takes rows out of messages, by the mapping of the config, or field by field. */
export class RowReader {
  readonly shapes: RowShapes = new RowShapes();
  /** Where each column comes from; undefined: from the fields of the payload. */
  readonly readers: readonly FieldReader[] | undefined;
  readonly #columns: readonly string[];
  readonly #fields: ReadonlyMap<string, string | undefined> | undefined;

  constructor(columns: Readonly<Record<string, string>> | undefined) {
    this.#columns = Object.keys(columns ?? {});
    this.readers = this.#columns.length === 0 ? undefined : Object.values(columns ?? {}).map(fieldReader);
    this.#fields = columns && new Map(Object.entries(columns).map(([column, path]) => [column, schemaField(path)]));
  }

  /** The field of the message's schema that a column gets. An arrow function, because it is handed on. */
  readonly fieldOf = (column: string): string | undefined => (this.#fields ? this.#fields.get(column) : column);

  /**
   * The row of a message. Fields that it does not have are not in the row.
   *
   * @throws {ConnectorError} `message_invalid` when the payload is not an object and no mapping says what to do with it
   */
  read(message: Message): Row {
    if (this.readers === undefined) return this.#fieldsOf(message.payload, message.schema);
    const values: Value[] = [];
    const absent: number[] = [];
    for (const [index, reader] of this.readers.entries()) {
      const value = reader(message);
      if (value === undefined) absent.push(index);
      else values.push(value);
    }
    const columns = absent.length === 0 ? this.#columns : this.#columns.filter((_, index) => !absent.includes(index));
    return { shape: this.shapes.of(columns, message.schema, this.fieldOf), values };
  }

  /** The row of a message that has no payload: from `before`, or else from a key with fields. */
  readKey(message: Message): Row {
    const { before, key, schema } = message;
    const payload = isFields(before) ? before : isFields(key) ? key : null;
    if (this.readers !== undefined) return this.read({ ...message, payload, key: earlier(key, before) });
    return payload === null ? { shape: this.shapes.of([]), values: [] } : this.#fieldsOf(payload, schema);
  }

  #fieldsOf(payload: Value, schema: MessageSchema | undefined): Row {
    if (isFields(payload) && !Array.isArray(payload))
      return { shape: this.shapes.of(Object.keys(payload), schema), values: Object.values(payload) };
    const what =
      payload === null ? 'it is null' : payload instanceof Uint8Array ? 'it is bytes' : 'it is not an object';
    throw new ConnectorError(
      'message_invalid',
      `the payload has no fields for columns: ${what}. Set columns (for example { data: payload }), or a codec`,
    );
  }
}

/** The key that a row had before a change, as far as that is told. */
function earlier(key: Value, before: Value | undefined): Value {
  if (!isFields(key) || !isFields(before)) return key;
  return Object.fromEntries(Object.entries(key).map(([name, value]) => [name, before[name] ?? value]));
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}
