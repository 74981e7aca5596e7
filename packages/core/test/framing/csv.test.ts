import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFraming, FramingConfig, type FramingConfigInput } from '../../src/framing/framings.js';
import { chunksOf, cutStream, streams } from './cut-stream.js';

const framingOf = (config: FramingConfigInput = 'csv') => createFraming(FramingConfig.parse(config));
const cut = (text: string, config?: FramingConfigInput) => cutStream(framingOf(config), [Buffer.from(text)]);

describe('reading csv', () => {
  it('gives each row as an object named by the header', () => {
    const stream = cut('id,name\n1,Ada\n2,Grace\n');
    expect(stream.payloads).toEqual([
      { id: '1', name: 'Ada' },
      { id: '2', name: 'Grace' },
    ]);
    expect(stream.ends).toEqual([14, 22]);
  });

  it('gives a row as soon as its newline is there', () => {
    const unframer = framingOf().unframe();
    expect(unframer.push(Buffer.from('id,name\n1,Ada\n')).payloads).toEqual([{ id: '1', name: 'Ada' }]);
  });

  it('reads delimiters, newlines and doubled quotes inside quotes, and CRLF outside', () => {
    expect(cut('a,b\r\n"x,""y""\r\nz",2\r\n').payloads).toEqual([{ a: 'x,"y"\r\nz', b: '2' }]);
  });

  it('takes another delimiter and quote, or none', () => {
    expect(cut("a;b\n'x;y';2\n", { type: 'csv', delimiter: ';', quote: "'" }).payloads).toEqual([{ a: 'x;y', b: '2' }]);
    expect(cut('a\tb\n"x\t5"\n', { type: 'csv', delimiter: '\t', quote: false }).payloads).toEqual([
      { a: '"x', b: '5"' },
    ]);
  });

  it('takes listed columns when there is no header', () => {
    const config = { type: 'csv', header: false, columns: ['a', 'b'] } as const;
    expect(cut('1,2\n3,4', config).payloads).toEqual([
      { a: '1', b: '2' },
      { a: '3', b: '4' },
    ]);
  });

  it('puts listed columns in the place of those of the header', () => {
    expect(cut('x,y\n1,2\n', { type: 'csv', columns: ['a', 'b'] }).payloads).toEqual([{ a: '1', b: '2' }]);
  });

  it('passes over empty rows, a byte order mark, and a header without rows', () => {
    expect(cut('\ufeff\n"id"\n\n1\n\r\n2\n').payloads).toEqual([{ id: '1' }, { id: '2' }]);
    expect(cut('id,name\n').payloads).toEqual([]);
    expect(cut('').payloads).toEqual([]);
  });

  it('counts a byte order mark in the offsets, also one that comes in pieces', () => {
    const bytes = Buffer.from('\ufeffid\n1\n');
    expect(cutStream(framingOf(), [bytes]).ends).toEqual([8]);
    expect(cutStream(framingOf(), chunksOf(bytes, [1, 2, 3])).ends).toEqual([8]);
  });

  it('reads a newline inside the quotes of a header behind a byte order mark', () => {
    expect(cut('\ufeff"i\nd",b\n1,2\n').payloads).toEqual([{ 'i\nd': '1', b: '2' }]);
  });

  it.each([
    ['too few fields', '1', 'has 1 fields instead of 2 (a, b)'],
    ['too many fields', '1,2,3', 'has 3 fields instead of 2 (a, b)'],
    ['a quote inside a field', '1,5" pipe', 'has a quote at the wrong place'],
    ['text behind a closing quote', '"1"x,2', 'has a quote at the wrong place'],
  ])('reports a row with %s by number, offset and bytes, and goes on', (_what, row, reason) => {
    const stream = cut(`a,b\n1,2\n\n${row}\r\n3,4\n`);
    expect(stream.payloads).toEqual([{ a: '1', b: '2' }, Buffer.from(row), { a: '3', b: '4' }]);
    expect(stream.failures).toEqual([
      { index: 1, code: 'message_invalid', text: expect.stringContaining(`csv row 4 (at byte 9) ${reason}`) },
    ]);
  });

  it('reports a row that is not UTF-8 instead of replacing bytes', () => {
    const bytes = Buffer.from('a,b\n1,caf\xe9\n2,caf\xc3\xa9\n', 'latin1');
    const stream = cutStream(framingOf(), [bytes]);
    expect(stream.payloads).toEqual([bytes.subarray(4, 10), { a: '2', b: 'café' }]);
    expect(stream.failures[0]?.text).toBe('csv row 2 (at byte 4) is not UTF-8');
  });

  it('takes a quote at the wrong place literally when told to', () => {
    const stream = cut('a,b\n1,5" pipe\n', { type: 'csv', relaxQuotes: true });
    expect(stream.payloads).toEqual([{ a: '1', b: '5" pipe' }]);
  });

  it('gives up only the line of a quote that is never closed', () => {
    const stream = cut('a,b\n1,2\n3,"x\n4,5\n6,7\n');
    expect(stream.payloads).toEqual([{ a: '1', b: '2' }, Buffer.from('3,"x'), { a: '4', b: '5' }, { a: '6', b: '7' }]);
    expect(stream.failures).toEqual([
      { index: 1, code: 'message_invalid', text: expect.stringContaining('opens a quote that is not closed') },
    ]);
  });

  it('gives up only the first line of a row that a quote makes longer than the limit', () => {
    const stream = cut(`a,b\n3,"x\n${'4,5\n'.repeat(20)}`, { type: 'csv', maxMessageBytes: 30 });
    expect(stream.failures).toEqual([
      { index: 0, code: 'message_too_large', text: expect.stringContaining('csv row 2 (at byte 4)') },
    ]);
    expect(stream.payloads).toHaveLength(21);
    expect(stream.payloads.at(-1)).toEqual({ a: '4', b: '5' });
  });

  it('skips a line that is longer than the limit, and counts it as one row', () => {
    const stream = cut(`a,b\n${'x'.repeat(40)},1\n1,2,3\n`, { type: 'csv', maxMessageBytes: 30 });
    expect(stream.failures.map(({ text }) => text.split(')')[0])).toEqual([
      'csv row 2 (at byte 4',
      'csv row 3 (at byte 47',
    ]);
  });

  it.each([
    ['a,a\n1,2\n', 'cannot name a column "a" twice'],
    ['a,\n1,2\n', 'has a column without a name'],
    ['a,__proto__\n1,2\n', 'cannot name a column "__proto__"'],
    ['a,"b"c\n1,2\n', 'it is the header'],
  ])('stops at the header of %j', (text, reason) => {
    expect(cut(text).thrown).toContain(reason);
    expect(cut(text).thrown).toContain('unsupported');
  });

  it('stops at a header with another number of columns than are listed', () => {
    expect(cut('a,b,c\n', { type: 'csv', columns: ['a', 'b'] }).thrown).toContain('has 3 columns, and 2 are listed');
  });

  it('keeps the columns in its positions and names rows by offset after a resume', () => {
    const framing = framingOf();
    const bytes = Buffer.from('a,b\n1,2\n3\n');
    const unframer = framing.unframe();
    unframer.push(bytes);
    expect(unframer.positionAt(8)).toEqual({ bytes: 8, columns: ['a', 'b'] });
    const rest = cutStream(framing, [bytes.subarray(8)], { bytes: 8, columns: ['a', 'b'] });
    expect(rest.failures[0]?.text).toContain('the csv row at byte 8 has 1 fields');
  });

  it('refuses a position in the middle that lacks the columns', () => {
    expect(() => framingOf().unframe({ bytes: 8 })).toThrow(expect.objectContaining({ code: 'position_lost' }));
  });

  it('reads every stream as csv-parse does, whatever stands where', () => {
    const framing = framingOf({ type: 'csv', header: false, columns: ['a', 'b'], relaxQuotes: true });
    fc.assert(
      fc.property(streams([...Buffer.from('\n\n\r""",,,ab')]), ({ bytes, chunks }) => {
        let rows: string[][];
        try {
          rows = parse(bytes, {
            record_delimiter: ['\r\n', '\n'],
            relax_quotes: true,
            relax_column_count: true,
            skip_empty_lines: true,
          });
        } catch {
          // A quote that is not closed, where the library gives up.
          return;
        }
        const { payloads } = cutStream(framing, chunks);
        const expected = rows.map((row) => (row.length === 2 ? { a: row[0], b: row[1] } : 'broken'));
        expect(payloads.map((payload) => (payload instanceof Uint8Array ? 'broken' : payload))).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('writing csv', () => {
  const config = { type: 'csv', columns: ['a', 'b'] } as const;
  const write = (payload: Parameters<ReturnType<typeof framingOf>['frame']>[0], first = false): string =>
    Buffer.from(framingOf(config).frame(payload, first)).toString();

  it('writes the header before the first row only', () => {
    expect(write({ a: '1', b: '2' }, true)).toBe('a,b\n1,2\n');
    expect(write({ a: '1', b: '2' })).toBe('1,2\n');
  });

  it('quotes what needs it and nothing else', () => {
    expect(write({ a: 'x,"y"\nz', b: 'plain text' })).toBe('"x,""y""\nz",plain text\n');
  });

  it('writes every kind of value', () => {
    expect(write({ a: 1.5, b: 10n })).toBe('1.5,10\n');
    expect(write({ a: new Date(0), b: Buffer.from('hi') })).toBe('1970-01-01T00:00:00.000Z,aGk=\n');
    expect(write({ a: true, b: null })).toBe('true,\n');
    expect(write({ b: { x: 1 } })).toBe(',"{""x"":1}"\n');
  });

  it.each([
    [null, /it is null/],
    [Buffer.from('1,2'), /it is not an object/],
    [['1', '2'], /it is not an object/],
    [{ a: '1', c: '2' }, /its field "c" is not among the columns/],
  ])('refuses %j', (payload, reason) => {
    expect(() => write(payload)).toThrow(
      expect.objectContaining({ code: 'message_invalid', message: expect.stringMatching(reason) }),
    );
  });

  it('refuses without quotes what only quotes could hold', () => {
    const framing = framingOf({ ...config, quote: false });
    expect(() => framing.frame({ a: 'x,y', b: '' }, false)).toThrow(/quoting is off/);
  });

  it('cannot write without a list of columns', () => {
    expect(() => framingOf('csv').frame({ a: '1' }, true)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });

  it('gives back what was written, with any text in any dialect', () => {
    const dialects = fc.record({
      type: fc.constant('csv' as const),
      delimiter: fc.constantFrom(',', ';', '\t', '|', ']', '\\', '^', '-'),
      quote: fc.constantFrom('"', "'"),
      header: fc.boolean(),
    });
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('\r', '\n', ',', '"', "'", ';', 'x', '\ufeff') }),
    );
    const tables = fc
      .uniqueArray(
        text.filter((name) => name !== '' && name !== '__proto__'),
        { minLength: 1, maxLength: 4 },
      )
      .chain((columns) =>
        fc.tuple(
          fc.constant(columns),
          fc.array(fc.array(text, { minLength: columns.length, maxLength: columns.length })),
        ),
      );
    fc.assert(
      fc.property(dialects, tables, fc.array(fc.nat(200)), (dialect, [columns, rows], cuts) => {
        const framing = framingOf({ ...dialect, columns });
        const payloads = rows.map((row) =>
          Object.fromEntries(row.map((field, index) => [columns[index] ?? '', field])),
        );
        const bytes = Buffer.concat(payloads.map((payload, index) => framing.frame(payload, index === 0)));
        const stream = cutStream(framing, chunksOf(bytes, cuts));
        expect(stream.failures).toEqual([]);
        expect(stream.payloads).toEqual(payloads);
      }),
      { numRuns: 150 },
    );
  });
});
