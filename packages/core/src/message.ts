/**
 * Anything a payload, key or header can hold once it is decoded. Bytes are `Uint8Array` (a Node `Buffer` is one); 64-bit
 * integers that do not fit a number are `bigint`.
 */
export type Value =
  | null
  | boolean
  | number
  | string
  | bigint
  | Date
  | Uint8Array
  | readonly Value[]
  | { readonly [name: string]: Value };

/** One header. Names may repeat, and the order is that of the outside system. */
export type Header = readonly [name: string, value: Value];

/** What happened to a row or document. `snapshot` is a row as it was when the reading began. */
export type Operation = 'create' | 'update' | 'delete' | 'truncate' | 'snapshot';

/** One field of a {@link MessageSchema}. `type` is the outside system's own name for it. */
export interface SchemaField {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
}

/** The fields of a table or type. All messages of one version share one object, so comparing by identity is enough. */
export interface MessageSchema {
  readonly name: string;
  readonly fields: readonly SchemaField[];
  /** Names of the fields that identify a row, in the order of the key; empty when there is no key. */
  readonly key: readonly string[];
}

/**
 * One immutable unit of data. Every message has every field, in this order, because the hot path depends on one object
 * shape: make messages with {@link createMessage} or {@link withPayload}, not with a literal of your own.
 */
export interface Message {
  /** Where it belongs outside: a topic, stream, table, routing key or object key. */
  readonly topic: string | undefined;
  /** Bytes, a value, or null when there is none. */
  readonly key: Value;
  /** Bytes, a value, or null. Null is absence: with a key it means delete, and empty bytes are not null. */
  readonly payload: Value;
  /** Name and value pairs, repeats kept. {@link noHeaders} when there are none. */
  readonly headers: readonly Header[];
  /** Milliseconds since the epoch, as the outside system gave it; undefined when it gave none. */
  readonly timestamp: number | undefined;
  /** Set for row changes, undefined for plain messages. */
  readonly operation: Operation | undefined;
  /** The row as it was before an update or delete, as far as the outside system tells. */
  readonly before: Value | undefined;
  readonly schema: MessageSchema | undefined;
}

/** The one empty header list that all messages without headers share. */
export const noHeaders: readonly Header[] = Object.freeze([]);

/** Makes a message; fields that are left out get their empty value (null for key and payload). */
export function createMessage(fields: Partial<Message>): Message {
  return {
    topic: fields.topic,
    key: fields.key ?? null,
    payload: fields.payload ?? null,
    headers: fields.headers ?? noHeaders,
    timestamp: fields.timestamp,
    operation: fields.operation,
    before: fields.before,
    schema: fields.schema,
  };
}

/** The same message with another payload. */
export function withPayload(message: Message, payload: Value): Message {
  return {
    topic: message.topic,
    key: message.key,
    payload,
    headers: message.headers,
    timestamp: message.timestamp,
    operation: message.operation,
    before: message.before,
    schema: message.schema,
  };
}
