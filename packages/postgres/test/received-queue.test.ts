import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { PgoutputMessage } from '../src/changes/pgoutput.js';
import { ReceivedQueue } from '../src/changes/received-queue.js';

function change(relation: number): PgoutputMessage {
  return { kind: 'insert', relation, row: [String(relation)] };
}

test('gives what came in its order, also while more comes', () => {
  const queue = new ReceivedQueue();
  const taken: unknown[] = [];
  for (let at = 0; at < 9; at += 3) {
    queue.pushChange(change(at), 10);
    queue.pushChange(change(at + 1), 20);
    taken.push(queue.take());
    queue.pushChange(change(at + 2), 30);
  }
  expect(queue.bytes).toBe(180 - 60);
  while (!queue.isEmpty) taken.push(queue.take());
  expect(taken).toEqual(
    Array.from({ length: 9 }, (_, at) => ({ kind: 'change', message: change(at), bytes: 10 + 10 * (at % 3) })),
  );
  expect([queue.take(), queue.bytes]).toEqual([undefined, 0]);
});

test('keeps one of several keepalives in a row, which asks for an answer when one of them did', () => {
  const queue = new ReceivedQueue();
  queue.pushKeepalive(1n, true);
  queue.pushKeepalive(2n, false);
  queue.pushChange(change(0), 1);
  queue.pushKeepalive(3n, false);
  expect([queue.take(), queue.take()?.kind, queue.take(), queue.isEmpty]).toEqual([
    { kind: 'keepalive', lsn: 2n, replyRequested: true },
    'change',
    { kind: 'keepalive', lsn: 3n, replyRequested: false },
    true,
  ]);
});

test('lets go what was taken while it never becomes empty', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void; // what the flag gives
  const queue = new ReceivedQueue();
  const messages = Array.from({ length: 100 }, (_, at) => new WeakRef(change(at)));
  const push = (at: number): void => queue.pushChange(messages[at]?.deref() ?? change(at), 1);
  push(0);
  for (let at = 1; at < messages.length; at++) {
    push(at);
    queue.take();
  }
  await setImmediate(); // a WeakRef that was looked at holds its object until the end of the task
  collect();
  expect(messages.filter((message) => message.deref() !== undefined).length).toBeLessThanOrEqual(2);
});
