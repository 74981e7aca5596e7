import { ConnectorError } from '../error.js';
import type { Message, Operation, Value } from '../message.js';
import { fromBase64 } from './base64.js';
import type { Codec } from './codec.js';
import { decodeError, encodeError } from './codec-error.js';
import { jsonText, parseJson } from './json.js';

/**
 * A message as one JSON object, so that what happened to a row survives a place that holds nothing but payloads:
 *
 * `{"operation":"update","topic":"orders","key":{"id":7},"before":{…},"after":{…},"timestamp":1732147200000,"schema":"public.orders"}`
 *
 * `after` is the payload, null for a delete, and always there; `operation`, `topic`, `before`, `timestamp` and `schema` (its name
 * only) are there when the message has them. Values are written as the JSON codec does; where key, before or after is bytes as a
 * whole, `base64` lists it (`"base64":["key"]`) and it comes back as bytes. Headers and the fields of the schema are not kept.
 */
export const changeCodec: Codec = {
  name: 'change',
  keepsChanges: true,
  encodesBytes: true,
  decode(bytes, message) {
    return decodeChange(bytes, message).payload;
  },
  decodeMessage: decodeChange,
  encode(message) {
    try {
      return Buffer.from(jsonText(envelopeOf(message)));
    } catch (error) {
      throw encodeError('change', error);
    }
  },
};

type Envelope = { readonly [name: string]: Value };

const operations: ReadonlySet<unknown> = new Set<Operation>(['create', 'update', 'delete', 'truncate', 'snapshot']);

function envelopeOf(message: Message): Envelope {
  const { operation, topic, key, before, payload, timestamp, schema } = message;
  const base64 = [
    ...(key instanceof Uint8Array ? ['key'] : []),
    ...(before instanceof Uint8Array ? ['before'] : []),
    ...(payload instanceof Uint8Array ? ['after'] : []),
  ];
  return {
    ...(operation === undefined ? {} : { operation }),
    ...(topic === undefined ? {} : { topic }),
    key,
    ...(before === undefined ? {} : { before }),
    after: payload,
    ...(timestamp === undefined ? {} : { timestamp }),
    ...(schema === undefined ? {} : { schema: schema.name }),
    ...(base64.length === 0 ? {} : { base64 }),
  };
}

function decodeChange(bytes: Uint8Array, message: Message): Message {
  try {
    return messageOfEnvelope(parseJson(bytes), message);
  } catch (error) {
    throw decodeError('change', error, bytes);
  }
}

/** The envelope's fields, and of `message` what the envelope does not have. */
function messageOfEnvelope(envelope: Value, message: Message): Message {
  if (!isEnvelope(envelope)) throw invalid('it is not an object with "after", so not a change');
  const { operation, topic, timestamp } = envelopeFields(envelope);
  return {
    topic: topic ?? message.topic,
    key: 'key' in envelope ? fieldValue(envelope, 'key') : message.key,
    payload: fieldValue(envelope, 'after'),
    headers: message.headers,
    timestamp: timestamp ?? message.timestamp,
    operation: operation ?? message.operation,
    before: 'before' in envelope ? fieldValue(envelope, 'before') : message.before,
    schema: message.schema,
  };
}

function envelopeFields(envelope: Envelope): Pick<Message, 'operation' | 'topic' | 'timestamp'> {
  const { operation, topic, timestamp } = envelope;
  if (operation !== undefined && !operations.has(operation)) {
    throw invalid(`"operation" is not one of ${[...operations].join(', ')}`);
  }
  if (topic !== undefined && typeof topic !== 'string') throw invalid('"topic" is not a string');
  if (timestamp !== undefined && typeof timestamp !== 'number') {
    throw invalid('"timestamp" is not a number of milliseconds');
  }
  return { operation: operation as Operation | undefined, topic, timestamp }; // Checked against the list above.
}

function fieldValue(envelope: Envelope, name: 'key' | 'before' | 'after'): Value {
  const value = envelope[name] ?? null;
  const { base64 } = envelope;
  if (!Array.isArray(base64) || !base64.includes(name)) return value;
  if (typeof value !== 'string') throw invalid(`"${name}" is listed in "base64" and is not a string`);
  return fromBase64(value);
}

function isEnvelope(value: Value): value is Envelope {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, 'after');
}

function invalid(reason: string): ConnectorError {
  return new ConnectorError('message_invalid', reason);
}
