import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base64Codec } from '../../src/codec/base64.js';
import { createMessage, type Value } from '../../src/message.js';

const encode = (payload: Value): string => Buffer.from(base64Codec.encode(createMessage({ payload }))).toString();
const decode = (text: string): Value => base64Codec.decode(Buffer.from(text), createMessage({}));

describe('base64 codec', () => {
  it('gives back any bytes, with and without padding', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = encode(bytes);
        expect(decode(text)).toEqual(Buffer.from(bytes));
        expect(decode(text.replaceAll('=', ''))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('writes strings as UTF-8 and structures as JSON', () => {
    expect(encode('hi')).toBe('aGk=');
    expect(decode(encode({ a: 1n }))).toEqual(Buffer.from('{"a":"1"}'));
  });

  it.each([
    ['aGk=\n', /byte 4 is not in the base64 alphabet/],
    ['aG-_', /byte 2 is not in the base64 alphabet/],
    ['a=Gk', /cut off or wrongly padded/],
    ['aGl', /cut off or wrongly padded/],
    ['a', /cut off or wrongly padded/],
    ['aGk===', /cut off or wrongly padded/],
  ])('refuses %j', (text, reason) => {
    const decoding = () => decode(text);
    expect(decoding).toThrow(
      expect.objectContaining({ code: 'message_invalid', message: expect.stringMatching(reason) }),
    );
    expect(decoding).toThrow(/It begins/);
  });
});
