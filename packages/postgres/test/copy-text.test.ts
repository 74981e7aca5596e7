import { array, assert, integer, option, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CopyLines, copyValues } from '../src/snapshot/copy-text.js';

/** A value as the server writes it. */
function copyField(text: string | null): string {
  if (text === null) return String.raw`\N`;
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
  return escaped;
}

const cell = option(string({ unit: 'binary', maxLength: 8 }));

describe('the text of COPY', () => {
  it('is cut into rows and values wherever the network has cut it', () => {
    const rows = array(array(cell, { minLength: 3, maxLength: 3 }), { maxLength: 20 });
    assert(
      property(rows, array(integer({ min: 1, max: 9 }), { minLength: 1 }), (all, sizes) => {
        const text = Buffer.from(all.map((row) => `${row.map(copyField).join('\t')}\n`).join(''));
        const lines = new CopyLines();
        const found: unknown[] = [];
        for (let at = 0, cut = 0; at < text.length; cut++) {
          const size = sizes[cut % sizes.length] ?? 1;
          found.push(...lines.add(text.subarray(at, at + size)).map((line) => copyValues(line, 3)));
          at += size;
        }
        expect(found).toEqual(all);
      }),
    );
  });

  it('tells NULL, empty text and what is escaped apart', () => {
    expect(copyValues(String.raw`\N		\\N	a\tb\nc\\	\b\f\r\v`, 5)).toEqual([
      null,
      '',
      '\\N',
      'a\tb\nc\\',
      '\b\f\r\v',
    ]);
    expect(copyValues('', 0)).toEqual([]);
    expect(copyValues('', 1)).toEqual(['']);
  });
});
