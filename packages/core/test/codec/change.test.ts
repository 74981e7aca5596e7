import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changeCodec } from '../../src/codec/change.js';
import { createMessage, type Message } from '../../src/message.js';
import { jsonValues } from './json-values.js';

const decode = (bytes: Uint8Array | string, message: Message = createMessage({})): Message => {
  const { decodeMessage } = changeCodec;
  if (decodeMessage === undefined) throw new Error('the change codec decodes messages');
  return decodeMessage(Buffer.from(bytes), message);
};
const text = (message: Message): string => Buffer.from(changeCodec.encode(message)).toString();

describe('change codec', () => {
  it('writes what happened as one object', () => {
    const message = createMessage({
      topic: 'orders',
      key: { id: 7n },
      payload: { id: 7n, total: 10 },
      before: { id: 7n, total: 9 },
      operation: 'update',
      timestamp: 1732147200000,
      schema: { name: 'public.orders', fields: [], key: ['id'] },
    });
    expect(JSON.parse(text(message))).toEqual({
      operation: 'update',
      topic: 'orders',
      key: { id: '7' },
      before: { id: '7', total: 9 },
      after: { id: '7', total: 10 },
      timestamp: 1732147200000,
      schema: 'public.orders',
    });
  });

  it('keeps the meaning of a delete', () => {
    const message = createMessage({ key: { id: 1 }, before: { id: 1 }, operation: 'delete' });
    expect(text(message)).toBe('{"operation":"delete","key":{"id":1},"before":{"id":1},"after":null}');
    expect(decode(text(message))).toEqual(message);
  });

  it('gives back every message of JSON values and bytes, but for headers and schema', () => {
    const value = fc.oneof(
      jsonValues,
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    );
    const messages = fc.record({
      topic: fc.option(fc.string(), { nil: undefined }),
      key: value,
      payload: value,
      before: fc.option(value, { nil: undefined }),
      operation: fc.constantFrom('create', 'update', 'delete', 'truncate', 'snapshot', undefined),
      timestamp: fc.option(fc.nat(), { nil: undefined }),
    });
    fc.assert(
      fc.property(messages, (fields) => {
        const message = createMessage(fields);
        expect(decode(changeCodec.encode(message))).toEqual(message);
        expect(changeCodec.decode(changeCodec.encode(message), createMessage({}))).toEqual(message.payload);
      }),
    );
  });

  it('takes what the envelope does not have from the message that carried it', () => {
    const carrier = createMessage({ topic: 'changes', key: 'k', headers: [['h', 'v']], timestamp: 5 });
    expect(decode('{"after":1}', carrier)).toEqual({ ...carrier, payload: 1 });
    expect(decode('{"after":1,"topic":"orders","key":null,"timestamp":6}', carrier)).toMatchObject({
      topic: 'orders',
      key: null,
      timestamp: 6,
    });
  });

  it.each([
    ['{', /JSON/],
    ['[1]', /not an object with "after"/],
    ['{"id":1}', /not an object with "after"/],
    ['{"after":1,"operation":"upsert"}', /"operation" is not one of create, update, delete, truncate, snapshot/],
    ['{"after":1,"topic":1}', /"topic" is not a string/],
    ['{"after":1,"timestamp":"now"}', /"timestamp" is not a number/],
    ['{"after":1,"base64":["after"]}', /"after" is listed in "base64"/],
    ['{"after":"*","base64":["after"]}', /base64 alphabet/],
  ])('refuses %s', (bytes, reason) => {
    const decoding = () => decode(bytes);
    expect(decoding).toThrow(
      expect.objectContaining({ code: 'message_invalid', message: expect.stringMatching(reason) }),
    );
    expect(decoding).toThrow(/change codec could not decode the payload: .*It begins/);
  });
});
