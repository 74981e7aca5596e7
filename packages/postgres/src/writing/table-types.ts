import type { MessageSchema, Value } from '@sluice/core/driver';
import type { Session } from './session.js';

/** Types of columns that are to be made, by their names; undefined while only nulls were seen. */
export type ColumnTypes = Map<string, string | undefined>;

/** The type for a value, undefined for null: any of its kind fits. */
export function typeOfValue(value: Value): string | undefined {
  switch (typeof value) {
    case 'boolean':
      return 'boolean';
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? 'bigint' : 'numeric';
    case 'number':
      return Number.isInteger(value) ? 'bigint' : 'double precision';
    case 'string':
      return 'text';
    default:
      if (value === null) return undefined;
      if (value instanceof Date) return 'timestamp with time zone';
      return value instanceof Uint8Array ? 'bytea' : 'jsonb';
  }
}

const numbers = ['bigint', 'double precision', 'numeric'];

/** A type that takes what both take. */
export function widened(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined || one === other) return one ?? other;
  if (one === 'jsonb' || other === 'jsonb') return 'jsonb';
  const [a, b] = [numbers.indexOf(one), numbers.indexOf(other)];
  return a < 0 || b < 0 ? 'text' : numbers[Math.max(a, b)];
}

/** What other systems call their types. */
const otherNames: Readonly<Record<string, string>> = {
  string: 'text',
  int16: 'smallint',
  int32: 'integer',
  int64: 'bigint',
  long: 'bigint',
  float32: 'real',
  float64: 'double precision',
  double: 'double precision',
  number: 'double precision',
  decimal: 'numeric',
  bytes: 'bytea',
  binary: 'bytea',
  datetime: 'timestamp with time zone',
  object: 'jsonb',
  array: 'jsonb',
};

/** The type of a schema's field as the server writes it; undefined when the server does not know it. */
export async function typeOfField(session: Session, schema: MessageSchema, name: string): Promise<string | undefined> {
  const field = schema.fields.find((each) => each.name === name);
  if (field === undefined || !/^["a-z_][\w ."(),[\]]*$/i.test(field.type)) return undefined;
  const known = otherNames[field.type.toLowerCase()] ?? field.type;
  // Only what the server has read and writes back becomes SQL.
  const { rows } = await session.query<{ type: string | null }>(
    `SELECT format_type(to_regtype($1), ${await modifier(session)}) AS type`,
    [known],
  );
  return rows[0]?.type ?? undefined;
}

/** `numeric(10,2)` keeps its digits since Postgres 17; before, the server tells only `numeric`. */
async function modifier(session: Session): Promise<string> {
  const { rows } = await session.query<{ version: number }>(
    "SELECT current_setting('server_version_num')::int AS version",
    [],
  );
  return (rows[0]?.version ?? 0) >= 170_000 ? 'to_regtypemod($1)' : 'NULL';
}
