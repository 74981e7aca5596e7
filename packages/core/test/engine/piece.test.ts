import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutAtLimits, messageBytes } from '../../src/engine/piece.js';
import { createMessage } from '../../src/message.js';

const sized = (bytes: number): ReturnType<typeof createMessage> => createMessage({ payload: new Uint8Array(bytes) });

describe('cutting at limits', () => {
  it('leaves whole what is within them', () => {
    const messages = [sized(1), sized(2)];
    expect(cutAtLimits(messages, { maxMessages: 2, maxBytes: Infinity })).toEqual([
      { from: 0, to: 2, bytes: undefined },
    ]);
    expect(cutAtLimits(messages, { maxMessages: 2, maxBytes: 3 })).toEqual([{ from: 0, to: 2, bytes: 3 }]);
  });

  it('covers all messages once, in order, crosses no limit, and cuts no more than it must', () => {
    const limits = fc.record({
      maxMessages: fc.integer({ min: 1, max: 6 }),
      maxBytes: fc.integer({ min: 1, max: 60 }),
    });
    fc.assert(
      fc.property(fc.array(fc.nat(40), { minLength: 1, maxLength: 30 }), limits, (sizes, { maxMessages, maxBytes }) => {
        const cuts = cutAtLimits(sizes.map(sized), { maxMessages, maxBytes });
        expect(cuts[0]?.from).toBe(0);
        expect(cuts.at(-1)?.to).toBe(sizes.length);
        cuts.forEach(({ from, to, bytes }, index) => {
          const sum = sizes.slice(from, to).reduce((total, size) => total + size, 0);
          expect(bytes).toBe(sum);
          expect(to - from).toBeGreaterThan(0);
          expect(to - from).toBeLessThanOrEqual(maxMessages);
          if (to - from > 1) expect(sum).toBeLessThanOrEqual(maxBytes);
          const next = cuts[index + 1];
          if (next === undefined) return;
          expect(next.from).toBe(to);
          expect(to - from === maxMessages || sum + (sizes[to] ?? 0) > maxBytes).toBe(true);
        });
      }),
    );
  });
});

describe('the bytes of a message', () => {
  it('are those of payload, key and headers, exactly where they are bytes', () => {
    const message = createMessage({ payload: new Uint8Array(5), key: 'äb', headers: [['name', new Uint8Array(2)]] });
    expect(messageBytes(message)).toBe(5 + 3 + 4 + 2);
    expect(messageBytes(createMessage({}))).toBe(0);
    expect(messageBytes(createMessage({ payload: { name: 'x', list: [1, null, 'yy'] } }))).toBeGreaterThan(10);
  });
});
