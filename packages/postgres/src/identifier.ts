import { ConnectorError } from '@sluice/core/driver';

/** Quotes a name, so that it stands for itself in SQL: case, spaces, quotes and all. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes names and joins them with commas. */
export function quotedList(names: readonly string[]): string {
  return names.map(quoted).join(', ');
}

/**
 * The quoted form of a table's name as people write it: `orders`, `sales.orders`, `"with.dot"`, `sales."Orders 2"`. What stands
 * there counts as it stands: nothing is folded to lower case.
 *
 * @throws {ConnectorError} `message_invalid` when it is not a name or a schema and a name
 */
export function quotedTable(text: string): string {
  const parts = [...text.matchAll(/(?:^|\.)(?:"((?:[^"]|"")+)"|([^".]+))(?=\.|$)/g)];
  const length = parts.reduce((sum, [part]) => sum + part.length, 0);
  if (parts.length < 1 || parts.length > 2 || length !== text.length || text.startsWith('.') || text.includes('\0')) {
    throw new ConnectorError(
      'message_invalid',
      `${JSON.stringify(text)} is no name of a table: write table, schema.table, or "with.dot" in double quotes`,
    );
  }
  return parts.map(([, inQuotes, plain = '']) => quoted(inQuotes?.replaceAll('""', '"') ?? plain)).join('.');
}

/** A table's name in the form that {@link quotedTable} reads: quotes stand only around names that need them there. */
export function nameOfTable(schema: string, table: string): string {
  return [schema, table].map((name) => (/[".]/.test(name) ? quoted(name) : name)).join('.');
}
