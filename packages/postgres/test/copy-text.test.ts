import { array, assert, integer, option, property, string } from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { blankRow } from '../src/rows/row.js';
import type { TableShape } from '../src/rows/table-shape.js';
import { CopyRows, CopyTexts, textsOfRow } from '../src/snapshot/copy-text.js';

/** A value as the server writes it. */
function copyField(text: string | null): string {
  if (text === null) return String.raw`\N`;
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
  return escaped;
}

/** Columns of text with the names 0, 1 and so on. */
function shapeOf(columns: number): TableShape {
  const names = Array.from({ length: columns }, (_, index) => String(index));
  return {
    topic: 'public.things',
    schema: { name: 'public.things', fields: [], key: [] },
    columns: names.map((name) => ({ name, convert: (text: string) => text, isIdentity: false })),
    keyColumns: [],
    blank: blankRow(names),
    blankKey: {},
  };
}

function rowsOf(text: string, columns: number): unknown[] {
  const rows = new CopyRows(text, shapeOf(columns));
  const found: unknown[] = [];
  for (let row = rows.next(); row !== undefined; row = rows.next()) {
    const values = Object.values(row);
    found.push(values);
    // It is found again where it began.
    if (columns > 0) expect(textsOfRow(text, rows.start)).toEqual(values);
  }
  return found;
}

const cell = option(string({ unit: 'binary', maxLength: 8 }));

describe('the text of COPY', () => {
  it('is cut into rows and values wherever the network has cut it', () => {
    const rows = array(array(cell, { minLength: 3, maxLength: 3 }), { maxLength: 20 });
    assert(
      property(rows, array(integer({ min: 1, max: 9 }), { minLength: 1 }), (all, sizes) => {
        const text = Buffer.from(all.map((row) => `${row.map(copyField).join('\t')}\n`).join(''));
        const texts = new CopyTexts();
        const found: unknown[] = [];
        for (let at = 0, cut = 0; at < text.length; cut++) {
          const size = sizes[cut % sizes.length] ?? 1;
          found.push(...rowsOf(texts.add(text.subarray(at, at + size)), 3));
          at += size;
        }
        expect(found).toEqual(all);
      }),
    );
  });

  it('is joined once, however many pieces a row comes in', () => {
    const texts = new CopyTexts();
    const concat = vi.spyOn(Buffer, 'concat');
    onTestFinished(() => concat.mockRestore());
    const piece = Buffer.from('x'.repeat(10));
    for (let pieces = 0; pieces < 100; pieces++) expect(texts.add(piece)).toBe('');
    expect(texts.add(Buffer.from('y\nz'))).toBe(`${'x'.repeat(1000)}y\n`);
    expect(texts.add(Buffer.from('\n'))).toBe('z\n');
    expect(concat).toHaveBeenCalledTimes(2);
  });

  it('tells NULL, empty text and what is escaped apart', () => {
    expect(rowsOf(`${String.raw`\N		\\N	a\tb\nc\\	\b\f\r\v`}\n`, 5)).toEqual([
      [null, '', '\\N', 'a\tb\nc\\', '\b\f\r\v'],
    ]);
    expect(rowsOf('\n\n', 0)).toEqual([[], []]);
    expect(rowsOf('\n\n', 1)).toEqual([[''], ['']]);
  });
});
