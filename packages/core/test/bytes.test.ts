import { describe, expect, it } from 'vitest';
import { textOf, toBytes, toNullableBytes } from '../src/bytes.js';
import type { Value } from '../src/message.js';

describe('a value where a system takes bytes or text', () => {
  it.each<[Value, string]>([
    ['é', 'é'],
    ['', ''],
    [Buffer.from('key'), 'key'],
    [1.5, '1.5'],
    [Number.NaN, 'NaN'],
    [2n ** 64n, '18446744073709551616'],
    [false, 'false'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [{ id: 7n }, '{"id":"7"}'],
    [['a', null], '["a",null]'],
  ])('stands for %s as %s', (value, text) => {
    expect(textOf(value)).toBe(text);
    expect(Buffer.from(toBytes(value)).toString()).toBe(text);
  });

  it('leaves bytes as they are, also where they are no text', () => {
    const bytes = Uint8Array.of(0xff);
    expect(toBytes(bytes)).toBe(bytes);
    expect(() => textOf(bytes)).toThrow(/byte 0 is not UTF-8/);
  });

  it.each<[string, Value]>([
    ['null', null],
    ['an invalid date', new Date(Number.NaN)],
    ['half of a surrogate pair', 'a\udc00'],
  ])('refuses %s', (_what, value) => {
    expect(() => textOf(value)).toThrow(expect.objectContaining({ code: 'message_invalid' }));
    expect(() => toBytes(value)).toThrow(expect.objectContaining({ code: 'message_invalid' }));
  });

  it('keeps null where the system knows null, and tells it from empty bytes', () => {
    expect(toNullableBytes(null)).toBeNull();
    expect(toNullableBytes('')).toEqual(Buffer.alloc(0));
  });
});
