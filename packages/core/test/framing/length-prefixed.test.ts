import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFraming, FramingConfig, type FramingConfigInput } from '../../src/framing/framings.js';
import { chunksOf, cutStream, textsOf } from './cut-stream.js';

const framingOf = (config: FramingConfigInput = 'length-prefixed') => createFraming(FramingConfig.parse(config));

describe('length-prefixed framing', () => {
  it.each([
    [4, 'big', [0, 0, 0, 2, 0x68, 0x69]],
    [4, 'little', [2, 0, 0, 0, 0x68, 0x69]],
    [2, 'big', [0, 2, 0x68, 0x69]],
    [2, 'little', [2, 0, 0x68, 0x69]],
    [1, 'big', [2, 0x68, 0x69]],
  ] as const)('writes the length in %i bytes, %s-endian', (lengthBytes, endianness, expected) => {
    const framing = framingOf({ type: 'length-prefixed', lengthBytes, endianness });
    expect([...framing.frame(Buffer.from('hi'), true)]).toEqual(expected);
    expect(textsOf(cutStream(framing, [Buffer.from(expected)]))).toEqual(['hi']);
  });

  it('gives back any bytes that were written, empty ones too', () => {
    const options = fc.record({
      type: fc.constant('length-prefixed' as const),
      lengthBytes: fc.constantFrom(1 as const, 2 as const, 4 as const),
      endianness: fc.constantFrom('big' as const, 'little' as const),
    });
    fc.assert(
      fc.property(
        options,
        fc.array(fc.uint8Array({ maxLength: 20 })),
        fc.array(fc.nat(200)),
        (config, messages, cuts) => {
          const framing = framingOf(config);
          const payloads = messages.map((message) => Buffer.from(message));
          const bytes = Buffer.concat(payloads.map((payload) => framing.frame(payload, false)));
          const stream = cutStream(framing, chunksOf(bytes, cuts));
          expect(stream.payloads).toEqual(payloads);
          expect(stream.failures).toEqual([]);
        },
      ),
    );
  });

  it.each([
    ['its length', [0, 0, 0, 1, 0x61, 0, 0], '2 bytes of its length are missing'],
    ['its bytes', [0, 0, 0, 1, 0x61, 0, 0, 0, 5, 0x62], '4 bytes of its 5 bytes are missing'],
    ['its bytes, before the first', [0, 0, 0, 1, 0x61, 0, 0, 0, 5], '5 bytes of its 5 bytes are missing'],
  ])('reports a stream that ends inside of a message, in %s', (_where, bytes, reason) => {
    const stream = cutStream(framingOf(), [Buffer.from(bytes)]);
    expect(stream.payloads).toHaveLength(2);
    expect(stream.ends).toEqual([5, bytes.length]);
    expect(stream.failures).toEqual([{ index: 1, code: 'message_invalid', text: expect.stringContaining(reason) }]);
  });

  it('stops at a length above the limit, after it has given the messages before', () => {
    const framing = framingOf({ type: 'length-prefixed', maxMessageBytes: 100 });
    const unframer = framing.unframe();
    const text = Buffer.concat([framing.frame(Buffer.from('good'), true), Buffer.from('{"id":1}')]);
    expect(unframer.push(text).payloads).toEqual([Buffer.from('good')]);
    const stop = expect.objectContaining({
      code: 'unsupported',
      outcome: 'fatal',
      message: expect.stringContaining(
        'the message of 2065852772 bytes at byte 8 is longer than maxMessageBytes (100)',
      ),
    });
    expect(() => unframer.push(Buffer.from('more'))).toThrow(stop);
    expect(() => unframer.end()).toThrow(stop);
  });

  it('refuses a payload whose length does not fit', () => {
    const framing = framingOf({ type: 'length-prefixed', lengthBytes: 1 });
    expect(framing.frame(Buffer.alloc(255), true)).toHaveLength(256);
    expect(() => framing.frame(Buffer.alloc(256), true)).toThrow(
      expect.objectContaining({ code: 'message_too_large' }),
    );
  });

  it('refuses a payload that is not bytes', () => {
    expect(() => framingOf().frame(null, true)).toThrow(/it is null/);
    expect(() => framingOf().frame('text', true)).toThrow(/it is not bytes/);
  });
});
