import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonCodec } from '../../src/codec/json.js';
import { createMessage, type Value } from '../../src/message.js';
import { jsonValues } from './json-values.js';

const encode = (payload: Value): string => Buffer.from(jsonCodec.encode(createMessage({ payload }))).toString();
const decode = (bytes: string | Uint8Array): Value => jsonCodec.decode(Buffer.from(bytes), createMessage({}));

describe('encoding JSON', () => {
  it.each<[string, Value, string]>([
    ['bigints as digits', { id: 2n ** 64n }, '{"id":"18446744073709551616"}'],
    ['bytes as base64', { raw: Uint8Array.of(0, 255) }, '{"raw":"AP8="}'],
    ['buffers as base64', { raw: Buffer.from('hi') }, '{"raw":"aGk="}'],
    ['dates in ISO 8601', [new Date(0)], '["1970-01-01T00:00:00.000Z"]'],
    ['what is no number by name', [Number.NaN, Infinity, -Infinity], '["NaN","Infinity","-Infinity"]'],
    ['special values inside of arrays inside of objects', { a: [{ b: [1n] }] }, '{"a":[{"b":["1"]}]}'],
    ['strings with quotes', 'say "hi"', '"say \\"hi\\""'],
    ['a bigint by itself', 7n, '"7"'],
    ['nothing but plain values', { a: [1, 'b', true, null, { c: {} }] }, '{"a":[1,"b",true,null,{"c":{}}]}'],
  ])('writes %s', (_what, value, text) => {
    expect(encode(value)).toBe(text);
  });

  it('keeps a field called __proto__ beside a special value', () => {
    const value = JSON.parse('{"__proto__":{"a":1}}') as { readonly [name: string]: Value };
    expect(encode({ ...value, b: 1n })).toBe('{"__proto__":{"a":1},"b":"1"}');
  });

  it('asks objects of database clients for their own JSON', () => {
    const decimal = { toJSON: () => '1.50' } as unknown as Value; // What a client library may return.
    expect(encode({ price: decimal })).toBe('{"price":"1.50"}');
  });

  it('refuses an invalid date and a value that contains itself', () => {
    const loop: { self?: Value } = {};
    loop.self = loop as Value;
    expect(() => encode(new Date(Number.NaN))).toThrow(/json codec could not encode the payload: Invalid time value/);
    expect(() => encode(loop as Value)).toThrow(expect.objectContaining({ code: 'message_invalid' }));
  });
});

describe('decoding JSON', () => {
  it('gives back every JSON value that was encoded', () => {
    fc.assert(
      fc.property(jsonValues, (value) => {
        expect(decode(encode(value))).toEqual(value);
      }),
    );
  });

  it('keeps integers of any length exact, wherever they stand', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }),
        fc.string(),
        fc.nat(40),
        (integer, text, blanks) => {
          const json = `${' '.repeat(blanks)}{"text":${JSON.stringify(text)},"ids":[${integer}]}`;
          const fits = BigInt(Number.MIN_SAFE_INTEGER) <= integer && integer <= BigInt(Number.MAX_SAFE_INTEGER);
          expect(decode(json)).toEqual({ text, ids: [fits ? Number(integer) : integer] });
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('finds the shortest integers that do not fit, at any offset', () => {
    for (let blanks = 0; blanks < 40; blanks++) {
      expect(decode(`${' '.repeat(blanks)}9007199254740993`)).toBe(9007199254740993n);
    }
  });

  it.each([
    ['12345678901234567', 12345678901234567n],
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['-9007199254740993', -9007199254740993n],
    ['1732147200000000', 1732147200000000],
    ['0.30000000000000004', 0.30000000000000004],
    ['12345678901234568.5', 12345678901234568],
    ['1e300', 1e300],
    ['10000000000000000e3', 1e19],
    ['"12345678901234567890"', '12345678901234567890'],
  ])('reads %s as it is meant', (json, value) => {
    expect(decode(json)).toBe(value);
  });

  it('drops a byte order mark', () => {
    expect(decode('\ufeff{"a":1}')).toEqual({ a: 1 });
  });

  it('reads bytes that are a part of a larger buffer', () => {
    const large = new Uint8Array(Buffer.from('xx{"a":1}xx'));
    expect(jsonCodec.decode(large.subarray(2, 9), createMessage({}))).toEqual({ a: 1 });
  });

  it.each([
    ['{"a":1,}', /json codec could not decode the payload: .*position 7.*It begins "\{\\"a\\":1,\}"/],
    ['temperature: 21', /Unexpected token '.'\. It begins "temperature: 21"; set the codec/],
    [`{"a":"${'x'.repeat(50)}",b}`, /Expected.*property name.* in JSON at position 58.*\. It begins/],
    [`${'1'.repeat(50)} and more`, /Unexpected non-whitespace character after JSON at position 51.*\. It begins/],
    [`[${'1,'.repeat(50)}x, 2]`, /Unexpected token 'x', \.\.\.".*x, 2\]" is not valid JSON\. It begins/],
    ['', /It begins empty/],
    [`[${'1,'.repeat(100)}`, /It begins "\[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"…/],
    ['{"a":\n\n}', /^[^\n]*$/],
  ])('says of %j what is wrong with it, on one line', (text, reason) => {
    expect(() => decode(text)).toThrow(
      expect.objectContaining({ code: 'message_invalid', message: expect.stringMatching(reason) }),
    );
  });

  it('says where bytes are not UTF-8, and shows bytes that are no text in hex', () => {
    expect(() => decode(Buffer.from('{"a":"caf\xe9"}', 'latin1'))).toThrow(
      /byte 9 is not UTF-8. It begins 0x7b2261223a22636166e9227d/,
    );
  });
});
