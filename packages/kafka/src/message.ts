import {
  type Codec,
  type CodecName,
  ConnectorError,
  codecOf,
  createMessage,
  type Header,
  type Message,
  noHeaders,
  parseTemplate,
  toNullableBytes,
} from '@sluice/core/driver';
import type { OldRecord } from './connection/protocol.js';
import type { RecordCursor } from './records/record-cursor.js';

/**
 * The message of the record that a cursor has begun. Key, payload and header values are the record's own bytes: null is null,
 * empty bytes are empty bytes, and headers keep their order and repeats.
 *
 * @param time Milliseconds since the epoch; negative when neither the record nor its batch has one
 */
export function readMessage(cursor: RecordCursor, topic: string, time: number): Message {
  const key = cursor.nullableBytes();
  const payload = cursor.nullableBytes();
  return createMessage({ topic, key, payload, headers: readHeaders(cursor), timestamp: time < 0 ? undefined : time });
}

/** The message of a record of a format older than Kafka 0.11, which has no headers. */
export function oldMessage({ key, value: payload, timestamp }: OldRecord, topic: string): Message {
  const time = Number(timestamp ?? -1);
  return createMessage({ topic, key, payload, timestamp: time < 0 ? undefined : time });
}

function readHeaders(cursor: RecordCursor): readonly Header[] {
  const count = cursor.count();
  if (count <= 0) return noHeaders;
  const headers: Header[] = [];
  for (let index = 0; index < count; index++) headers.push([cursor.text(), cursor.nullableBytes()]);
  return headers;
}

/** Templates for the fields of a record. Left out, a field is the message's own. */
export interface RecordTemplates {
  readonly topic: string;
  readonly key?: string | undefined;
  readonly partition?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly timestamp?: string | undefined;
}

/** Gives the fields of a message's record. Each throws `message_invalid` when the message has not what it takes. */
export interface RecordFields {
  /** The topic when it is the same for every message. */
  readonly onlyTopic: string | undefined;
  topic(message: Message): string;
  key(message: Message): Uint8Array | null;
  value(message: Message): Uint8Array | null;
  headers(message: Message): readonly Header[];
  /** Undefined: the key decides. */
  partition(message: Message): number | undefined;
  /** Undefined: the time of writing. */
  timestamp(message: Message): number | undefined;
}

/**
 * @param codec What makes bytes of payloads that come as values, as they do when a template takes something out of them
 * @throws {ConnectorError} `config_invalid` when a template is wrong
 */
export function recordFields(
  { topic, key, partition, headers, timestamp }: RecordTemplates,
  codec: CodecName | Codec = 'json',
): RecordFields {
  const encoder = codecOf(codec);
  const render = (text: string): ((message: Message) => string) => {
    const template = parseTemplate(text);
    if (template.fields.length > 0) return (message) => template.render(message);
    const same = template.render(createMessage({}));
    return () => same;
  };
  const renderKey = key === undefined ? undefined : render(key);
  const renderPartition = partition === undefined ? undefined : render(partition);
  const renderTimestamp = timestamp === undefined ? undefined : render(timestamp);
  const topicTemplate = parseTemplate(topic);
  return {
    onlyTopic: topicTemplate.fields.length === 0 ? topicTemplate.render(createMessage({})) : undefined,
    topic: (message) => topicTemplate.render(message),
    key:
      renderKey === undefined
        ? (message) => toNullableBytes(message.key)
        : (message) => Buffer.from(renderKey(message)),
    value: (message) => (isStored(message.payload) ? message.payload : encoder.encode(message)),
    headers: headerFields(Object.entries(headers ?? {}).map(([name, text]) => [name, render(text)])),
    partition: renderPartition === undefined ? () => undefined : (message) => partitionNumber(renderPartition(message)),
    timestamp:
      renderTimestamp === undefined
        ? (message) => checkedTime(message.timestamp)
        : (message) => timeOf(renderTimestamp(message)),
  };
}

function headerFields(added: readonly (readonly [string, (message: Message) => string])[]): RecordFields['headers'] {
  if (added.length === 0) return (message) => message.headers;
  const names = new Set(added.map(([name]) => name));
  return (message) => [
    ...message.headers.filter(([name]) => !names.has(name)),
    ...added.map(([name, render]): Header => [name, render(message)]),
  ];
}

/** Whether a template takes something out of the payload, which then has to be a value. */
export function takesPayload({ topic, key, partition, headers, timestamp }: RecordTemplates): boolean {
  const templates = [topic, key, partition, timestamp, ...Object.values(headers ?? {})];
  return templates.some((text) => text !== undefined && parseTemplate(text).fields.includes('payload'));
}

function isStored(payload: Message['payload']): payload is Uint8Array | null {
  return payload === null || payload instanceof Uint8Array;
}

function partitionNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ConnectorError('message_invalid', `${JSON.stringify(text)} is not the number of a partition`);
}

function timeOf(text: string): number {
  const time = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isSafeInteger(time) && time >= 0) return time;
  throw new ConnectorError('message_invalid', `${JSON.stringify(text)} is neither milliseconds nor an ISO 8601 time`);
}

function checkedTime(timestamp: number | undefined): number | undefined {
  if (timestamp === undefined || (Number.isSafeInteger(timestamp) && timestamp >= 0)) return timestamp;
  // Sources may know fractions of a millisecond, which Kafka does not.
  const whole = Math.trunc(timestamp);
  if (Number.isSafeInteger(whole) && whole >= 0) return whole;
  throw new ConnectorError(
    'message_invalid',
    `the timestamp ${timestamp} is before 1970 or no time, which Kafka cannot hold`,
  );
}
