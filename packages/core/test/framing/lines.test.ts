import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFraming, FramingConfig, type FramingConfigInput } from '../../src/framing/framings.js';
import { chunksOf, cutStream, textsOf } from './cut-stream.js';

const framingOf = (config: FramingConfigInput) => createFraming(FramingConfig.parse(config));
const cut = (text: string, config: FramingConfigInput = 'lines') => cutStream(framingOf(config), [Buffer.from(text)]);

describe('reading lines', () => {
  it('gives each line without its newline and the offset after the newline', () => {
    const stream = cut('one\ntwo\n');
    expect(textsOf(stream)).toEqual(['one', 'two']);
    expect(stream.ends).toEqual([4, 8]);
  });

  it('gives a last line that has no newline when the stream ends', () => {
    const stream = cut('one\ntwo');
    expect(textsOf(stream)).toEqual(['one', 'two']);
    expect(stream.ends).toEqual([4, 7]);
  });

  it('gives nothing for an empty stream', () => {
    expect(cut('').payloads).toEqual([]);
  });

  it('takes the carriage return of CRLF for a part of the newline, and leaves every other one', () => {
    expect(textsOf(cut('a\r\nb\rc\r\r\n\r\nd\r'))).toEqual(['a', 'b\rc\r', '', 'd\r']);
  });

  it('keeps the carriage return when told that newlines are LF alone', () => {
    expect(textsOf(cut('a\r\nb\n', { type: 'lines', newline: 'lf' }))).toEqual(['a\r', 'b']);
  });

  it('keeps empty lines as messages with an empty payload', () => {
    expect(textsOf(cut('\na\n\n'))).toEqual(['', 'a', '']);
  });

  it('passes over empty lines when told to', () => {
    const stream = cut('\na\n\r\n\nb\n', { type: 'lines', skipEmpty: true });
    expect(textsOf(stream)).toEqual(['a', 'b']);
    expect(stream.ends).toEqual([3, 8]);
  });

  it('leaves bytes that are not UTF-8, zeros, blanks and a byte order mark as they are', () => {
    const bytes = Buffer.from([0xef, 0xbb, 0xbf, 0x20, 0xff, 0xfe, 0x00, 0x09, 0x0a]);
    expect(cutStream(framingOf('lines'), [bytes]).payloads).toEqual([bytes.subarray(0, -1)]);
  });

  it('gives views into the chunk instead of copies', () => {
    const chunk = Buffer.from('one\ntwo\n');
    const [payload] = framingOf('lines').unframe().push(chunk).payloads;
    expect(payload instanceof Uint8Array && payload.buffer === chunk.buffer).toBe(true);
  });

  it('reports a line above the limit with its first bytes and goes on with the next', () => {
    const stream = cut('short\nmuch too long\nnext\n', { type: 'lines', maxMessageBytes: 8 });
    expect(textsOf(stream)).toEqual(['short', 'much too', 'next']);
    expect(stream.failures).toEqual([
      {
        index: 1,
        code: 'message_too_large',
        text: expect.stringContaining('the line at byte 6 is longer than maxMessageBytes (8)'),
      },
    ]);
  });

  it('bounds what it holds of an endless line and finds the end of it', () => {
    const unframer = framingOf({ type: 'lines', maxMessageBytes: 1_000_000 }).unframe();
    const chunk = Buffer.alloc(10_000, 'x');
    let held = 0;
    for (let pushed = 0; pushed < 5_000; pushed++) {
      unframer.push(chunk);
      held = Math.max(held, unframer.heldBytes);
    }
    expect(held).toBe(1_000_000);
    expect(unframer.heldBytes).toBe(65_536);
    const frames = unframer.push(Buffer.from('\nnext\n'));
    expect(frames.ends).toEqual([50_000_001, 50_000_006]);
    expect(frames.failures).toHaveLength(1);
    expect(frames.payloads[0]).toHaveLength(65_536);
  });

  it('joins a line that comes byte by byte', () => {
    const text = `${'x'.repeat(100_000)}\n`;
    const stream = cutStream(
      framingOf('lines'),
      Array.from(Buffer.from(text), (byte) => Buffer.of(byte)),
    );
    expect(textsOf(stream)).toEqual([text.trim()]);
  });
});

describe('writing lines', () => {
  const payloads = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes).filter((byte) => byte !== 0x0a));

  it.each(['auto', 'lf', 'crlf'] as const)('gives back what was written, with newline %s', (newline) => {
    const framing = framingOf({ type: 'lines', newline });
    fc.assert(
      fc.property(fc.array(payloads), fc.array(fc.nat(100)), (messages, cuts) => {
        const writable = messages
          .map((bytes) => Buffer.from(bytes))
          .filter((bytes) => newline === 'lf' || bytes.at(-1) !== 0x0d);
        const bytes = Buffer.concat(writable.map((message, index) => framing.frame(message, index === 0)));
        expect(cutStream(framing, chunksOf(bytes, cuts)).payloads).toEqual(writable);
      }),
    );
  });

  it('ends lines with CRLF when told to', () => {
    expect(Buffer.from(framingOf({ type: 'lines', newline: 'crlf' }).frame(Buffer.from('a'), true)).toString()).toBe(
      'a\r\n',
    );
  });

  it('refuses a payload with a newline in it, and says where', () => {
    expect(() => framingOf('lines').frame(Buffer.from('ab\nc'), true)).toThrow(
      expect.objectContaining({
        code: 'message_invalid',
        message: expect.stringContaining('it has a newline at byte 2'),
      }),
    );
  });

  it('refuses a payload that would lose its last carriage return, unless newlines are LF alone', () => {
    expect(() => framingOf('lines').frame(Buffer.from('a\r'), true)).toThrow(/carriage return/);
    expect(framingOf({ type: 'lines', newline: 'lf' }).frame(Buffer.from('a\r'), true)).toEqual(Buffer.from('a\r\n'));
  });

  it.each([
    [null, /it is null/],
    ['text', /it is not bytes/],
    [{ a: 1 }, /it is not bytes/],
  ])('refuses %j', (payload, reason) => {
    expect(() => framingOf('lines').frame(payload, true)).toThrow(reason);
  });

  it('refuses a payload that is too long to be read back', () => {
    expect(() => framingOf({ type: 'lines', maxMessageBytes: 3 }).frame(Buffer.from('abcd'), true)).toThrow(
      expect.objectContaining({ code: 'message_too_large' }),
    );
  });
});
