import { createFraming } from '@sluice/core/driver';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BatchOrigin, batchesOf } from '../src/frame-batches.js';
import { plain } from './harness.js';

function origin(limits: Partial<BatchOrigin> = {}): BatchOrigin {
  return {
    topic: 'a.log',
    start: 0,
    maxMessages: 100,
    maxBytes: 1000,
    positionAt: (end) => end,
    lagAt: (end) => 100 - end,
    ...limits,
  };
}

describe('batches of frames', () => {
  test('say where every message ends, and how much is behind the last one', () => {
    const frames = createFraming('lines').unframe().push(Buffer.from('one\nthree\n\n'));
    const [batch, ...rest] = [...batchesOf(frames, origin())];
    expect(rest).toEqual([]);
    expect(batch).toMatchObject({ position: 11, bytes: 11, lag: 89 });
    expect(batch?.messages.map(({ topic, key, payload }) => [topic, key, plain(payload)])).toEqual([
      ['a.log', null, 'one'],
      ['a.log', null, 'three'],
      ['a.log', null, ''],
    ]);
    expect([0, 1, 2].map((index) => batch?.positionAt?.(index))).toEqual([4, 10, 11]);
  });

  test('keep both limits, and lose nothing, for any lengths', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 30 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 60 }),
        (lengths, maxMessages, maxBytes) => {
          const lines = lengths.map((length, index) => String(index % 10).repeat(length));
          const frames = createFraming('lines')
            .unframe()
            .push(Buffer.from(lines.map((line) => `${line}\n`).join('')));
          const batches = [...batchesOf(frames, origin({ maxMessages, maxBytes }))];
          expect(batches.flatMap(({ messages }) => messages.map(({ payload }) => plain(payload)))).toEqual(lines);
          let end = 0;
          for (const { messages, bytes, position, positionAt } of batches) {
            expect(messages.length).toBeLessThanOrEqual(maxMessages);
            if (messages.length > 1) expect(bytes).toBeLessThanOrEqual(maxBytes);
            end += bytes;
            expect([position, positionAt?.(messages.length - 1)]).toEqual([end, end]);
          }
        },
      ),
    );
  });

  test('number failures from the start of their batch', () => {
    const framing = createFraming({ type: 'lines', newline: 'auto', skipEmpty: false, maxMessageBytes: 3 });
    const frames = framing.unframe().push(Buffer.from('a\nlonger\nb\nlonger\n'));
    const batches = [...batchesOf(frames, origin({ maxMessages: 2 }))];
    expect(batches.map(({ failures }) => failures?.map(({ index }) => index))).toEqual([[1], [1]]);
  });
});
