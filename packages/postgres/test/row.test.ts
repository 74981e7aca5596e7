import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { blankRow } from '../src/rows/row.js';

describe('a row of nothing but NULL', () => {
  it('has every column, whatever its name, in the order of the table', () => {
    const names = ['b', '__proto__', 'I"d', 'ü', 'constructor', 'a'];
    const row = { ...blankRow(names) };
    expect(Object.entries(row)).toEqual(names.map((name) => [name, null]));
    for (const name of names) row[name] = name;
    expect(Object.entries(row)).toEqual(names.map((name) => [name, name]));
  });

  it('is no dictionary, however many columns it has', () => {
    setFlagsFromString('--allow-natives-syntax');
    const isFast = runInNewContext('(row) => %HasFastProperties(row)') as (row: object) => boolean;
    for (const columns of [1, 40, 400]) {
      const names = Array.from({ length: columns }, (_, index) => `column_${index}`);
      expect(isFast(blankRow(names))).toBe(true);
    }
  });
});
