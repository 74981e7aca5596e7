import type { Value } from '@sluice/core/driver';
import { parse as parseArray } from 'postgres-array';

/** Makes a value of a column's text. */
export type Convert = (text: string) => Value;

/** A row of the server's catalog of types, as {@link typesSql} gives it. */
export interface CatalogType {
  readonly id: number;
  /** Type of the elements of an array. */
  readonly element: number | null;
  /** What a domain is made of. */
  readonly base: number | null;
  readonly delimiter: string;
}

/** Asks for the types with the ids in `$1`, and for those that they are made of. */
export const typesSql = `
  with recursive wanted(id, element, base, delimiter) as (
    select oid, case when typinput = 'pg_catalog.array_in'::regproc then typelem end, nullif(typbasetype, 0), typdelim
    from pg_catalog.pg_type where oid = any($1::oid[])
    union
    select oid, case when typinput = 'pg_catalog.array_in'::regproc then typelem end, nullif(typbasetype, 0), typdelim
    from wanted join pg_catalog.pg_type on oid in (element, base)
  )
  select id::int8::float8 as id, element::int8::float8 as element, base::int8::float8 as base, delimiter from wanted`;

/**
 * What the text of a column depends on, set for every session whose text is converted: the rest of a server's settings changes
 * nothing that {@link converterOf} reads.
 */
export const textSettings: Readonly<Record<string, string>> = {
  datestyle: 'ISO, YMD',
  intervalstyle: 'iso_8601',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '3',
  lc_monetary: 'C',
};

const asText: Convert = (text) => text;

/** By the ids of the built-in types, which never change. A type that is not here stays the text that Postgres writes. */
const builtIn: ReadonlyMap<number, Convert> = new Map<number, Convert>([
  [16, (text) => text === 't'], // boolean
  [17, (text) => Buffer.from(text.slice(2), 'hex')], // bytea
  [20, toInteger], // bigint
  [21, Number], // smallint
  [23, Number], // integer
  [26, Number], // oid
  [700, Number], // real; Number knows NaN and Infinity as Postgres writes them
  [701, Number], // double precision
  [1114, toIsoTime], // timestamp
  [1184, toIsoTime], // timestamp with time zone
]);

/**
 * How the text of a type becomes a value, without loss: converting the value back gives the same text.
 *
 * @param types the type and all that it is made of; a type that has been dropped since is missing and stays text
 */
export function converterOf(id: number, types: ReadonlyMap<number, CatalogType>): Convert {
  const known = builtIn.get(id);
  if (known !== undefined) return known;
  const type = types.get(id);
  if (type === undefined) return asText;
  if (type.base !== null) return converterOf(type.base, types);
  if (type.element === null || type.delimiter !== ',' || isArray(type.element, types)) return asText;
  const convert = converterOf(type.element, types);
  return (text) => toArray(text, convert);
}

/** Of domains that are arrays there are arrays whose elements cannot be told from further dimensions. */
function isArray(id: number, types: ReadonlyMap<number, CatalogType>): boolean {
  const type = types.get(id);
  return type !== undefined && (type.base === null ? type.element !== null : isArray(type.base, types));
}

/** An array whose indexes do not begin at 1 says so in its text, which no value of ours can: it stays text. */
function toArray(text: string, convert: Convert): Value {
  if (!text.startsWith('{')) return text;
  // An element is converted unless it is NULL.
  return parseArray(text, convert) as Value; // the library's type knows no NULL
}

function toInteger(text: string): Value {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

/** `2026-01-02 03:04:05.678901+00` as ISO 8601 has it; `infinity` and years before Christ have no such form. */
function toIsoTime(text: string): Value {
  if (text.charCodeAt(text.length - 1) === letterC || text.endsWith('infinity')) return text;
  const iso = text.replace(' ', 'T');
  return iso.endsWith('+00') ? `${iso.slice(0, -3)}Z` : iso;
}

const letterC = 0x43;
