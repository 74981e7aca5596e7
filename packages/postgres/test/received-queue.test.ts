import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { ReceivedQueue } from '../src/changes/received-queue.js';

/** A change of so many bytes, all of them the same. */
function change(value: number, bytes = 1): Buffer {
  return Buffer.alloc(bytes, value);
}

test('gives what came in its order, also while more comes', () => {
  const queue = new ReceivedQueue();
  const taken: unknown[] = [];
  for (let at = 0; at < 9; at += 3) {
    queue.pushChange(change(at, 10));
    queue.pushChange(change(at + 1, 20));
    taken.push(queue.take());
    queue.pushChange(change(at + 2, 30));
  }
  expect(queue.bytes).toBe(180 - 60);
  while (!queue.isEmpty) taken.push(queue.take());
  expect(taken).toEqual(Array.from({ length: 9 }, (_, at) => change(at, 10 + 10 * (at % 3))));
  expect([queue.take(), queue.bytes]).toEqual([undefined, 0]);
});

test('keeps one of several keepalives in a row, which asks for an answer when one of them did', () => {
  const queue = new ReceivedQueue();
  queue.pushKeepalive(1n, true);
  queue.pushKeepalive(2n, false);
  queue.pushChange(change(0));
  queue.pushKeepalive(3n, false);
  expect([queue.take(), queue.take(), queue.take(), queue.isEmpty]).toEqual([
    { kind: 'keepalive', lsn: 2n, replyRequested: true },
    change(0),
    { kind: 'keepalive', lsn: 3n, replyRequested: false },
    true,
  ]);
});

test('lets go what was taken while it never becomes empty', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void; // what the flag gives
  const queue = new ReceivedQueue();
  const taken: WeakRef<object>[] = [];
  queue.pushChange(change(0));
  for (let at = 1; at <= 100; at++) {
    queue.pushChange(change(at));
    const next = queue.take();
    if (next !== undefined) taken.push(new WeakRef(next));
  }
  await setImmediate(); // a WeakRef that was looked at holds its object until the end of the task
  collect();
  expect(taken).toHaveLength(100);
  expect(taken.filter((each) => each.deref() !== undefined).length).toBeLessThanOrEqual(2);
});

test('keeps what came when its bytes are written over', () => {
  const queue = new ReceivedQueue();
  const bytes = change(1, 10);
  queue.pushChange(bytes);
  bytes.fill(2);
  expect(queue.take()).toEqual(change(1, 10));
});
