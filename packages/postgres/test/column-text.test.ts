import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { textWriter } from '../src/writing/column-text.js';
import { copyField, valueField } from '../src/writing/copy-rows.js';

const plain = textWriter('plain', false);

test('a field of COPY comes back as it was, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('\\', '\n', '\r', '\t', 'N', 'n', '.', 'a', 'é') }), (text) => {
      const field = copyField(text);
      expect(field).not.toMatch(/[\n\r\t]/);
      expect(field).not.toBe('\\N');
      const back: Record<string, string> = { n: '\n', r: '\r', t: '\t', '\\': '\\' };
      expect(field.replaceAll(/\\(.)/g, (_, character: string) => back[character] ?? '?')).toBe(text);
    }),
  );
  expect(copyField(null)).toBe('\\N');
});

test('a number in a column of bytes is escaped like other bytes', () => {
  expect(valueField(1234, textWriter('bytes', false))).toBe('\\\\x31323334');
  expect(valueField(1234, plain)).toBe('1234');
});

test.each([
  [0.1, '0.1'],
  [-0, '-0'],
  [Number.NaN, 'NaN'],
  [Number.NEGATIVE_INFINITY, '-Infinity'],
  [12345678901234567890n, '12345678901234567890'],
  [true, 'true'],
  ['  as it is ', '  as it is '],
  [new Date('2026-11-21T05:00:00.120Z'), '2026-11-21T05:00:00.120Z'],
  [new Date('+012345-01-02T03:04:05.006Z'), '12345-01-02T03:04:05.006Z'],
  [new Date('-000043-03-15T00:00:00Z'), '0044-03-15T00:00:00.000Z BC'],
  [Buffer.from('é'), 'é'],
  [{ a: [1n] }, '{"a":["1"]}'],
])('writes %o as %s', (value, text) => {
  expect(plain(value)).toBe(text);
});

test('refuses a date that is none and bytes that are no text', () => {
  expect(() => plain(new Date(Number.NaN))).toThrow('not a valid one');
  expect(() => plain(Buffer.from([0xff]))).toThrow(/UTF-8/);
});

describe('by the type of the column', () => {
  test('JSON is written by the rules of the JSON codec, and bytes are JSON already', () => {
    const json = textWriter('json', false);
    expect(json('text')).toBe('"text"');
    expect(json(Number.NaN)).toBe('"NaN"');
    expect(json({ at: new Date(0) })).toBe('{"at":"1970-01-01T00:00:00.000Z"}');
    expect(json([1, null])).toBe('[1,null]');
    expect(json(Buffer.from('{"a": 1.10}'))).toBe('{"a": 1.10}');
    expect(json(null)).toBeNull();
  });

  test('bytes are hexadecimal, and a text gives its UTF-8', () => {
    const bytes = textWriter('bytes', false);
    expect(bytes(Buffer.from([0, 255]))).toBe('\\x00ff');
    expect(bytes('é')).toBe('\\xc3a9');
    expect(bytes(new Uint8Array([1, 2, 3]).subarray(1))).toBe('\\x0203');
  });

  test('a number in a column of time is milliseconds since the epoch', () => {
    expect(textWriter('time', false)(0)).toBe('1970-01-01T00:00:00.000Z');
    expect(textWriter('time', false)('infinity')).toBe('infinity');
    expect(plain(0)).toBe('0');
  });

  test('arrays keep nulls, quotes and dimensions; a text is taken for the literal', () => {
    const array = textWriter('plain', true);
    expect(array(['a', null, 'NULL', '"\\', ''])).toBe('{"a",NULL,"NULL","\\"\\\\",""}');
    expect(array([])).toBe('{}');
    expect(array([[1, 2], [3]])).toBe('{{"1","2"},{"3"}}');
    expect(array('{1,2}')).toBe('{1,2}');
    expect(textWriter('bytes', true)([Buffer.from([1])])).toBe('{"\\\\x01"}');
  });
});
