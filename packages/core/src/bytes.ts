import { asBuffer, utf8Text } from './byte-text.js';
import { jsonText } from './codec/json.js';
import { ConnectorError } from './error.js';
import type { Value } from './message.js';

/**
 * The bytes that stand for a value where a system takes nothing but bytes: a key, a header. Bytes stay as they are, everything
 * else is its {@link textOf} in UTF-8.
 *
 * @throws {ConnectorError} `message_invalid` for null, which has no bytes: where the system knows null, see {@link toNullableBytes}
 */
export function toBytes(value: Value): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(textOf(value));
}

/** {@link toBytes}, but null stays null. */
export function toNullableBytes(value: Value): Uint8Array | null {
  return value === null ? null : toBytes(value);
}

/**
 * The text that stands for a value where a system takes nothing but text: strings as they are, bytes as UTF-8, numbers, bigints
 * and booleans in digits and words, dates in ISO 8601, arrays and objects as the JSON codec writes them.
 *
 * @throws {ConnectorError} `message_invalid` for null, for bytes that are not UTF-8, for a string with half a surrogate pair,
 * and for what JSON cannot hold
 */
export function textOf(value: Value): string {
  if (typeof value === 'string') {
    if (value.isWellFormed()) return value;
    throw new ConnectorError('message_invalid', 'the string holds half of a surrogate pair, which has no UTF-8 form');
  }
  if (value instanceof Uint8Array) return utf8Text(asBuffer(value));
  if (value === null) throw new ConnectorError('message_invalid', 'null has neither bytes nor text');
  if (value instanceof Date) return isoText(value);
  return typeof value === 'object' ? jsonText(value) : String(value);
}

function isoText(date: Date): string {
  if (Number.isNaN(date.getTime())) throw new ConnectorError('message_invalid', 'the date is not a valid one');
  return date.toISOString();
}
