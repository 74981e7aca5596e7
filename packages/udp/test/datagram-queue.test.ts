import { createMessage, type Message } from '@sluice/core/driver';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DatagramQueue } from '../src/datagram-queue.js';

const unlimited = { maxMessages: 1000, maxBytes: 1_000_000 };

function datagram(bytes: number): Message {
  return createMessage({ payload: new Uint8Array(bytes) });
}

test('a batch holds what came since the last one, in order', () => {
  const queue = new DatagramQueue(unlimited);
  const messages = [datagram(1), datagram(0), datagram(3)];
  for (const message of messages) queue.push(message, 1);
  expect(queue.shift()).toEqual({ messages, position: null, bytes: 3 });
  expect(queue.shift()).toBeUndefined();
});

test('a batch ends at the limit of messages and of bytes', () => {
  const queue = new DatagramQueue(unlimited);
  queue.limitBatches({ maxMessages: 3, maxBytes: 10 });
  for (const bytes of [1, 1, 1, 6, 5, 20, 1]) queue.push(datagram(bytes), bytes);
  const sizes = Array.from({ length: 5 }, () => queue.shift()?.bytes);
  expect(sizes).toEqual([3, 6, 5, 20, 1]);
});

test('a batch is full once it will not grow any more', () => {
  const queue = new DatagramQueue(unlimited);
  queue.limitBatches({ maxMessages: 2, maxBytes: 10 });
  queue.push(datagram(1), 1);
  expect(queue.hasFullBatch).toBe(false);
  queue.push(datagram(1), 1);
  expect(queue.hasFullBatch).toBe(true);
});

test('half of the bound makes a full batch', () => {
  const queue = new DatagramQueue({ maxMessages: 4, maxBytes: 100 });
  queue.limitBatches(unlimited);
  for (const full of [false, true, true, true]) {
    queue.push(datagram(1), 1);
    expect(queue.hasFullBatch).toBe(full);
  }
  expect([queue.shift()?.bytes, queue.shift()?.bytes]).toEqual([2, 2]);
});

test('above the bound the newest is refused and what is held stays', () => {
  const queue = new DatagramQueue({ maxMessages: 2, maxBytes: 100 });
  const [first, second, third] = [datagram(1), datagram(1), datagram(1)];
  expect([first, second, third].map((message) => queue.push(message, 1))).toEqual([true, true, false]);
  expect([queue.shift()?.messages, queue.shift()?.messages]).toEqual([[first], [second]]);
  expect(queue.push(third, 1)).toBe(true);
});

test('a datagram above the bound of bytes passes when the queue is empty', () => {
  const queue = new DatagramQueue({ maxMessages: 10, maxBytes: 4 });
  expect(queue.push(datagram(5), 5)).toBe(true);
  expect(queue.push(datagram(0), 0)).toBe(false);
});

test('an invalid datagram is named by its place in the batch', () => {
  const queue = new DatagramQueue(unlimited);
  const error = new Error('too large');
  queue.push(datagram(1), 1);
  queue.push(datagram(2), 2, error);
  expect(queue.shift()?.failures).toEqual([{ index: 1, error }]);
});

test('whatever is pushed and taken, what was held comes out once, in order, and within the bounds', () => {
  const step = fc.oneof({ weight: 5, arbitrary: fc.nat(12) }, { weight: 1, arbitrary: fc.constant('take' as const) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new DatagramQueue({ maxMessages: 7, maxBytes: 30 });
      queue.limitBatches({ maxMessages: 3, maxBytes: 10 });
      const held: Message[] = [];
      const out: Message[] = [];
      const take = () => {
        const batch = queue.shift();
        expect(batch === undefined || batch.messages.length <= 3).toBe(true);
        out.push(...(batch?.messages ?? []));
        return batch !== undefined;
      };
      for (const next of steps) {
        if (next === 'take') take();
        else {
          const message = datagram(next);
          if (queue.push(message, next)) held.push(message);
        }
        expect(queue.length).toBe(held.length - out.length);
        expect(queue.length).toBeLessThanOrEqual(7);
      }
      while (take());
      expect(out).toEqual(held);
    }),
  );
});
