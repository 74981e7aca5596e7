import type { Value } from '@sluice/core/driver';

/** The values of a row, by the names of its columns. */
export type Row = { [name: string]: Value };

/** Gives a column its value. */
export function setField(row: Row, name: string, value: Value): void {
  // Assigning to a column of this name would change the object's prototype instead.
  if (name === '__proto__')
    Object.defineProperty(row, name, { value, enumerable: true, writable: true, configurable: true });
  else row[name] = value;
}

/** A row of nothing but NULL. To copy it and fill the copy is faster than to add one column after the other. */
export function blankRow(columns: readonly { readonly name: string }[]): Row {
  const row: Row = {};
  for (const { name } of columns) setField(row, name, null);
  return row;
}
