import { createMessage, type DeadLetter, type Original, type Value } from '@sluice/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { originalMessage, parseLetter } from '../src/dead-letter/letter.js';

function letterOf(message: Partial<DeadLetter['message']>): DeadLetter {
  return {
    id: 'p/source//1/0',
    at: '2026-01-01T00:00:00.000Z',
    pipeline: 'p',
    source: 'source',
    partition: '',
    position: { bytes: 1 },
    index: 0,
    sink: null,
    code: 'message_invalid',
    reason: 'r',
    attempts: 0,
    message: {
      topic: null,
      key: null,
      payload: null,
      headers: [],
      timestamp: null,
      operation: null,
      before: null,
      ...message,
    },
  };
}

const read = (letter: DeadLetter) => parseLetter(Buffer.from(JSON.stringify(letter)));

describe('a stored dead letter', () => {
  test('gives back the message as the source gave it', () => {
    const letter = letterOf({
      topic: 't',
      key: { text: 'k' },
      payload: { base64: '/w==' },
      headers: [['h', { value: 1 }]],
      timestamp: 5,
      operation: 'update',
      before: { value: { a: 1 } },
    });
    expect(originalMessage(read(letter) ?? letter)).toEqual(
      createMessage({
        topic: 't',
        key: Buffer.from('k'),
        payload: Buffer.from([255]),
        headers: [['h', 1]],
        timestamp: 5,
        operation: 'update',
        before: { a: 1 },
      }),
    );
  });

  test('keeps every payload that it can hold', () => {
    const originals: fc.Arbitrary<[Original, Value]> = fc.oneof(
      fc.constant<[Original, Value]>([null, null]),
      fc.string({ unit: 'grapheme' }).map((text): [Original, Value] => [{ text }, Buffer.from(text)]),
      fc
        .uint8Array()
        .map((bytes): [Original, Value] => [{ base64: Buffer.from(bytes).toString('base64') }, Buffer.from(bytes)]),
    );
    fc.assert(
      fc.property(originals, ([payload, expected]) => {
        const letter = read(letterOf({ payload }));
        expect(letter && originalMessage(letter).payload).toEqual(expected);
      }),
    );
  });

  test.each(['', '{', '{}', '[]', '{"id":1}'])('is not what other bytes are: %j', (text) => {
    expect(parseLetter(Buffer.from(text))).toBeUndefined();
  });
});
