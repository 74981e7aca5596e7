import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Segment } from '../../src/engine/lease.js';
import { originAt, type Piece } from '../../src/engine/piece.js';
import { judgeWrite } from '../../src/engine/write-failure.js';
import { ConnectorError, type ErrorCode } from '../../src/error.js';
import { createMessage } from '../../src/message.js';
import { BatchError } from '../../src/sink-driver.js';

/** A piece of so many messages whose payloads are the numbers of their source messages. */
function piece(count: number, from = 0): Piece {
  // Only what judging touches.
  const segment = { pending: 1 } as Segment;
  return {
    segment,
    messages: Array.from({ length: count }, (_, index) => createMessage({ payload: from + index })),
    origins: undefined,
    base: from,
    bytes: count * 10,
    order: from,
    last: true,
    alone: false,
    group: { started: true, left: 1 },
    attempts: 1,
  };
}

const error = (code: ErrorCode): ConnectorError => new ConnectorError(code, code);
const batchError = (failures: Record<number, ErrorCode>): BatchError =>
  new BatchError(Object.entries(failures).map(([index, code]) => ({ index: Number(index), error: error(code) })));
const payloads = (pieces: readonly Piece[]): unknown[] =>
  pieces.flatMap(({ messages }) => messages.map(({ payload }) => payload));

const plain = { atomic: false, flushes: false };

describe('a write that failed', () => {
  it('as a whole, in a way that may pass, is written again as it was', () => {
    const pieces = [piece(2), piece(3, 2)];
    expect(judgeWrite(pieces, error('timeout'), plain)).toEqual({
      done: [],
      refused: [],
      again: pieces,
      error: error('timeout'),
    });
  });

  it('as a whole, because it is invalid, is taken apart into single messages that keep place and origin', () => {
    const whole = piece(3, 5);
    const { again, done, refused, error: reason } = judgeWrite([whole], error('message_too_large'), plain);
    expect([done, refused, reason]).toEqual([[], [], undefined]);
    expect(again.map((one) => [one.messages[0]?.payload, originAt(one, 0), one.alone, one.last])).toEqual([
      [5, 5, true, false],
      [6, 6, true, false],
      [7, 7, true, true],
    ]);
    expect(again.map(({ order }) => order)).toEqual([...again.map(({ order }) => order)].toSorted((a, b) => a - b));
    expect([whole.group.left, whole.segment.pending]).toEqual([3, 3]);
  });

  it('with one message, because it is invalid, is that message refused', () => {
    const one = piece(1, 9);
    expect(judgeWrite([one], error('message_invalid'), plain)).toMatchObject({
      done: [one],
      refused: [{ origin: 9 }],
      again: [],
    });
  });

  it('names as its reason a fatal failure before one that may pass', () => {
    const verdict = judgeWrite([piece(3)], batchError({ 0: 'conflict', 1: 'permission_denied', 2: 'timeout' }), plain);
    expect(verdict.error?.code).toBe('permission_denied');
  });

  it.each([true, false])('loses, doubles and reorders no message, whatever is named (atomic: %s)', (atomic) => {
    const codes = fc.constantFrom<ErrorCode | undefined>(undefined, 'message_invalid', 'conflict', 'permission_denied');
    fc.assert(
      fc.property(fc.array(fc.array(codes, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 }), (plan) => {
        let from = 0;
        const pieces = plan.map((messages) => {
          const made = piece(messages.length, from);
          from += messages.length;
          return made;
        });
        const flat = plan.flat();
        const failures = flat.flatMap((code, index) => (code === undefined ? [] : [{ index, error: error(code) }]));
        const verdict = judgeWrite(pieces, new BatchError(failures), { atomic, flushes: false });
        const isInvalid = (index: number): boolean => flat[index] === 'message_invalid';
        const indexes = flat.map((_, index) => index);
        expect(verdict.refused.map(({ origin }) => origin)).toEqual(indexes.filter(isInvalid));
        // An atomic sink has stored nothing of the write; any other one all that is not named.
        const left = indexes.filter((index) => !isInvalid(index) && (atomic || flat[index] !== undefined));
        expect(payloads(verdict.again)).toEqual(left);
        for (const again of verdict.again) {
          expect(again.messages.map((_, index) => originAt(again, index))).toEqual(payloads([again]));
        }
        expect(verdict.done.length + verdict.again.length).toBe(pieces.length);
      }),
    );
  });
});
