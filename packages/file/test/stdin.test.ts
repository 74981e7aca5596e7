import { PassThrough } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createFraming, type SourceBatch } from '@sluice/core/driver';
import { expect, test } from 'vitest';
import { openStdin } from '../src/stdin.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void; // what the flag adds

const readOptions = { maxMessages: 100, maxBytes: 1000, signal: new AbortController().signal };

test('a batch that was taken can be collected while standard input is silent', async () => {
  const stream = new PassThrough();
  const read = openStdin(stream, createFraming('lines')).read('-', undefined, readOptions)[Symbol.asyncIterator]();
  stream.write('one\ntwo\n');
  const batch = await read.next().then(({ value }) => new WeakRef(value as SourceBatch)); // it is not the end
  const next = read.next();
  await new Promise(setImmediate); // a reference that was just made holds until then
  collectGarbage();
  expect(batch.deref()).toBeUndefined();
  stream.end();
  expect(await next).toMatchObject({ done: true });
});
