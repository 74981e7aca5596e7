import { asBuffer, utf8Text } from '../byte-text.js';
import type { Value } from '../message.js';
import type { Codec } from './codec.js';
import { decodeError, encodeError } from './codec-error.js';

/**
 * JSON text. Decoding is strict UTF-8 (a byte order mark is dropped) and keeps integers exact: one that does not fit a number
 * becomes a bigint. Encoding writes what JSON lacks as strings: bigints in digits, bytes as base64, dates in ISO 8601, and NaN,
 * Infinity and -Infinity by name. They come back as strings.
 */
export const jsonCodec: Codec = {
  name: 'json',
  keepsChanges: false,
  decode(bytes) {
    try {
      return parseJson(bytes);
    } catch (error) {
      throw decodeError('json', error, bytes);
    }
  },
  encode(message) {
    try {
      return Buffer.from(jsonText(message.payload));
    } catch (error) {
      throw encodeError('json', error);
    }
  },
};

/**
 * A value as JSON text, by the rules of {@link jsonCodec}.
 *
 * @throws {RangeError} for an invalid date and for a value that contains itself
 */
export function jsonText(value: Value): string {
  // A replacer would more than double the time, and Date.toJSON runs before it; looking first costs a tenth.
  return JSON.stringify(isPlain(value) ? value : toPlain(value));
}

/**
 * The value that JSON bytes stand for, by the rules of {@link jsonCodec}.
 *
 * @throws {SyntaxError} for what is not JSON
 * @throws {ConnectorError} `message_invalid` for what is not UTF-8
 */
export function parseJson(bytes: Uint8Array): Value {
  const text = utf8Text(bytes);
  const json = text.startsWith('\ufeff') ? text.slice(1) : text;
  // JSON.parse returns `any`; whatever it makes is a Value.
  return (hasLongInteger(asBuffer(bytes)) ? JSON.parse(json, exactInteger) : JSON.parse(json)) as Value;
}

/** Whether JSON.stringify by itself writes the value by our rules. */
function isPlain(value: Value): boolean {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value);
    case 'bigint':
      return false;
    case 'object':
      return value === null || isPlainObject(value);
    default:
      return true;
  }
}

function isPlainObject(value: object): boolean {
  if (Array.isArray(value)) {
    const items: readonly Value[] = value;
    for (let index = 0; index < items.length; index++) if (!isPlain(items[index] ?? null)) return false;
    return true;
  }
  // Dates and Buffers have toJSON, and one property is faster to look up than two prototype chains.
  if (ArrayBuffer.isView(value) || hasToJson(value)) return false;
  const fields = value as { readonly [name: string]: Value }; // The only kind of Value that is left.
  for (const name in fields) if (!isPlain(fields[name] ?? null)) return false;
  return true;
}

function toPlain(value: Value): Value {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return asBuffer(value).toString('base64');
  // toJSON of an invalid date is null, which would turn a broken value into an absent one.
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(toPlain);
  // Not a Value by type, but what database clients like to return (decimals, intervals); they know their text.
  if (hasToJson(value)) return toPlain(value.toJSON());
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toPlain(field)]));
}

function hasToJson(value: object): value is { toJSON(): Value } {
  return typeof (value as { toJSON?: unknown }).toJSON === 'function'; // Any object may have it; that is the question.
}

/** JSON.parse tells the text of each number since Node 21; TypeScript does not know yet. */
function exactInteger(_name: string, value: Value, context?: { readonly source?: string }): Value {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined || Number.isSafeInteger(value)) return value;
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/**
 * Whether there may be an integer beyond 2^53 (9,007,199,254,740,992, 16 digits). A run of 16 digits covers some offset that is
 * a multiple of 16 less one, so only every 16th byte needs a look; a regular expression takes as long as JSON.parse itself.
 */
function hasLongInteger(bytes: Buffer): boolean {
  for (let at = 15; at < bytes.length; at += 16) {
    if (!isDigit(bytes[at])) continue;
    let from = at;
    while (isDigit(bytes[from - 1])) from -= 1;
    let to = at + 1;
    while (isDigit(bytes[to])) to += 1;
    const isFraction = bytes[from - 1] === 0x2e;
    // 16 digits that begin below 9 fit: timestamps in microseconds should stay fast.
    if (!isFraction && (to - from > 16 || (to - from === 16 && bytes[from] === 0x39))) return true;
  }
  return false;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
