import { describe, expect, it } from 'vitest';
import { createFraming } from '../../src/framing/framings.js';
import { cutStream, textsOf } from './cut-stream.js';

const framing = createFraming('whole');

describe('whole framing', () => {
  it('gives the stream as one message when it ends', () => {
    const stream = cutStream(framing, [Buffer.from('one\n'), Buffer.from('two\n')]);
    expect(textsOf(stream)).toEqual(['one\ntwo\n']);
    expect(stream.ends).toEqual([8]);
  });

  it('gives no message for an empty stream', () => {
    expect(cutStream(framing, []).payloads).toEqual([]);
  });

  it('gives nothing again from the position after the message', () => {
    expect(cutStream(framing, [], { bytes: 8 }).payloads).toEqual([]);
  });

  it('reports a stream above the limit with its first bytes and its size', () => {
    const small = createFraming({ type: 'whole', maxMessageBytes: 5 });
    const stream = cutStream(small, [Buffer.from('abcd'), Buffer.from('efgh')]);
    expect(textsOf(stream)).toEqual(['abcde']);
    expect(stream.ends).toEqual([8]);
    expect(stream.failures[0]).toMatchObject({
      code: 'message_too_large',
      text: expect.stringContaining('the stream of 8 bytes'),
    });
  });

  it('writes one message per stream, untouched, and refuses a second', () => {
    const payload = Buffer.from('a\nb');
    expect(framing.frame(payload, true)).toEqual(payload);
    expect(() => framing.frame(payload, false)).toThrow(/holds a message already/);
  });
});
