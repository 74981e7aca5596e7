import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { SourceBatch } from '@sluice/core/driver';
import { expect, test } from 'vitest';
import { oneByOne } from '../src/one-by-one.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void; // what the flag adds

const batchAt = (position: number): SourceBatch => ({ messages: [], position, bytes: 0 });

test('batches come one by one, in order', async () => {
  const read = oneByOne(
    (async function* () {
      yield [];
      yield [batchAt(1), batchAt(2)];
      yield [batchAt(3)];
    })(),
  );
  const positions: unknown[] = [];
  for await (const { position } of read) positions.push(position);
  expect(positions).toEqual([1, 2, 3]);
});

test('a reading that is ended early ends its reader, and gives nothing more', async () => {
  let isEnded = false;
  const read = oneByOne(
    (async function* () {
      try {
        yield [batchAt(1), batchAt(2)];
      } finally {
        isEnded = true;
      }
    })(),
  );
  for await (const { position } of read) {
    expect(position).toBe(1);
    break;
  }
  expect(isEnded).toBe(true);
  expect(await read[Symbol.asyncIterator]().next()).toEqual({ value: undefined, done: true });
});

test('a batch that was taken can be collected while the next one is awaited', async () => {
  const later = Promise.withResolvers<void>();
  const read = oneByOne(
    (async function* () {
      yield* (async function* () {
        yield [batchAt(1)];
        await later.promise;
      })();
    })(),
  )[Symbol.asyncIterator]();
  const batch = await read.next().then(({ value }) => new WeakRef(value as SourceBatch)); // the first of the two is not the end
  const next = read.next();
  await new Promise(setImmediate); // a reference that was just made holds until then
  collectGarbage();
  expect(batch.deref()).toBeUndefined();
  later.resolve();
  expect(await next).toMatchObject({ done: true });
});
