import { expect, test } from 'vitest';
import { quoted, quotedTable } from '../src/identifier.js';

test.each([
  ['orders', '"orders"'],
  ['sales.Orders', '"sales"."Orders"'],
  ['"with.dot"', '"with.dot"'],
  ['sales."a ""b"""', '"sales"."a ""b"""'],
  ['x; DROP TABLE y; --', '"x; DROP TABLE y; --"'],
])('quotes the table %s', (text, expected) => {
  expect(quotedTable(text)).toBe(expected);
});

test.each(['', '.', 'a.', '.a', 'a.b.c', '"a', 'a"b', '"a"b', '"a""', 'a..b', 'nul\0'])(
  'refuses %j as a table',
  (text) => {
    expect(() => quotedTable(text)).toThrow('is no name of a table');
  },
);

test('quotes every name so that it stands for itself', () => {
  expect(quoted('a"; --')).toBe('"a""; --"');
});
