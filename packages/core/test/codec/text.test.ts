import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textCodec } from '../../src/codec/text.js';
import { createMessage, type Value } from '../../src/message.js';

const encode = (payload: Value): Uint8Array => textCodec.encode(createMessage({ payload }));
const decode = (bytes: Uint8Array): Value => textCodec.decode(bytes, createMessage({}));

describe('text codec', () => {
  it('gives back every text, a byte order mark and the replacement character too', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => decode(encode(text)) === text));
    expect(decode(Buffer.from('\ufeffa\ufffd'))).toBe('\ufeffa\ufffd');
  });

  it('refuses bytes that are not UTF-8 and says where, and never replaces any', () => {
    const fatal = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const bytes = fc.array(fc.constantFrom(0x61, 0xc3, 0xa9, 0xef, 0xbf, 0xbd, 0xed, 0xa0, 0x80, 0xff), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        bytes.map((values) => Uint8Array.from(values)),
        (value) => {
          let expected: string | undefined;
          try {
            expected = fatal.decode(value);
          } catch {
            expected = undefined;
          }
          if (expected === undefined)
            expect(() => decode(value)).toThrow(expect.objectContaining({ code: 'message_invalid' }));
          else expect(decode(value)).toBe(expected);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('names the first byte that is wrong, behind characters of several bytes', () => {
    expect(() => decode(Buffer.from([...Buffer.from('é\ufffd'), 0xff, 0x61]))).toThrow(/byte 5 is not UTF-8/);
  });

  it.each<[Value, string]>([
    [1.5, '1.5'],
    [7n, '7'],
    [true, 'true'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
  ])('writes %s as text', (value, text) => {
    expect(Buffer.from(encode(value)).toString()).toBe(text);
  });

  it.each<[Value]>([[{ a: 1 }], [[1]]])('refuses %j and names the codec that can', (value) => {
    expect(() => encode(value)).toThrow(/text codec could not encode the payload: .* set codec json/);
  });

  it('refuses half of a surrogate pair', () => {
    expect(() => encode('a\ud800')).toThrow(/surrogate/);
  });
});
