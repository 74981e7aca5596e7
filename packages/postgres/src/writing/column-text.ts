import { ConnectorError, textOf, type Value } from '@sluice/core/driver';

/** What of a column's type decides how a value is written; the server reads everything else from its text. */
export type ColumnKind = 'json' | 'json text' | 'bytes' | 'time' | 'plain';

/** Writes a value as the text that the server reads for a type; null for null. */
export type ToText = (value: Value) => string | null;

/**
 * The writer for a column: `isArray` when it holds arrays of that kind.
 *
 * The server parses the text, so that whatever a type accepts as text may come as a string: numbers without loss, ranges, enums,
 * addresses, literals of arrays and composite types.
 */
export function textWriter(kind: ColumnKind, isArray: boolean): ToText {
  const one = writers[kind];
  if (!isArray) return one;
  // An array among JSON items is one of them, and elsewhere a further dimension.
  return (value) => (Array.isArray(value) ? arrayText(value, one, kind !== 'json') : one(value));
}

const writers: Readonly<Record<ColumnKind, ToText>> = {
  json: jsonText,
  // A text is JSON already, digit by digit.
  'json text': (value) => (typeof value === 'string' ? value : jsonText(value)),
  bytes: (value) => {
    if (value === null) return null;
    const bytes = value instanceof Uint8Array ? value : Buffer.from(textOf(value));
    return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`;
  },
  // A number is a time as messages have it: milliseconds since the epoch.
  time: (value) => (typeof value === 'number' && Number.isFinite(value) ? timeText(new Date(value)) : plainText(value)),
  plain: plainText,
};

function jsonText(value: Value): string | null {
  if (value === null) return null;
  // Bytes are JSON already; anything else is written by the rules of the JSON codec.
  return value instanceof Uint8Array ? textOf(value) : textOf([value]).slice(1, -1);
}

/** A value of a type that needs no rules of its own. */
export function plainText(value: Value): string | null {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      return Object.is(value, -0) ? '-0' : `${value}`; // twice as fast as String()
    case 'object':
      if (value === null) return null;
      return value instanceof Date ? timeText(value) : textOf(value);
    default:
      return String(value);
  }
}

/** ISO 8601, with the years that it has no place for as Postgres writes them. */
function timeText(date: Date): string {
  const time = date.getTime();
  if (Number.isNaN(time)) throw new ConnectorError('message_invalid', 'the date is not a valid one');
  const text = date.toISOString();
  if (text.length === 24) return text;
  const year = date.getUTCFullYear();
  const rest = text.slice(7);
  // There is no year 0: ISO's 0 is 1 BC.
  return year > 0 ? `${year}${rest}` : `${String(1 - year).padStart(4, '0')}${rest} BC`;
}

/** The literal of an array: `{"1",NULL,"a,b"}`. */
function arrayText(items: readonly Value[], one: ToText, hasDimensions: boolean): string {
  const texts = items.map((item) => {
    if (hasDimensions && Array.isArray(item)) return arrayText(item, one, true);
    const text = one(item);
    return text === null ? 'NULL' : `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
  });
  return `{${texts.join(',')}}`;
}
